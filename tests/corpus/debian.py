"""Debian base images like those of Docker Hub, made with debootstrap.

`make` writes two archives for ``docker load``: ``debian.tar`` (``corpus/debian:SUITE``) and
``debian-slim.tar`` (``corpus/debian:SUITE-slim``), each of one layer.
"""

from __future__ import annotations

import email.utils
import fnmatch
import hashlib
import io
import json
import os
import shutil
import tarfile
import time
from pathlib import Path
from typing import Final

from tests.corpus.apt import KEYRING, SUITE, Source, machine_sources
from tests.corpus.command import run

ARCHITECTURE: Final = "amd64"

# What the published images set, so that layers built on them stay small.
APT_CACHES: Final = (
    "/var/cache/apt/archives/*.deb /var/cache/apt/archives/partial/*.deb /var/cache/apt/*.bin"
)
SETTINGS: Final = {
    "apt/apt.conf.d/docker-autoremove-suggests": 'Apt::AutoRemove::SuggestsImportant "false";',
    "apt/apt.conf.d/docker-clean": (
        f'DPkg::Post-Invoke {{ "rm -f {APT_CACHES} || true"; }};\n'
        f'APT::Update::Post-Invoke {{ "rm -f {APT_CACHES} || true"; }};\n'
        'Dir::Cache::pkgcache "";\n'
        'Dir::Cache::srcpkgcache "";'
    ),
    "apt/apt.conf.d/docker-gzip-indexes": 'Acquire::GzipIndexes "true";',
    "apt/apt.conf.d/docker-no-languages": 'Acquire::Languages "none";',
    "dpkg/dpkg.cfg.d/docker-apt-speedup": "force-unsafe-io",
}

SLIM_MARKER: Final = '# This is the "slim" variant of the Debian base image.'
SLIM_EXCLUDES: Final = (
    "/usr/share/doc/*",
    "/usr/share/groff/*",
    "/usr/share/info/*",
    "/usr/share/linda/*",
    "/usr/share/lintian/overrides/*",
    "/usr/share/locale/*",
    "/usr/share/man/*",
)
SLIM_INCLUDES: Final = ("/usr/share/doc/*/copyright", "/usr/share/locale/locale.alias")

# Left by the installation: of this machine, of this moment, or downloaded again when needed.
LEFTOVERS: Final = (
    "var/lib/apt/lists/*",
    "var/cache/apt/*",
    "var/cache/ldconfig/aux-cache",
    "var/log/apt/*.log",
    "var/log/alternatives.log",
    "var/log/bootstrap.log",
    "var/log/dpkg.log",
    "dev/*",
    "etc/resolv.conf",
    "etc/hostname",
)


def make(target: Path, *, suite: str = SUITE) -> None:
    """Write both archives of the release `suite` into the directory `target`.

    Raises:
        BuildError: debootstrap, apt-get or tar failed.
    """
    sources = machine_sources(suite=suite)
    root = target / "root"
    options = ["--variant=minbase", f"--keyring={KEYRING}"]
    run(["debootstrap", *options, suite, str(root), sources[0].uri])
    moment = _upgrade(root, suite, sources)
    for pattern in LEFTOVERS:
        for path in root.glob(pattern):
            shutil.rmtree(path) if path.is_dir() and not path.is_symlink() else path.unlink()
    (root / "etc/machine-id").write_text("")
    for name, text in SETTINGS.items():
        (root / "etc" / name).write_text(f"{text}\n")
    _write_archive(root, target / "debian.tar", suite, moment)
    _slim(root)
    _write_archive(root, target / "debian-slim.tar", f"{suite}-slim", moment)
    shutil.rmtree(root)


def _upgrade(root: Path, suite: str, sources: tuple[Source, ...]) -> int:
    """Bring security updates in; the time of the archive's index, in seconds since 1970."""
    (root / "etc/apt/sources.list").unlink()
    listing = "\n".join(source.stanza() for source in sources)
    (root / "etc/apt/sources.list.d/debian.sources").write_text(listing)
    (root / "usr/sbin/policy-rc.d").write_text(
        "#!/bin/sh\n# Containers start no services.\nexit 101\n"
    )
    (root / "usr/sbin/policy-rc.d").chmod(0o755)
    for step in (["update"], ["dist-upgrade", "--yes"]):
        command = ["chroot", str(root), "apt-get", "--quiet=2", *step]
        run(command, environment={"DEBIAN_FRONTEND": "noninteractive"})
    (release,) = (root / "var/lib/apt/lists").glob(f"*_dists_{suite}_InRelease")
    date = next(line for line in release.read_text().splitlines() if line.startswith("Date: "))
    return int(email.utils.parsedate_to_datetime(date.removeprefix("Date: ")).timestamp())


def _slim(root: Path) -> None:
    """Take out what the slim variant leaves out, and tell dpkg to do so from now on."""
    rules = [f"path-exclude {pattern}\n" for pattern in SLIM_EXCLUDES]
    rules += [f"path-include {pattern}\n" for pattern in SLIM_INCLUDES]
    (root / "etc/dpkg/dpkg.cfg.d/docker").write_text(f"{SLIM_MARKER}\n" + "".join(rules))
    for pattern in SLIM_EXCLUDES:
        top = root / pattern.strip("/*")
        for folder, folders, files in os.walk(top, topdown=False):
            for name in (*files, *folders):
                path = Path(folder, name)
                inside = f"/{path.relative_to(root)}"
                if path.is_dir() and not path.is_symlink():
                    if not any(path.iterdir()):
                        path.rmdir()
                elif not any(fnmatch.fnmatchcase(inside, kept) for kept in SLIM_INCLUDES):
                    path.unlink()


def _write_archive(root: Path, target: Path, name: str, moment: int) -> None:
    """What ``docker load`` takes: one layer of `root`, a history of one line as published."""
    layer = target.with_suffix(".layer")
    suite = name.removesuffix("-slim")
    names = sorted(path.name for path in root.iterdir())
    pack = ["tar", "--create", f"--file={layer}", f"--directory={root}", "--sort=name"]
    pack += ["--numeric-owner", f"--mtime=@{moment}", "--clamp-mtime"]
    run([*pack, *names])
    with layer.open("rb") as stream:
        diff_id = hashlib.file_digest(stream, "sha256").hexdigest()
    created = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(moment))
    config = {
        "architecture": ARCHITECTURE,
        "os": "linux",
        "created": created,
        "config": {
            "Cmd": ["bash"],
            "Env": ["PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"],
        },
        "history": [
            {
                "created": created,
                "created_by": f"# debian.sh --arch '{ARCHITECTURE}' out/ '{suite}' '@{moment}'",
                "comment": "debuerreotype 0.15",
            }
        ],
        "rootfs": {"type": "layers", "diff_ids": [f"sha256:{diff_id}"]},
    }
    manifest = [
        {"Config": "config.json", "RepoTags": [f"corpus/debian:{name}"], "Layers": ["layer.tar"]}
    ]
    with tarfile.open(target, "w") as archive:
        archive.add(layer, "layer.tar")
        for inside, value in (("config.json", config), ("manifest.json", manifest)):
            content = json.dumps(value).encode()
            member = tarfile.TarInfo(inside)
            member.size = len(content)
            archive.addfile(member, io.BytesIO(content))
    layer.unlink()
