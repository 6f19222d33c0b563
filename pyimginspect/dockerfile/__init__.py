"""Dockerfiles: read with the place of every part, matched with an image's history, and edited.

:func:`parse` reads one as BuildKit does; :mod:`pyimginspect.dockerfile.shell` reads the commands of
a ``RUN``; :mod:`pyimginspect.dockerfile.matching` finds the step of a history that each instruction
made; :mod:`pyimginspect.dockerfile.editing` changes the text and leaves the rest as it is.
"""

from pyimginspect.dockerfile.document import parse
from pyimginspect.dockerfile.file import Dockerfile, Ignore, same_instruction
from pyimginspect.dockerfile.records import Document, Flag, Heredoc, Instruction, Stage

__all__ = [
    "Dockerfile",
    "Document",
    "Flag",
    "Heredoc",
    "Ignore",
    "Instruction",
    "Stage",
    "parse",
    "same_instruction",
]
