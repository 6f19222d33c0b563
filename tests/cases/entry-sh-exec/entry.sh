#!/bin/sh
set -e
exec /usr/bin/python3 -c 'import sys; print(sys.executable)'
