"""The images: a Dockerfile, the files of its context, and what has to work afterwards."""

from __future__ import annotations

import base64
import hashlib
import io
import random
import zipfile
from collections.abc import Mapping
from dataclasses import dataclass, field

__all__ = ["ALPINE", "CASES", "SLIM", "Case"]

SLIM = "python:3.11.2-slim-bookworm"
ALPINE = "alpine:3.20.3"

_CLEAN = "rm -rf /var/lib/apt/lists/*"
_INSTALL = "apt-get install -y --no-install-recommends"
_SOURCE = """#include <libpq-fe.h>
int hello(void) { return PQlibVersion(); }
"""
_COMPILE = (
    "gcc -O2 -fPIC -shared -I/usr/include/postgresql -o /usr/local/lib/libhello.so hello.c -lpq"
)
_CALL = "import ctypes; assert ctypes.CDLL('/usr/local/lib/libhello.so').hello() >= 150_000"


@dataclass(frozen=True, kw_only=True)
class Case:
    """One image, of a Dockerfile or of the corpus.

    ``works`` is Python to run in a container of what the plan's edits make of it.
    """

    name: str
    dockerfile: str = ""
    corpus: str = ""
    files: Mapping[str, bytes] = field(default_factory=dict)
    works: str = ""


def _noise(size: int, seed: int) -> bytes:
    return random.Random(seed).randbytes(size)


def _wheel(name: str, version: str, files: Mapping[str, bytes]) -> bytes:
    """A wheel of these files, as pip wants one."""
    info = f"{name}-{version}.dist-info"
    contents = {
        **files,
        f"{info}/METADATA": f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n".encode(),
        f"{info}/WHEEL": b"Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n",
    }
    rows = [f"{path},sha256={_digest(data)},{len(data)}" for path, data in contents.items()] + [
        f"{info}/RECORD,,"
    ]
    contents[f"{info}/RECORD"] = ("\n".join(rows) + "\n").encode()
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as archive:
        for path, data in contents.items():
            archive.writestr(path, data)
    return out.getvalue()


def _digest(data: bytes) -> str:
    return base64.urlsafe_b64encode(hashlib.sha256(data).digest()).rstrip(b"=").decode()


_WHEELS = {
    "wheels/PyYAML-6.0.3-py3-none-any.whl": _wheel(
        "PyYAML", "6.0.3", {"yaml/__init__.py": b"# stands for PyYAML\n"}
    ),
    "wheels/psycopg2-2.9.11-py3-none-any.whl": _wheel(
        "psycopg2", "2.9.11", {"psycopg2/__init__.py": b"# stands for psycopg2\n"}
    ),
}
_TOOLS = {
    "wheels/cmake-4.2.0-py3-none-any.whl": _wheel(
        "cmake",
        "4.2.0",
        {"cmake/__init__.py": b"# stands for CMake\n", "cmake/data/cmake.bin": _noise(9 << 20, 1)},
    ),
    "wheels/Cython-3.2.0-py3-none-any.whl": _wheel(
        "Cython", "3.2.0", {"Cython/__init__.py": b"", "Cython/data.bin": _noise(3 << 20, 2)}
    ),
    "wheels/acme-1.0-py3-none-any.whl": _wheel(
        "acme", "1.0", {"acme/__init__.py": b"", "acme/data.bin": _noise(2 << 20, 3)}
    ),
}


_TWO_VERSIONS = {
    f"wheels/acme-{n}.0-py3-none-any.whl": _wheel(
        "acme",
        f"{n}.0",
        {"acme/__init__.py": f"version = {n}\n".encode(), "acme/data.bin": _noise(9 << 20, 5 + n)},
    )
    for n in (1, 2)
}


