"""Building the corpus: inputs, images, and the forms in which each image is kept.

Everything slow is kept and made again only when what it is made from changes. What is written
appears under its final name only when it is complete, so a build may be interrupted at any time.
"""

from __future__ import annotations

import ast
import fcntl
import hashlib
import json
import shutil
import subprocess
import sys
import tarfile
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from tests.corpus.command import run
from tests.corpus.layout import COMPRESSIONS, Corpus
from tests.corpus.recipes import RECIPES, Input, Recipe
from tests.integration.engine import Engine

# Settings of pip that say how to reach an index; the others are the machine's own business.
PIP_SETTINGS: Final = ("index-url", "extra-index-url", "trusted-host", "proxy", "default-timeout")
# Bytes of the disk, with what the engine keeps of builds: 17 GB were measured, with a clone.
TAKEN_BY_TESTS: Final = 17_000_000_000
CERTIFICATES: Final = Path("/etc/ssl/certs/ca-certificates.crt")


def build(corpus: Corpus, names: Sequence[str]) -> None:
    """Bring the images `names`, and those they are based on, up to date.

    Raises:
        EngineError, BuildError: a step failed.
    """
    corpus.root.mkdir(parents=True, exist_ok=True)
    with (corpus.root / "build.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        shutil.rmtree(corpus.root / "scratch", ignore_errors=True)  # Of a run that was killed.
        stale = [recipe for recipe in _with_bases(names) if not _up_to_date(corpus, recipe)]
        if stale:
            with Engine(corpus.engine) as engine:
                for recipe in stale:
                    _build_image(corpus, engine, recipe)
    for name in names:
        stamp = corpus.stamp(name)
        if stamp is not None:
            size = corpus.archive(name).stat().st_size
            say(f"{name}: {size / 1e6:,.0f} MB, {stamp['entries']:,} entries, {stamp['id']}")
    free = shutil.disk_usage(corpus.root).free
    if free < TAKEN_BY_TESTS:
        wanted = f"the integration tests take up to {TAKEN_BY_TESTS / 1e9:.0f}"
        say(f"only {free / 1e9:.0f} GB are free in {corpus.root}: {wanted}")


def load_image(corpus: Corpus, engine: Engine, name: str) -> str:
    """The tag of the finished image `name` in `engine`, which is given the image if need be.

    Raises:
        EngineError: the engine refused the archive.
    """
    stamp, tag = corpus.stamp(name), corpus.tag(name)
    assert stamp is not None, f"{name} is not built"
    if engine.image_id(tag) != stamp["id"]:
        engine.load(corpus.archive(name))
    return tag


def _with_bases(names: Sequence[str]) -> list[Recipe]:
    wanted = set(names)
    wanted |= {base for name in names if (base := RECIPES[name].base) is not None}
    return [recipe for recipe in RECIPES.values() if recipe.name in wanted]


def _up_to_date(corpus: Corpus, recipe: Recipe) -> bool:
    stamp = corpus.stamp(recipe.name)
    return stamp is not None and stamp["key"] == recipe.key


def _build_image(corpus: Corpus, engine: Engine, recipe: Recipe) -> None:
    if recipe.fixture and not recipe.fixture.exists():
        say(f"{recipe.name}: skipped, since {recipe.fixture} is not there")
        return
    key = recipe.key  # Before anything is read, lest a file be changed meanwhile.
    inputs = [made(corpus, used) for used in recipe.inputs]
    tag = corpus.tag(recipe.name)
    with _timed(f"{recipe.name}: image"), _scratch(corpus) as context:
        if recipe.preload:
            (archive,) = (path for made in inputs for path in made.glob(recipe.preload))
            engine.load(archive)
        if recipe.base:
            load_image(corpus, engine, recipe.base)
        write_context(recipe, inputs, context)
        engine.build(context, tag)
    _keep(corpus, engine, recipe.name, key)


def made(corpus: Corpus, wanted: Input) -> Path:
    """The directory with the files of `wanted`, made now if need be."""
    folder = corpus.root / "inputs" / f"{wanted.name}-{wanted.key}"
    if not folder.exists():
        needed = [made(corpus, needs) for needs in wanted.needs]
        with _timed(wanted.name), _scratch(corpus) as scratch:
            wanted.make(scratch, *needed)
            folder.parent.mkdir(exist_ok=True)
            scratch.rename(folder)
    return folder


def write_context(recipe: Recipe, inputs: list[Path], context: Path) -> None:
    """Write the build context of an image: what is committed, inputs, and pip's settings."""
    shutil.copytree(recipe.folder, context, dirs_exist_ok=True)
    (context / "inputs").mkdir()
    files = (path for folder in inputs for path in folder.iterdir() if path.name != recipe.preload)
    for path in files:
        shutil.copy2(path, context / "inputs")
    if recipe.fixture:
        shutil.copy2(recipe.fixture, context / f"{recipe.name}-{recipe.fixture.name}")
    dockerfile = context / "Dockerfile"
    release = recipe.python
    text = dockerfile.read_text().replace("@PYTHON_VERSION@", release.version)
    tarball = context / "inputs" / release.archive
    if tarball.exists():
        digest = hashlib.sha256(tarball.read_bytes()).hexdigest()
        text = text.replace("@PYTHON_SHA256@", digest)
    dockerfile.write_text(text)
    if recipe.pip:
        write_pip_settings(context / "pip", "/dev/shm/pip")


def write_pip_settings(folder: Path, mounted: str) -> dict[str, str]:
    """How this machine's pip reaches an index, as files for the build's pip; returns the settings.

    ``mounted`` is where the build finds `folder`, which has ``pip.conf`` and ``certificates.pem``.
    """
    listing = subprocess.run(
        [sys.executable, "-m", "pip", "config", "list"], capture_output=True, text=True, check=False
    ).stdout
    machine = {}
    for line in listing.splitlines():  # Such as: global.index-url='https://…'
        name, _, value = line.partition("=")
        machine[name.rpartition(".")[2]] = str(ast.literal_eval(value))
    folder.mkdir()
    shutil.copy(machine.get("cert", CERTIFICATES), folder / "certificates.pem")
    settings: dict[str, str] = {name: machine[name] for name in PIP_SETTINGS if name in machine}
    settings["cert"] = f"{mounted}/certificates.pem"
    lines = (f"{name} = {value}\n" for name, value in settings.items())
    (folder / "pip.conf").write_text("[global]\n" + "".join(lines))
    return settings


def _keep(corpus: Corpus, engine: Engine, name: str, key: str) -> None:
    """Write the image in every form, then the stamp that says it is complete."""
    tag = corpus.tag(name)
    corpus.stamp_file(name).unlink(missing_ok=True)
    with _timed(f"{name}: docker save"), _scratch(corpus) as scratch:
        engine.save(tag, scratch / "image")
        _move(scratch / "image", corpus.archive(name))
    say(f"{name}: {corpus.archive(name)}")
    with _timed(f"{name}: docker export"), _scratch(corpus) as scratch:
        with engine.export(tag) as stream, (scratch / "rootfs").open("wb") as target:
            shutil.copyfileobj(stream, target, 1 << 20)
        _move(scratch / "rootfs", corpus.export(name))
    for compression in COMPRESSIONS:
        with _timed(f"{name}: OCI {compression}"), _scratch(corpus) as scratch:
            copy = ["skopeo", "copy", "--quiet", "--insecure-policy"]
            copy += ["--dest-compress-format", compression]
            source = f"docker-archive:{corpus.archive(name)}"
            run([*copy, source, f"oci:{scratch / 'layout'}:latest"])
            _move(scratch / "layout", corpus.oci(name, compression))
    stamp = {
        "key": key,
        "id": engine.image_id(tag),
        "entries": _count_entries(corpus.archive(name)),
    }
    with _scratch(corpus) as scratch:
        (scratch / "stamp").write_text(json.dumps(stamp))
        _move(scratch / "stamp", corpus.stamp_file(name))


def _count_entries(archive: Path) -> int:
    """Entries of all layers of a ``docker save`` archive."""
    count = 0
    with tarfile.open(archive) as outer:
        manifest = outer.extractfile("manifest.json")
        assert manifest is not None
        for layer in json.load(manifest)[0]["Layers"]:
            with tarfile.open(fileobj=outer.extractfile(layer)) as inner:
                count += sum(1 for _ in inner)
    return count


def _move(source: Path, target: Path) -> None:
    """Put `source` in the place of `target`, which may be a directory that is there already."""
    target.parent.mkdir(exist_ok=True)
    if target.is_dir():
        shutil.rmtree(target)
    source.rename(target)


@contextmanager
def _scratch(corpus: Corpus) -> Iterator[Path]:
    """A directory on the corpus's file system, so that what is made in it can be renamed."""
    (corpus.root / "scratch").mkdir(exist_ok=True)
    folder = Path(tempfile.mkdtemp(dir=corpus.root / "scratch"))
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def say(line: str) -> None:
    """Progress, for whoever waits."""
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()


@contextmanager
def _timed(what: str) -> Iterator[None]:
    start = time.monotonic()
    yield
    say(f"{what}: {time.monotonic() - start:.1f} s")
