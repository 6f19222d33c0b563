"""Where the corpus lies, and what it consists of."""

from __future__ import annotations

import json
import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

COMPRESSIONS: Final = ("gzip", "zstd")


@dataclass(frozen=True)
class Corpus:
    """The corpus below `root`; `scripts/build_corpus` fills it. No path need exist yet."""

    root: Path

    @classmethod
    def default(cls) -> Corpus:
        """At ``$PYIMGINSPECT_CORPUS``, else in the user's cache directory."""
        named = os.environ.get("PYIMGINSPECT_CORPUS")
        return cls(Path(named) if named else Path.home() / ".cache" / "pyimginspect-corpus")

    @property
    def engine(self) -> Path:
        """The state of the Docker Engine that built the corpus."""
        return self.root / "engine"

    def tag(self, name: str) -> str:
        """The tag of image `name` in that engine and in the archives."""
        return f"corpus/{name}:latest"

    def archive(self, name: str) -> Path:
        """What ``docker save`` wrote."""
        return self.root / "docker-archive" / f"{name}.tar"

    def oci(self, name: str, compression: str) -> Path:
        """An OCI layout directory that skopeo made of the archive; see `COMPRESSIONS`."""
        return self.root / f"oci-{compression}" / name

    def export(self, name: str) -> Path:
        """What ``docker export`` wrote of a container created from the image and never run."""
        return self.root / "export" / f"{name}.tar"

    def outputs(self, name: str) -> tuple[Path, ...]:
        """Every form in which image `name` is kept."""
        layouts = (self.oci(name, compression) for compression in COMPRESSIONS)
        return (self.archive(name), self.export(name), *layouts)

    def stamp_file(self, name: str) -> Path:
        """Where the record of a finished build is kept."""
        return self.root / "stamps" / f"{name}.json"

    def stamp(self, name: str) -> dict[str, Any] | None:
        """The record of the build, or None where image `name` is not there complete.

        It has the ``key`` of the build's inputs and the image's ``id``.
        """
        try:
            stamp: dict[str, Any] = json.loads(self.stamp_file(name).read_bytes())
        except FileNotFoundError:
            return None
        return stamp if all(path.exists() for path in self.outputs(name)) else None
