"""What three container engines make of layers: Docker with overlay2, containerd, Podman.

Each takes archives that `tests.images` wrote, and shows the file system that a container would
see. None of them runs anything.
"""

from __future__ import annotations

import os
import stat
import subprocess
import tarfile
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Final, NamedTuple

from pyimginspect.rootfs import RootFS
from tests.images import Image, Tree, docker_archive, image, layer
from tests.integration.engine import Engine, EngineError

CTR: Final = Path("/usr/bin/ctr")
PODMAN: Final = Path("/usr/bin/podman")
NAMESPACE: Final = "pyimginspect-layers"
# What a Docker Engine puts into every container that it makes, whatever the image holds.
ADDED: Final = {"dev", "etc", "proc", "sys", ".dockerenv"}


# Of a longer file the size is compared: a sparse one is stored without its zeros.
LONGEST: Final = 1000


class Seen(NamedTuple):
    """One path: `content` is a file's, where a link leads, or the numbers of a device."""

    kind: str
    mode: int
    uid: int
    gid: int
    content: str


View = dict[str, Seen]
"""A file system, by path."""


def run(*command: str | Path) -> str:
    """Standard output of a command. Raises EngineError where it ends with another status than 0."""
    done = subprocess.run(command, capture_output=True, text=True, errors="replace", check=False)
    if done.returncode:
        raise EngineError(f"{command}: {(done.stdout + done.stderr).strip()[-2000:]}")
    return done.stdout


def why_missing() -> str | None:
    """Which of the programs is not installed, or None."""
    for program in (CTR, PODMAN):
        if not program.exists():
            return f"{program} is not installed (scripts/install_system_packages installs it)"
    return None


def of_layers(trees: Sequence[Tree], name: str) -> Image:
    """An image of these layers, tagged with its name."""
    return image([layer(tree) for tree in trees], tag=name)


def archive(images: Mapping[str, Image], folder: Path) -> Path:
    """Write an archive of all `images`, which are tagged with their names."""
    path = folder / "layers.tar"
    path.write_bytes(docker_archive(*images.values()))
    return path


def by_docker(engine: Engine, images: Mapping[str, Image], folder: Path) -> dict[str, View]:
    """What `docker export` shows of a container of each image."""
    engine.load(archive(images, folder))
    try:
        return {name: _exported(engine, name) for name in images}
    finally:
        engine.docker("image", "rm", "--force", *images)


def _exported(engine: Engine, name: str) -> View:
    found: View = {}
    with engine.export(name) as stream, tarfile.open(fileobj=stream, mode="r|") as opened:
        for member in opened:
            path = member.name.strip("/")
            if member.islnk():
                found[path] = found[member.linkname.strip("/")]
                continue
            kind, content = "fifo", ""
            if member.isreg():
                data = opened.extractfile(member)
                assert data is not None
                kind, content = "file", _told(data.read(), member.size)
            elif member.isdir():
                kind = "directory"
            elif member.issym():
                kind, content = "symlink", member.linkname
            elif member.ischr() or member.isblk():
                kind = "character" if member.ischr() else "block"
                content = f"{member.devmajor}:{member.devminor}"
            found[path] = Seen(kind, member.mode & 0o7777, member.uid, member.gid, content)
    return {path: seen for path, seen in found.items() if path.partition("/")[0] not in ADDED}


def by_containerd(engine: Engine, images: Mapping[str, Image], folder: Path) -> dict[str, View]:
    """What is in the snapshot of each image, of the containerd that `engine` runs."""
    socket = engine.root / "exec/containerd/containerd.sock"
    ctr = [str(CTR), "--address", str(socket), "--namespace", NAMESPACE]
    views = {}
    where = folder / "snapshot"
    where.mkdir(exist_ok=True)
    try:
        run(*ctr, "images", "import", "--snapshotter=overlayfs", archive(images, folder))
        for name in images:
            run(*ctr, "images", "mount", "--snapshotter=overlayfs", f"docker.io/{name}", where)
            try:
                views[name] = walk(where)
            finally:
                run(*ctr, "images", "unmount", "--rm", where)
    finally:
        names = run(*ctr, "images", "ls", "--quiet").split()
        if names:
            run(*ctr, "images", "rm", "--sync", *names)
    return views


