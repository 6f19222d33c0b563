#!/bin/bash
python3 -c "import click; print(click.__name__)"
stat -c %a /usr/sbin/useradd
