import getpass

import click

print(click.__name__, getpass.getuser())
