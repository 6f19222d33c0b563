"""What is to be known of a script's content, read while its layer goes by."""

from __future__ import annotations

from pyimginspect.layers.elf import RandomAccess


class ShellScripts:
    """Counts the lines of shell scripts."""

    name = "acme-shell"
    version = 1

    def wants(self, path: str, size: int, head: bytes) -> bool:
        """Whether it may be a script: `head` are the first four bytes."""
        return head.startswith(b"#!") and size < 1_000_000

    def read(self, path: str, content: RandomAccess) -> int | None:
        """Return how many lines a script has, if a shell runs it."""
        text = bytes(content.read_at(0, content.size))
        first = text.split(b"\n", 1)[0]
        return text.count(b"\n") if first.endswith((b"/sh", b"/bash", b"/dash")) else None
