from setuptools import setup

setup(name="my-example", version="1.0", packages=["my_example"])
