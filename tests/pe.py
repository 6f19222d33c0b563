"""Windows programs in memory: real headers, a section table, and the version resource."""

import struct


def pe(version: tuple[int, int, int, int] | None = None, *, extra: bytes = b"") -> bytes:
    """A PE32+ program for x86-64; `version` is its file version, `extra` is in `.text`."""
    text = extra.ljust(0x200, b"\0") + bytes(-len(extra) % 0x200)
    sections = [(b".text", 0x1000, text)]
    if version is not None:
        sections.append((b".rsrc", 0x8000, _resources(version, 0x8000)))
    dos = b"MZ" + bytes(0x3A) + struct.pack("<I", 0x80) + bytes(0x40)
    optional = struct.pack("<H", 0x20B) + bytes(238)
    coff = struct.pack("<2H3I2H", 0x8664, len(sections), 0, 0, 0, len(optional), 0x22)
    table, bodies = b"", b""
    start = 0x80 + 4 + len(coff) + len(optional) + 40 * len(sections)
    start += -start % 0x200
    for name, address, body in sections:
        body += bytes(-len(body) % 0x200)
        table += struct.pack(
            "<8s4I12xI", name, len(body), address, len(body), start + len(bodies), 0x40000040
        )
        bodies += body
    head = dos + b"PE\0\0" + coff + optional + table
    return head.ljust(start, b"\0") + bodies


def windows_python(version: str) -> bytes:
    """A `python.exe` of this version, as `PC/python_ver_rc.h` numbers it."""
    major, minor, micro = (int(part) for part in version.split("."))
    return pe((major, minor, micro * 1000 + 150, 1013))


def _resources(version: tuple[int, int, int, int], address: int) -> bytes:
    """Directories of type, name and language, each with an entry before the one that counts."""

    def directory(*entries: tuple[int, int]) -> bytes:
        head = struct.pack("<12x2H", 0, len(entries))
        return head + b"".join(struct.pack("<2I", *entry) for entry in entries)

    fixed = struct.pack(
        "<6I28x", 0xFEEF04BD, 0x10000, version[0] << 16 | version[1],
        version[2] << 16 | version[3], 0, 0,
    )  # fmt: skip
    key = "VS_VERSION_INFO\0".encode("utf-16-le")
    info = struct.pack("<3H", 6 + len(key) + 2 + len(fixed), len(fixed), 0) + key + bytes(2) + fixed
    below = 1 << 31
    types = directory((3, below | 32), (16, below | 32))  # icons, and the version
    names = directory((1, below | 56))
    languages = directory((1033, 80))
    leaf = struct.pack("<4I", address + 96, len(info), 0, 0)
    return types + names + languages + leaf + info
