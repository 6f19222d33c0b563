#!/usr/bin/python
"""What gdb loads beside libpython; no program."""
