#!/bin/sh
set -e
git --version > /dev/null
exec "$@"
