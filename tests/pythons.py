"""Pythons of every origin to put into a layer, and what the inventory makes of such layers.

    inventory({**debian_base(), **cpython("opt/python", "3.12.4")}, cmd=["python3"])

Trees hold the few files that tell one installation from another, each where the real one has it.
"""

import json
import struct
from collections.abc import Mapping, Sequence
from typing import Any

from pyimginspect.inventory.collect import Inventory, take_inventory
from pyimginspect.inventory.facts import Interpreter
from pyimginspect.ledger import build_ledger
from pyimginspect.model import History, Image, ImageConfig, Layer
from pyimginspect.rootfs import RootFS
from tests.elf import elf
from tests.systems import MUSL, X86, rootfs
from tests.tars import Content, File, Link

__all__ = [
    "apk_database",
    "conda_python",
    "cpython",
    "executable",
    "frozen",
    "inventory",
    "patchlevel",
    "pypy",
    "python",
    "pythons",
    "stored",
    "venv",
]

PATH = "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"


def inventory(
    *trees: Mapping[str, Content],
    env: Sequence[str] = (),
    entrypoint: Sequence[str] = (),
    cmd: Sequence[str] = (),
    user: str = "",
    working_dir: str = "",
    steps: Sequence[str] = (),
    dlopen: Mapping[str, tuple[str, ...]] | None = None,
) -> Inventory:
    """All facts of an image with these layers; `steps` are the instructions that made
    them, `CMD …` among them, which makes none."""
    system = rootfs(*trees)
    lines = steps or [f"RUN layer {number}" for number in range(len(trees))]
    history = tuple(
        History(created_by=f"{line} # buildkit", empty_layer=line.startswith("CMD "))
        for line in lines
    )
    made = [step for step in history if not step.empty_layer]
    layers = tuple(
        Layer(number=layer.number, index=layer.index, history=step)
        for layer, step in zip(system.layers, made, strict=True)
    )
    config = ImageConfig(
        env=(PATH, *env),
        entrypoint=tuple(entrypoint),
        cmd=tuple(cmd),
        user=user,
        working_dir=working_dir,
        history=history,
    )
    image = Image(reference="test", source="docker-archive", config=config, layers=layers)
    return take_inventory(image, system, build_ledger(system), dlopen)


def pythons(*trees: Mapping[str, Content], **config: Any) -> tuple[Interpreter, ...]:
    """The interpreters of such an image."""
    return inventory(*trees, **config).interpreters


def python(*trees: Mapping[str, Content], **config: Any) -> Interpreter:
    """The only one that there is."""
    (found,) = pythons(*trees, **config)
    return found


def stored(system: RootFS, *tops: str) -> int:
    """The bytes of the files below (or at) these paths, each content once."""
    contents = {}
    for path, node in system.nodes.items():
        if node.kind == "file" and any(path == top or path.startswith(f"{top}/") for top in tops):
            contents[node.content.layer, node.content.position] = node.content.entry.stored
    return sum(contents.values())


# --- interpreters ---------------------------------------------------------------------------------
def patchlevel(version: str) -> str:
    return f'/* Version as a string */\n#define PY_VERSION      \t"{version}"\n'


def executable(
    version: str = "", *, needed: Sequence[str] = (), musl: bool = False, **more: str
) -> File:
    """A program on glibc or musl; with a version, as one that Python is linked into."""
    libc = "libc.musl-x86_64.so.1" if musl else "libc.so.6"
    text = f"\0{version}\0".encode() if version else b""
    program = elf(
        needed=[*needed, libc], interp=MUSL if musl else X86, extra=text, rpath=more.get("rpath")
    )
    return File(program, mode=0o755)


def frozen(series: str, *, library: bool = True, before: int = 2000, length: int = 500) -> File:
    """A program that ends as PyInstaller's do: its archive's cookie, then ELF section headers.

    `before` are the bytes after the cookie, `length` is what the archive says it has; without a
    `library` it is a cookie of PyInstaller before 2.1.
    """
    major, _, minor = series.partition(".")
    version = int(major) * (100 if len(minor) > 1 else 10) + int(minor)
    cookie = struct.pack("!8sIIII", b"MEI\014\013\012\013\016", length, 10, 10, version)
    name = f"libpython{series}.so.1.0".encode().ljust(64, b"\0") if library else b""
    program = elf(needed=["libc.so.6"], interp=X86)
    return File(program + bytes(length) + cookie + name + bytes(before), mode=0o755)


