#!/bin/sh
if [ -n "$USE_SYSTEM_PYTHON" ]; then
    exec /usr/bin/python3 -V
fi
exec /usr/local/bin/python3 -V