CASES = (
    Case(
        name="apt lists left",
        dockerfile=f"FROM {SLIM}\nRUN apt-get update && {_INSTALL} libpq5\n",
    ),
    Case(
        name="compilers left",
        dockerfile=f"""FROM {SLIM}
WORKDIR /src
RUN apt-get update && {_INSTALL} gcc libc6-dev libpq-dev && {_CLEAN}
COPY hello.c ./
RUN {_COMPILE}
CMD ["python3", "-c", "import ctypes; ctypes.CDLL('libhello.so')"]
""",
        files={"hello.c": _SOURCE.encode()},
        works=_CALL,
    ),
    Case(
        name="compilers left by the RUN that used them",
        dockerfile=f"""FROM {SLIM}
WORKDIR /src
COPY hello.c ./
RUN apt-get update && apt-get install -y gcc libc6-dev libpq-dev && {_COMPILE} && {_CLEAN}
""",
        files={"hello.c": _SOURCE.encode()},
        works=_CALL,
    ),
    Case(
        name="compilers that nothing used",
        dockerfile=f"""FROM {SLIM}
RUN apt-get update && {_INSTALL} build-essential libpq5 && {_CLEAN}
CMD ["python3"]
""",
    ),
    Case(
        name="git purged in a later layer",
        dockerfile=f"""FROM {SLIM}
RUN apt-get update && {_INSTALL} git && {_CLEAN}
RUN git --version > /version
RUN apt-get purge -y --auto-remove git
""",
    ),
    Case(
        name="chown -R in a later layer",
        dockerfile=f"""FROM {SLIM}
COPY app /app
RUN chown -R 1000:1000 /app
USER 1000
CMD ["/app/run"]
""",
        files={"app/data.bin": _noise(20 << 20, 4), "app/run": b"#!/bin/sh\n"},
    ),
    Case(
        name="chmod of a program in a later layer",
        dockerfile=f"""FROM {SLIM}
COPY app/program /usr/local/bin/program
RUN chmod 700 /usr/local/bin/program
""",
        files={"app/program": _noise(20 << 20, 5)},
    ),
    Case(
        name="a distribution replaced by a later RUN",
        dockerfile=f"""FROM {SLIM}
COPY wheels /wheels
RUN pip install --no-cache-dir --no-index --find-links /wheels acme==1.0
RUN pip install --no-cache-dir --no-index --find-links /wheels acme==2.0
""",
        files=_TWO_VERSIONS,
        works="import acme; assert acme.version == 2",
    ),
    Case(
        name="two owners deleted by one RUN",
        dockerfile=f"""FROM {SLIM}
COPY wheels /wheels
RUN apt-get update && {_INSTALL} file && {_CLEAN} && pip install --no-index /wheels/acme-1*.whl
RUN apt-get purge -y --auto-remove file && pip uninstall -y acme
""",
        files=_TWO_VERSIONS,
    ),
    Case(
        name="all of /usr copied onto its own base",
        dockerfile=f"""FROM {SLIM} AS build
RUN apt-get update && {_INSTALL} libpq5 && {_CLEAN}
FROM {SLIM}
COPY --from=build /usr /usr
""",
        works="import ctypes; assert ctypes.CDLL('libpq.so.5').PQlibVersion() >= 150_000",
    ),
    Case(
        name="Python bindings from apt",
        dockerfile=f"""FROM {SLIM}
RUN apt-get update && {_INSTALL} python3-psycopg2 python3-yaml && {_CLEAN}
COPY wheels /wheels
RUN pip install --no-cache-dir --no-index /wheels/*.whl
""",
        files=_WHEELS,
    ),
    Case(
        name="environment copied with its build tools",
        dockerfile=f"""FROM {SLIM} AS builder
COPY wheels /wheels
RUN python -m venv /opt/venv && /opt/venv/bin/pip install --no-cache-dir --no-index /wheels/*.whl
FROM {SLIM}
COPY --from=builder /opt/venv /opt/venv
ENV PATH=/opt/venv/bin:$PATH
""",
        files=_TOOLS,
    ),
    Case(
        name="everything wrong",
        corpus="bad",
        works="import lxml.etree, matplotlib, numpy, pandas, psycopg2",
    ),
    Case(
        name=".build-deps left on Alpine",
        dockerfile=f"""FROM {ALPINE}
RUN apk add --no-network --virtual .build-deps musl-utils scanelf zlib && echo built > /built
""",
    ),
)
