"""Which files of a listing are examined, where each costs a request.

Read whole, a layer has the first bytes of every file examined: that is how programs, libraries and
scripts are told. By a table of contents only those files are whose name, place or mode leaves it
open that they are one. What is left out are files of data, by their ending, and what lies where
distributions keep data, unless somebody may execute it.
"""

from __future__ import annotations

import re

from pyimginspect.layers import rpmdb, strings
from pyimginspect.layers.contents import may_identify
from pyimginspect.layers.texts import wants_text
from pyimginspect.model import Entry

__all__ = ["is_wanted", "is_wanted_whole"]

_DATA = frozenset(
    re.findall(
        r"\S+",
        """
        a afm al am arff asc asm bat bib bmp bz2 c cc cfg cmake conf cpp crt css csv cxx dat def
        dic dll doc dtd eggs el enc eot eps exe f f03 f08 f77 f90 fits for gif gir go gpg graphql
        gz h h5 hh hpp htm html hxx ico idl in inc inf info ini ipynb jar java jinja jpeg jpg js
        json jsonl key kml less list log lua lz4 lzma m4 m4f man map mat md md5sums mjs mk mo mp3
        mp4 mplstyle msg npy npz odt otf parquet pc pdf pem ph pickle pkl pl pm png po pod pot
        properties proto ps pxd pxi py pyc pyf pyi pyo pyx qm r rb rds rst rtf sav scss sha256
        shlibs sql sqlite sqlite3 svg symbols tar tcc tcl templates tex tga tgz tif tiff tmpl
        toml tp ts tsv ttf txt typed typelib vim wav webp whl woff woff2 xbm xcf xhtml xls xlsx
        xml xpm xsd xsl xslt xz yaml yml zip zst
        """,
    )
)
_DATA_PLACES = re.compile(
    r"(?:usr/(?:local/)?)?(?:share|include)/|etc/|var/(?:lib|cache|log)/|usr/lib/(?:locale|terminfo)/"
    r"|.*\.(?:dist|egg)-info/|(?:.*/)?__pycache__/"
)


def is_wanted(entry: Entry) -> bool:
    """Whether the content of a file is examined, its beginning at least."""
    path = entry.path
    name = path[path.rfind("/") + 1 :]
    # All but 25 of 1,510 ELF files of a large image are one or the other
    # (docs/decisions/table-of-contents.md).
    if entry.mode & 0o111 or ".so" in name or name.endswith(".sh"):
        return True
    if may_identify(path) and (is_wanted_whole(path) or strings.wants(path)):
        return True
    return name[name.rfind(".") + 1 :].lower() not in _DATA and _DATA_PLACES.match(path) is None


def is_wanted_whole(path: str) -> bool:
    """Whether all of a file's content is examined, by its name alone."""
    return wants_text(path) or rpmdb.wants(path)
