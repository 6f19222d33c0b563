import markupsafe
from markupsafe import _speedups

print(markupsafe.escape("<"), _speedups is not None)
