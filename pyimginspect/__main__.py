"""``python -m pyimginspect IMAGE``."""

from pyimginspect.cli import run

if __name__ == "__main__":
    run()
