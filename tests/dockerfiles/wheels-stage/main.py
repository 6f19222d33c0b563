import click
import yaml

print(click.__name__, yaml.__version__)
