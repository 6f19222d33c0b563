"""apt's configuration, as far as it decides what ``--auto-remove`` takes along.

Source: apt.conf(5). Debian's images for containers set ``SuggestsImportant`` to false, which is
why packages go there that would stay on other machines.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence

import msgspec
from msgspec import Struct

from pyimginspect.inventory.memoize import memoized
from pyimginspect.model import Note
from pyimginspect.rootfs import RootFS

__all__ = [
    "APT_LISTS",
    "AutoRemove",
    "installs_recommends",
    "parse_auto_remove",
    "read_auto_remove",
]

_MAIN = "etc/apt/apt.conf"
APT_LISTS = "var/lib/apt/lists"
_PARTS = "etc/apt/apt.conf.d/"
# Which files of the directory count: apt.conf(5), first paragraph.
_PART_NAME = re.compile(r"[\w.-]+", re.ASCII)

# apt's own files have some kilobytes, and few scopes in scopes: only hostile input has as much.
_MOST_BYTES = 1 << 20
_DEEPEST = 32


class AutoRemove(Struct, frozen=True, kw_only=True):
    """What keeps an automatically installed package, beside those that depend on it.

    ``never`` are regular expressions that packages' names are searched with. Packages in one of
    the ``lasting`` sections leave what they depend on behind as if it had been asked for.

    ``required`` tells whether ``Priority: required`` keeps a package. The archive overrides the
    priority that a package was built with, and apt goes by its lists where it has them. What
    was installed automatically was not there from the beginning, so the archive did not require it.
    """

    recommends: bool = True
    suggests: bool = True
    required: bool = True
    never: tuple[re.Pattern[str], ...] = ()
    lasting: tuple[str, ...] = ()
    notes: tuple[Note, ...] = ()

    def spares(self, name: str) -> bool:
        """Whether ``APT::NeverAutoRemove`` names the package."""
        return any(pattern.search(name[:_LONGEST_NAME]) for pattern in self.never)

    def outlives(self, section: str) -> bool:
        """Whether ``APT::Never-MarkAuto-Sections`` names the section, or its last part."""
        # Older configurations list every component (contrib/metapackages), newer ones the last part
        # alone.
        component, _, last = section.rpartition("/")
        names = (section, last) if component else (section, f"/{section}")
        return bool(section) and any(name in self.lasting for name in names)


@memoized
def read_auto_remove(rootfs: RootFS) -> AutoRemove:
    """Read the settings from an image's ``apt.conf`` and ``apt.conf.d``; apt's own else."""
    # deb.debian.org_debian_dists_trixie_main_binary-amd64_Packages.lz4, with or without an ending.
    # Images without such files have directories all the same.
    has_lists = any("_Packages" in path for path in rootfs.children(APT_LISTS))
    return msgspec.structs.replace(parse_auto_remove(rootfs.texts), required=not has_lists)


@memoized
def installs_recommends(rootfs: RootFS) -> bool:
    """Whether apt installs recommended packages by default: it does unless configured not to."""
    return _truth(_settings(rootfs.texts)[0].get("apt::install-recommends", ""))


def parse_auto_remove(texts: Mapping[str, bytes]) -> AutoRemove:
    """Read the settings from the contents of apt's configuration files, by path."""
    settings, lists = _settings(texts)
    never, notes = [], []
    for expression in lists.get("apt::neverautoremove", ()):
        pattern = _compile(expression)
        if pattern is not None:
            never.append(pattern)
        else:
            notes.append(Note(what=f"APT::NeverAutoRemove '{expression}' is not understood"))
    return AutoRemove(
        recommends=_truth(settings.get("apt::autoremove::recommendsimportant", "")),
        suggests=_truth(settings.get("apt::autoremove::suggestsimportant", "")),
        never=tuple(never),
        lasting=tuple(lists.get("apt::never-markauto-sections", ())),
        notes=tuple(notes),
    )


def _settings(texts: Mapping[str, bytes]) -> tuple[dict[str, str], dict[str, list[str]]]:
    """Return the values of apt's configuration files, and its lists, by their full names."""
    settings: dict[str, str] = {}
    lists: dict[str, list[str]] = {}
    parts = sorted(path for path in texts if path.startswith(_PARTS))
    # The order of apt.conf(5): the parts by name, then the main file, of which the last value
    # counts.
    for path in (*filter(_is_part, parts), _MAIN):
        for name, value in _read(texts.get(path, b"")[:_MOST_BYTES].decode("utf-8", "replace")):
            scope, colons, _ = name.rpartition("::")
            if name.startswith(_CLEAR):
                lists.pop(name.removeprefix(_CLEAR), None)
            elif colons and scope in _LISTS:
                lists.setdefault(scope, []).append(value)
            else:
                settings[name] = value
    return settings, lists