def by_podman(images: Mapping[str, Image], folder: Path) -> dict[str, View]:
    """What Podman mounts of each image, from a store of its own."""
    views = {}
    loaded = archive(images, folder)
    # Podman takes no path of more than 50 characters for it.
    with tempfile.TemporaryDirectory(prefix="podman-", ignore_cleanup_errors=True) as store:
        options = ["--root", f"{store}/store", "--runroot", f"{store}/run"]
        podman = [str(PODMAN), *options, "--storage-driver=overlay"]
        try:
            run(*podman, "load", "--quiet", "--input", loaded)
            for name, one in images.items():
                where = run(*podman, "image", "mount", one.config_digest[7:]).strip()
                try:
                    views[name] = walk(Path(where))
                finally:
                    run(*podman, "image", "umount", one.config_digest[7:])
        finally:
            run(*podman, "image", "rm", "--all", "--force")
            with suppress(EngineError):  # the store mounts itself, to keep that to itself
                run("umount", f"{store}/store/overlay")
    return views


def walk(top: Path) -> View:
    """What is below a directory. An overlay lists whiteouts that nobody can open; they are not."""
    found: View = {}
    for directory, directories, files in os.walk(top):
        for name in [*directories, *files]:
            path = Path(directory, name)
            with suppress(FileNotFoundError):
                found[str(path.relative_to(top))] = _seen(path)
    return found


def _told(data: bytes, size: int) -> str:
    return data.decode() if size <= LONGEST else f"{size} bytes"


def _seen(path: Path) -> Seen:
    status = path.lstat()
    kind, content = "fifo", ""
    if stat.S_ISDIR(status.st_mode):
        kind = "directory"
    elif stat.S_ISLNK(status.st_mode):
        kind, content = "symlink", str(path.readlink())
    elif stat.S_ISREG(status.st_mode):
        kind, content = "file", _told(path.read_bytes(), status.st_size)
    elif stat.S_ISCHR(status.st_mode) or stat.S_ISBLK(status.st_mode):
        kind = "character" if stat.S_ISCHR(status.st_mode) else "block"
        content = f"{os.major(status.st_rdev)}:{os.minor(status.st_rdev)}"
    return Seen(kind, stat.S_IMODE(status.st_mode), status.st_uid, status.st_gid, content)


def by_us(rootfs: RootFS, layers: tuple[bytes, ...]) -> View:
    """What this project says of the same layers."""
    found: View = {}
    for path in rootfs:
        if not path:
            continue
        node = rootfs[path]
        entry = node.content.entry
        content = entry.target if node.kind == "symlink" else ""
        if node.kind == "file":
            start = entry.offset
            content = _told(layers[node.content.layer][start : start + entry.stored], entry.size)
        elif entry.device is not None:
            content = "{}:{}".format(*entry.device)
        found[path] = Seen(node.kind, entry.mode, entry.uid, entry.gid, content)
    return found


def without_modes(view: View, undescribed: set[str]) -> View:
    """The view, less what containerd does otherwise than the others.

    A directory that no entry of a layer describes gets the lower directory's mode and owner.
    """
    return {
        path: seen._replace(mode=0, uid=0, gid=0) if path in undescribed else seen
        for path, seen in view.items()
    }


def without_targets(view: View) -> View:
    """The view, less where symbolic links lead: all but Docker store `./a//b/.` as `a/b`."""
    return {
        path: seen._replace(content="") if seen.kind == "symlink" else seen
        for path, seen in view.items()
    }


@contextmanager
def refused() -> Iterator[None]:
    """An engine must refuse what happens within."""
    try:
        yield
    except EngineError:
        return
    raise AssertionError("the engine takes it")
