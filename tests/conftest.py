"""What all tests share."""

import os
import sys

# Where bytecode is not kept, as in many containers, each of the programs that tests start would
# compile the whole package again (0.6 s of CPU instead of 0.2), and every run all modules of tests.
os.environ.pop("PYTHONDONTWRITEBYTECODE", None)
sys.dont_write_bytecode = False
