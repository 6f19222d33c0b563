import click; print(click.__name__)
