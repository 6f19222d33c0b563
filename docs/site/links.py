"""A hook of MkDocs: links that leave docs/ lead to the repository.

On a forge they are files beside the documentation; a site has only the documentation.
"""

from __future__ import annotations

import posixpath
import re
from typing import Any

_OUTSIDE = re.compile(r"\]\(((?:\.\./)+[^)\s]*)\)")


def on_page_markdown(markdown: str, *, page: Any, config: Any, **_: Any) -> str:
    """Return a page's Markdown with addresses in place of paths out of docs/."""

    def address(match: re.Match[str]) -> str:
        place = posixpath.normpath(
            posixpath.join("docs", posixpath.dirname(page.file.src_uri), match[1])
        )
        if place.startswith("docs/"):
            return match[0]
        return f"]({config.repo_url}/blob/main/{place})"

    return _OUTSIDE.sub(address, markdown)
