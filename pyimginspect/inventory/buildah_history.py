"""What buildah, and Podman with it, add to the steps that they write into a history.

A step that the same build with other options would not make gets these options appended, so that
it is no cache hit: ``|unsetLabel=NAME``, ``|inheritLabels=false``, ``|unsetAnnotation=NAME``,
``|inheritAnnotations=false``, ``|force-mtime=SECONDS`` or ``|clamp-mtime=SECONDS``, in this order,
and last, without a bar, annotations as ``NAME=VALUE,…``. After ``ADD`` and ``COPY`` spaces stand
between all of them, there or not; elsewhere nothing does. A ``RUN`` is followed by the digests of
the bind mounts that it had. Source: buildah, imagebuildah/stage_executor.go, ``getCreatedBy`` and
``buildMetadata``.
"""

from __future__ import annotations

import re

__all__ = ["without_flags", "without_metadata"]

# Names and values run into annotations: nothing marks where those begin. Possessive quantifiers
# keep the time linear, whatever a history holds.
_OPTIONS = re.compile(
    r"(?:\s*+\|(?:(?:unsetLabel|unsetAnnotation)=[\w./-]++(?:=[^|\"']*+)?"
    r"|inherit(?:Labels|Annotations)=false"
    r"|(?:force|clamp)-mtime=-?\d++))++\s*+(?:[\w./-]++=.*)?",
    re.DOTALL,
)
_FIRST = re.compile(
    r"\|(?:unsetLabel=|unsetAnnotation=|inherit(?:Labels|Annotations)=false"
    r"|(?:force|clamp)-mtime=-?\d)"
)
# Each try reads to the end of the line; a real step has few places that look like an option.
_MOST_TRIES = 16
_NOP = "/bin/sh -c #(nop) "
_GAP = " " * 6  # between the places of five options that are not there
_ANNOTATION = re.compile(r"[\w./-]{1,200}+=")
# Annotations alone, after what cannot hold them: a JSON list, a port; a well-known one anywhere.
_AFTER_JSON = re.compile(r"([A-Z]+ \[[^\n]*\])[\w./-]{1,200}+=.*", re.DOTALL)
_AFTER_PORT = re.compile(r"(EXPOSE [\d\s-]++(?:/(?:tcp|udp|sctp))?)[A-Za-z][\w./-]*+=.*", re.DOTALL)
_KNOWN = re.compile(
    r"((?:USER|WORKDIR|VOLUME|STOPSIGNAL|EXPOSE|CMD|ENTRYPOINT) .*?[^\s\"'=,])"
    r"org\.opencontainers\.[\w.-]{1,200}+=.*",
    re.DOTALL,
)
_FLAGS = re.compile(
    r"(?:--(?:mount|network|security|device)=(?:\"[^\"]*+\"|'[^']*+'|[^\s\"'])++\s++)++"
)
_DIGESTS = re.compile(r"(?::(?:sha256:|dir:|file:)?[0-9a-f]{64})+")
_HEREDOC = re.compile(r"<<-?([\"']?)\w+\1[ \t]*\n")


def without_metadata(line: str) -> str:
    """Return a line of history without what buildah appends, which other builders never do."""
    for _, first in zip(range(_MOST_TRIES), _FIRST.finditer(line), strict=False):
        # What does not reach the end is a label or a command that only reads like it.
        if _OPTIONS.fullmatch(line, first.start()):
            line = line[: first.start()].rstrip()
            break
    if not line.startswith(_NOP):
        return line
    step = line[len(_NOP) :]
    if step.startswith(("ADD ", "COPY ")):
        head, _, tail = step.partition(_GAP)
        return _NOP + head if " in " in head and _ANNOTATION.match(tail) else line
    for pattern in (_AFTER_JSON, _AFTER_PORT, _KNOWN):
        match = pattern.fullmatch(step)
        if match:
            return _NOP + match[1]
    return line


def without_flags(command: str) -> str:
    """Return a ``RUN`` as the shell gets it: without ``--mount=…`` and what only marks its text.

    A here-document that is all of the command stands for its lines.
    """
    flags = _FLAGS.match(command)
    if flags:
        command = command[flags.end() :]
        digests = list(_DIGESTS.finditer(command))
        if "type=bind" in flags[0] and digests and digests[-1].end() == len(command):
            command = command[: digests[-1].start()]
    heredoc = _HEREDOC.match(command)
    return command[heredoc.end() :] if heredoc else command
