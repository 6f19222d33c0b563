import click


def main() -> None:
    print(click.__name__)
