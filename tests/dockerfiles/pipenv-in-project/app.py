from importlib.metadata import version

import flask

print(flask.__name__, version("flask"))
