import yaml

print(yaml.safe_load("works: true"), yaml.__with_libyaml__)