def cpython(
    prefix: str,
    version: str,
    *,
    shared: bool = False,
    headers: bool = False,
    musl: bool = False,
    lib: str = "lib",
    name: str = "",
    abi: str = "",
) -> dict[str, Content]:
    """CPython under `prefix`: one executable, its short names, and a standard library."""
    series = ".".join(version.split(".")[:2]) + abi
    stdlib = f"{prefix}/{lib}/python{series}"
    library = f"libpython{series}.so.1.0"
    name = name or f"python{series}"
    tree: dict[str, Content] = {
        f"{prefix}/bin/{name}": executable(
            "" if shared else version,
            needed=[library] if shared else [],
            musl=musl,
            rpath="$ORIGIN/../lib",
        ),
        f"{prefix}/bin/python3": Link(name),
        f"{prefix}/bin/python": Link("python3"),
        f"{stdlib}/os.py": "# os\n",
        f"{stdlib}/json/__init__.py": "# json\n",
        f"{stdlib}/site-packages/README.txt": "For third parties.\n",
    }
    if shared:
        libc = "libc.musl-x86_64.so.1" if musl else "libc.so.6"
        text = f"\0{version}\0".encode()
        tree[f"{prefix}/{lib}/{library}"] = elf(soname=library, needed=[libc], extra=text)
    if headers:
        tree[f"{prefix}/include/python{series}/patchlevel.h"] = patchlevel(version)
    return tree


def pypy(prefix: str, version: str, *, series: str = "3.10") -> dict[str, Content]:
    """PyPy as its own archives unpack: a small executable and a large library beside it."""
    library = f"libpypy{series}-c.so"
    text = f"\0[PyPy {version} with GCC 10.2.1]\0".encode()
    return {
        f"{prefix}/bin/pypy{series}": executable(needed=[library], rpath="$ORIGIN"),
        f"{prefix}/bin/pypy3": Link(f"pypy{series}"),
        f"{prefix}/bin/python3": Link(f"pypy{series}"),
        f"{prefix}/bin/{library}": elf(soname=library, needed=["libc.so.6"], extra=text),
        f"{prefix}/lib/pypy{series}/os.py": "# os\n",
        f"{prefix}/lib/pypy{series}/site-packages/README": "",
        f"{prefix}/include/pypy{series}/patchlevel.h": patchlevel("3.10.14")
        + f'#define PYPY_VERSION "{version}"\n',
    }


def conda_python(prefix: str, version: str, build: str = "h955ad1f_0") -> dict[str, Content]:
    """Conda's CPython: linked into the executable, with conda's record of what it installed."""
    series = ".".join(version.split(".")[:2])
    tree = cpython(prefix, version)
    files = [path.removeprefix(f"{prefix}/") for path in tree]
    record = {"name": "python", "version": version, "build": build, "files": sorted(files)}
    tree[f"{prefix}/conda-meta/python-{version}-{build}.json"] = json.dumps(record)
    tree[f"{prefix}/include/python{series}/patchlevel.h"] = patchlevel(version)
    return tree


def venv(
    path: str,
    home: str,
    *,
    version: str = "3.13.1",
    program: Content = None,
    site: Mapping[str, Content] = {},
    system: bool = False,
    **keys: str,
) -> dict[str, Content]:
    """A virtual environment; `program` is its `bin/python`, a link into `home` unless given."""
    series = ".".join(version.split(".")[:2])
    settings = {
        "home": home,
        "include-system-site-packages": "true" if system else "false",
        **(keys or {"version": version}),
    }
    return {
        f"{path}/pyvenv.cfg": "".join(f"{key} = {value}\n" for key, value in settings.items()),
        f"{path}/bin/python": program or Link(f"{home}/python"),
        f"{path}/bin/python3": Link("python"),
        f"{path}/lib/python{series}/site-packages/": None,
        **{f"{path}/lib/python{series}/site-packages/{name}": c for name, c in site.items()},
    }


# --- package databases ----------------------------------------------------------------------------
def apk_database(
    packages: Mapping[str, Mapping[str, Content] | Sequence[str]],
    *,
    versions: Mapping[str, str] = {},
    depends: Mapping[str, str] = {},
    world: Sequence[str] = (),
) -> dict[str, Content]:
    """apk's database of these packages and the files they own, with the files themselves."""
    tree: dict[str, Content] = {}
    records = []
    for name, files in packages.items():
        lines = [f"P:{name}", f"V:{versions.get(name, '1.0-r0')}", "A:x86_64"]
        if name in depends:
            lines.append(f"D:{depends[name]}")
        for path in files:
            folder, _, file = path.rpartition("/")
            lines += [f"F:{folder}", f"R:{file}"]
        records.append("\n".join(lines) + "\n")
        if isinstance(files, Mapping):
            tree.update(files)
    tree["lib/apk/db/installed"] = "\n".join(records)
    tree["etc/apk/world"] = "".join(f"{name}\n" for name in world or packages)
    return tree
