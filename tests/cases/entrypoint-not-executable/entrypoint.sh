#!/bin/sh
exec python -V
