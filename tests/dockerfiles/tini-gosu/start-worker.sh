#!/bin/sh
exec gosu worker python app.py
