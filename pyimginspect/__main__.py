"""``python -m pyimginspect IMAGE``."""

import sys

from pyimginspect.cli import main

if __name__ == "__main__":
    sys.exit(main())