_CLEAR = "#clear "
_LISTS = ("apt::neverautoremove", "apt::never-markauto-sections")


def _is_part(path: str) -> bool:
    name = path.removeprefix(_PARTS)
    return bool(_PART_NAME.fullmatch(name)) and ("." not in name or name.endswith(".conf"))


def _truth(value: str) -> bool:
    # StringToBool() in apt-pkg/contrib/strutl.cc. Other words leave the default, which is true for
    # all that is asked here.
    return value.lower() not in ("0", "no", "false", "without", "off", "disable")


# --- the syntax ---------------------------------------------------------------------------------
_WORD = re.compile(r'[^\s"{};]+')


def _tokens(text: str) -> Iterator[tuple[str, str]]:
    """Yield words, strings and marks; the first of each pair tells them apart."""
    place = 0
    while place < len(text):
        character = text[place]
        if character.isspace():
            place += 1
        elif text.startswith("/*", place):
            place = _after(text, "*/", place + 2)
        elif text.startswith("//", place) or (
            # #clear and #include are directives, all else behind a # is a comment: apt.conf(5).
            character == "#" and not text.startswith(("#clear", "#include"), place)
        ):
            place = _after(text, "\n", place)
        elif character == '"':
            end = _after(text, '"', place + 1)
            yield "string", text[place + 1 : end].removesuffix('"')
            place = end
        elif character in "{};":
            yield character, character
            place += 1
        else:
            word = _WORD.match(text, place)
            assert word is not None
            yield "word", word[0]
            place = word.end()


def _after(text: str, mark: str, place: int) -> int:
    found = text.find(mark, place)
    return len(text) if found < 0 else found + len(mark)


def _read(text: str) -> Iterator[tuple[str, str]]:
    """Yield full names, in lower case, with their values: ``apt::a::b`` and ``x``.

    An element of a list has a name that ends in ``::``; ``#clear`` is in front of its name.
    """
    scopes: list[str] = []
    words: list[str] = []
    strings: list[str] = []
    for kind, value in _tokens(text):
        if kind == "word":
            words.append(value)
        elif kind == "string":
            strings.append(value)
        else:
            if kind != "{":
                yield from _statement(scopes, words, strings)
            elif len(scopes) < _DEEPEST:
                scopes.append(words[0].lower() if words else "")
            else:
                return
            words, strings = [], []
            if kind == "}" and scopes:
                scopes.pop()


def _statement(
    scopes: Sequence[str], words: Sequence[str], strings: Sequence[str]
) -> Iterator[tuple[str, str]]:
    """Yield what one statement inside of ``scopes`` sets."""
    if words and words[0] == "#clear":
        yield from ((_CLEAR + name.lower(), "") for name in words[1:])
    elif strings or len(words) > 1:
        # A value without a name is an element of a list: `NeverAutoRemove { "^x"; };`.
        name = words[0].lower() if words else "::"
        full = "::".join(scope for scope in (*scopes, name.removesuffix("::")) if scope)
        yield (full + "::" if name.endswith("::") else full), (strings or words[1:])[0]


# --- regular expressions ------------------------------------------------------------------------
# Those that Debian uses: letters, classes, and few repetitions. Others could take for ever.
_ATOM = re.compile(r"\\[^\w\s]|\[\^?[\w+.~-]+\]|[\w~-]|\.", re.ASCII)
# With k of them a search may backtrack over n**k places of a name.
_MOST_REPEATS = 2
_LONGEST_EXPRESSION = 200
# A name is cut to it before it is searched: only hostile ones are longer.
_LONGEST_NAME = 200


def _compile(expression: str) -> re.Pattern[str] | None:
    """Return a POSIX extended regular expression as Python's, if it is a simple one."""
    body = expression.removeprefix("^").removesuffix("$")
    repeats = 0
    place = 0
    while place < len(body):
        atom = _ATOM.match(body, place)
        if atom is None:
            return None
        place = atom.end()
        if body[place : place + 1] in ("*", "+", "?"):
            place += 1
            repeats += 1
    if repeats > _MOST_REPEATS or len(expression) > _LONGEST_EXPRESSION:
        return None
    try:
        # Configuration::MatchAgainstConfig compiles with REG_EXTENDED | REG_ICASE.
        return re.compile(expression, re.ASCII | re.IGNORECASE)
    except re.error:
        return None
