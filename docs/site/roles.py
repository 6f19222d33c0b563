"""An extension of griffe: the roles of docstrings (``:class:`Report```) as Markdown.

A role leads to what is documented on the same site, and is code where it is not.
"""

from __future__ import annotations

import re
from typing import Any

import griffe

_ROLE = re.compile(r":(?:class|func|meth|data|attr|mod|exc):`(~?)([\w.]+)`")


class Roles(griffe.Extension):
    """Puts Markdown in the place of roles, in every docstring."""

    def on_object(self, *, obj: griffe.Object, **_: Any) -> None:
        """Change the docstring of a module, class, function or attribute."""
        if obj.docstring is not None:
            obj.docstring.value = _ROLE.sub(lambda match: _link(match, obj), obj.docstring.value)


def _link(match: re.Match[str], obj: griffe.Object) -> str:
    name = match[2].rpartition(".")[2] if match[1] else match[2]
    target = match[2]
    if "." not in target:
        try:
            target = obj.resolve(target)
        except griffe.NameResolutionError:
            return f"`{name}`"
    return f'<autoref optional identifier="{target}"><code>{name}</code></autoref>'
