#!/bin/bash
exec python -V
