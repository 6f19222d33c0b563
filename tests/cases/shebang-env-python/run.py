#!/usr/bin/env python
print("started")
