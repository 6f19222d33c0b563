python -V
