"""Reports to render in tests: written down as facts, without an image behind them."""

import hashlib
from typing import Any

import msgspec

from pyimginspect.formats import Dockerfile
from pyimginspect.inventory.facts import (
    Area,
    BaseImage,
    BuildTool,
    Cache,
    Distribution,
    Environment,
    Interpreter,
    Libc,
    OperatingSystem,
    OsPackage,
    PackageEvent,
)
from pyimginspect.ledger import LayerAccount, WastedFile
from pyimginspect.model import Evidence, Note
from pyimginspect.report import (
    BaselineEntry,
    Finding,
    ImageFacts,
    LayerFacts,
    Report,
    RuleVerdict,
    Verdict,
    Waived,
    Waste,
)
from pyimginspect.rules import Rule

__all__ = [
    "DOCKERFILE",
    "RULES",
    "bad_report",
    "clean_report",
    "finding",
    "judged_report",
    "with_strings",
]

DOCKERFILE = Dockerfile(
    path="docker/Dockerfile",
    text="# The image with everything wrong.\n"
    "FROM python:3.13-slim\n"
    "RUN apt-get update && \\\n"
    "    # bindings and a compiler\n"
    "    apt-get install -y build-essential python3-yaml\n"
    "\n"
    "ADD --chown=1:1 https://example.org/model.bin /tmp/model.bin\n"
    "RUN pip install requests && rm /tmp/model.bin\n",
)
RULES = {
    rule.id: rule
    for rule in (
        Rule(
            id="duplicate-python",
            title="More than one Python",
            severity="error",
            policy="bindings",
            what="The image has an interpreter beside the one that runs.",
            why="Each has its own packages and its own security fixes.",
            fix="Install bindings with pip.",
            example="RUN apt-get install -y python3-yaml",
        ),
        Rule(
            id="leftover-build-tool",
            title="Build tools were left in",
            severity="warning",
            policy="size",
            what="A compiler or its like is in the image.",
            why="It is never run again.",
            fix="Build in a first stage.",
        ),
        Rule(
            id="package-cache",
            title="A package manager's cache was left in",
            severity="warning",
            policy="size",
            what="A cache is in the image.",
            why="It is never read again.",
            fix="Delete it in the same RUN.",
        ),
        Rule(
            id="deleted-but-shipped",
            title="Deleted files still ship",
            severity="note",
            policy="size",
            what="A later layer deletes what an earlier one stores.",
            why="A layer is never smaller than what was put into it.",
            fix="Delete it in the same RUN.",
        ),
    )
}
"""A small catalogue: the rules that the reports of this module speak of."""

_APT = "RUN apt-get update && apt-get install -y build-essential python3-yaml"
_SITE = "usr/local/lib/python3.13/site-packages"
_DEB = "usr/lib/python3/dist-packages"


def finding(rule: str = "package-cache", subject: str = "apt lists", **changes: Any) -> Finding:
    """A finding of which only what matters to a test need be said."""
    facts: dict[str, Any] = {
        "rule": rule,
        "severity": "warning",
        "subject": subject,
        "message": f"{subject} of {rule}",
        "evidence": (),
    }
    return Finding(**{**facts, **changes})


def layer(
    number: int, instruction: str, stored: int, *, base: bool = False, **wasted: int
) -> LayerFacts:
    return LayerFacts(
        number=number,
        instruction=instruction,
        size=stored + 10_240,
        entries=10 * (number + 1),
        account=LayerAccount(
            layer=number, stored=stored, live=stored - sum(wasted.values()), **wasted
        ),
        diff_id=f"sha256:{hashlib.sha256(f'{number} {instruction}'.encode()).hexdigest()}",
        base=base,
    )


def clean_report(**changes: Any) -> Report:
    """A good image: an official slim base, one Python, one application, nothing to find."""
    python = Interpreter(
        path="usr/local/bin/python3.13",
        version="3.13.1",
        origin="source build",
        aliases=("usr/local/bin/python", "usr/local/bin/python3"),
        prefix="usr/local",
        stdlib="usr/local/lib/python3.13",
        libpython="usr/local/lib/libpython3.13.so.1.0",
        site_packages=(_SITE,),
        architecture="x86_64",
        libc="glibc",
        libc_version="2.36",
        layer=2,
        size=41_200_000,
        effective=True,
        effective_reason="CMD",
    )
    requests = Distribution(
        name="requests",
        version="2.32.3",
        location=_SITE,
        metadata=f"{_SITE}/requests-2.32.3.dist-info",
        size=180_000,
        files=42,
        installer="pip",
        requested=True,
        tags=("py3-none-any",),
        interpreters=(python.path,),
        layer=4,
    )
    libc6 = OsPackage(
        manager="dpkg",
        key="libc6",
        name="libc6",
        version="2.36-9+deb12u9",
        architecture="amd64",
        source="glibc",
        maintainer="GNU Libc Maintainers <debian-glibc@lists.debian.org>",
        section="libs",
        automatic=True,
        size=13_000_000,
        layer=0,
        history=(PackageEvent(layer=0, action="installed", version="2.36-9+deb12u9"),),
    )
    facts: dict[str, Any] = {
        "tool_version": "0.1.0",
        "image": ImageFacts(
            reference="acme/good:1.4",
            source="docker-archive",
            names=("acme/good:1.4",),
            config_digest=f"sha256:{0xC0:064x}",
            platform="linux/amd64",
            created="2024-12-23T00:00:00Z",
            cmd=("python", "/app/main.py"),
            environment={"PATH": "/usr/local/bin:/usr/bin:/bin", "PYTHON_VERSION": "3.13.1"},
        ),
        "size": 130_180_400,
        "live": 130_180_400,
        "os": OperatingSystem(
            id="debian",
            version_id="12",
            codename="bookworm",
            pretty_name="Debian GNU/Linux 12 (bookworm)",
        ),
        "base": BaseImage(
            family="python",
            variant="slim",
            version="3.13",
            distribution="debian 12",
            official=True,
            layers=4,
            confidence="certain",
        ),
        "libc": Libc(
            flavor="glibc",
            version="2.36",
            path="usr/lib/x86_64-linux-gnu/libc.so.6",
            loader="lib64/ld-linux-x86-64.so.2",
            layer=0,
            evidence=(Evidence(what="PT_INTERP of usr/local/bin/python3.13"),),
        ),
        "pythons": (python,),
        "environments": (),
        "distributions": (requests,),
        "os_packages": (libc6,),
        "build_tools": (),
        "caches": (),
        "layers": (
            layer(0, "debian.sh --arch 'amd64' out/ 'bookworm'", 78_000_000, base=True),
            layer(1, "RUN apt-get install -y ca-certificates", 9_000_000, base=True),
            layer(2, "RUN wget -O python.tar.xz …; make install", 43_000_000, base=True),
            layer(3, "RUN for src in idle3 pip3 pydoc3; do …; done", 0, base=True),
            layer(4, "RUN pip install --no-cache-dir requests", 180_000),
            layer(5, "COPY app /app", 400),
        ),
        "waste": Waste(size=0, overwritten=0, removed=0, repeated=0, files=0),
        "findings": (),
    }
    return Report(**{**facts, **changes})


def bad_report(**changes: Any) -> Report:
    """An image with a second Python, a compiler, a cache, and a file that was deleted too late."""
    good = clean_report()
    second = Interpreter(
        path="usr/bin/python3.11",
        version="3.11.2",
        origin="debian package",
        aliases=("usr/bin/python3",),
        prefix="usr",
        stdlib="usr/lib/python3.11",
        site_packages=(_DEB,),
        architecture="x86_64",
        libc="glibc",
        libc_version="2.36",
        packages=("python3.11-minimal",),
        layer=4,
        size=36_200_000,
        externally_managed=True,
    )
    yaml = Distribution(
        name="pyyaml",
        version="6.0",
        location=_DEB,
        metadata=f"{_DEB}/PyYAML-6.0.egg-info",
        size=320_000,
        files=18,
        installer="dpkg",
        package="python3-yaml",
        interpreters=(second.path,),
        layer=4,
    )
    facts: dict[str, Any] = {
        "image": msgspec.structs.replace(
            good.image, reference="bad.tar", names=("acme/bad:1.4",), environment={}
        ),
        "size": 560_180_400,
        "live": 552_180_400,
        "pythons": (good.pythons[0], second),
        "environments": (
            Environment(
                path="opt/venv",
                home="/usr/local/bin",
                base="usr/local/bin/python3.13",
                version="3.13.1",
                creator="venv",
                layer=6,
                size=15_000_000,
            ),
        ),
        "distributions": (*good.distributions, yaml),
        "os_packages": (
            *good.os_packages,
            _package("python3-yaml", "6.0-3+b2", 320_000, ["python3"], automatic=False),
            _package("python3", "3.11.2-1+b1", 120_000, ["python3.11"]),
            _package("python3.11", "3.11.2-6", 620_000, ["python3.11-minimal"]),
            _package("python3.11-minimal", "3.11.2-6", 7_000_000, ["libc6"]),
            _package("gcc-12", "12.2.0-14", 210_000_000, ["libc6"]),
        ),
        "build_tools": (
            BuildTool(
                name="gcc-12",
                category="compiler",
                package="gcc-12",
                path="usr/bin/x86_64-linux-gnu-gcc-12",
                size=210_000_000,
                paths=312,
                layer=4,
                kept_by=("build-essential",),
            ),
            BuildTool(
                name="make", category="build-system", path="usr/bin/make", size=240_000, layer=4
            ),
        ),
        "caches": (
            Cache(
                kind="apt lists",
                path="var/lib/apt/lists",
                size=19_300_000,
                files=7,
                layers={4: 19_300_000},
            ),
        ),
        "layers": (
            *good.layers[:4],
            layer(4, _APT, 420_000_000),
            layer(
                5, "ADD https://example.org/model.bin /tmp/model.bin", 8_000_000, removed=8_000_000
            ),
            layer(6, "RUN pip install requests && rm /tmp/model.bin", 2_180_400),
        ),
        "waste": Waste(
            size=8_000_000,
            overwritten=0,
            removed=8_000_000,
            repeated=0,
            files=1,
            largest=(
                WastedFile(
                    path="tmp/model.bin", layer=5, removed_in=6, size=8_000_000, account="removed"
                ),
            ),
        ),
        "findings": _bad_findings(),
        "areas": _bad_areas(),
        "saving": 265_500_000,
        "notes": (Note(what="no contents over 8 MB are read", path="tmp/model.bin", layer=5),),
    }
    return msgspec.structs.replace(good, **{**facts, **changes})


def judged_report(**changes: Any) -> Report:
    """The bad image after a policy that waives a cache, and a baseline that knew the compiler."""
    bad = bad_report()
    python, tool, cache, deleted = bad.findings
    verdict = Verdict(
        policy="python-slim",
        passed=False,
        fail_on="warning",
        rules=(
            RuleVerdict(rule="deleted-but-shipped", passed=True, findings=1),
            RuleVerdict(rule="duplicate-python", passed=False, findings=1, failing=1),
            RuleVerdict(rule="leftover-build-tool", passed=True, accepted=1),
            RuleVerdict(rule="package-cache", passed=True, waived=1),
        ),
        waived=(Waived(finding=cache, reason="the mirror is slow", expires="2030-01-31"),),
        accepted=(tool,),
        fixed=(
            BaselineEntry(
                fingerprint="0123456789abcdef",
                rule="package-cache",
                subject="pip cache of root",
                message="pip's cache was left in root/.cache/pip",
            ),
        ),
    )
    return msgspec.structs.replace(
        bad, **{"findings": (python, deleted), "verdict": verdict, **changes}
    )


def _package(
    name: str, version: str, size: int, depends: list[str], *, automatic: bool = True
) -> OsPackage:
    return OsPackage(
        manager="dpkg",
        key=name,
        name=name,
        version=version,
        architecture="amd64",
        automatic=automatic,
        depends=tuple((other,) for other in depends),
        size=size,
        layer=4,
        history=(PackageEvent(layer=4, action="installed", version=version),),
    )


def _bad_areas() -> tuple[Area, ...]:
    """Where the bytes of the bad image are; those of a layer add up to what it stores."""
    return (
        Area(layer=0, path="usr/lib/x86_64-linux-gnu/libc.so.6", size=13_000_000),
        Area(layer=0, path="usr", size=65_000_000, files=4_000),
        Area(layer=1, path="usr/bin/openssl", size=9_000_000),
        Area(layer=2, path="usr/local/lib/libpython3.13.so.1.0", size=23_000_000),
        Area(layer=2, path="usr/local/lib/python3.13", size=20_000_000, files=1_900),
        Area(layer=4, path="usr/bin/gcc-12", size=1_000_000, use="build-tool"),
        Area(layer=4, path="usr/lib/gcc/cc1", size=209_000_000, use="build-tool"),
        Area(layer=4, path="usr/bin/python3.11", size=7_000_000, use="second-python"),
        Area(layer=4, path="usr/lib/python3.11", size=29_200_000, use="second-python", files=800),
        Area(layer=4, path="usr/share", size=154_500_000, files=9_000),
        Area(layer=4, path="var/lib/apt/lists", size=19_300_000, use="cache", files=7),
        Area(layer=5, path="tmp/model.bin", size=8_000_000, use="removed"),
        Area(layer=6, path="usr/local/lib/python3.13/site-packages", size=2_180_400, files=42),
    )


def _bad_findings() -> tuple[Finding, ...]:
    return (
        Finding(
            rule="duplicate-python",
            severity="error",
            subject="usr/bin/python3.11",
            message="A second Python, 3.11.2 from Debian, stands beside the 3.13.1 that runs",
            evidence=(
                Evidence(
                    what="python3-yaml → python3 → python3.11 → python3.11-minimal",
                    path="usr/bin/python3.11",
                    layer=4,
                    package="python3.11-minimal",
                ),
            ),
            layers=(4,),
            instruction=_APT,
            paths=("usr/bin/python3.11", "usr/lib/python3.11"),
            packages=("python3-yaml", "python3", "python3.11", "python3.11-minimal"),
            saving=36_200_000,
            fix="Drop python3-yaml from apt-get install; write pyyaml into requirements.txt.",
        ),
        Finding(
            rule="leftover-build-tool",
            severity="warning",
            subject="build-essential",
            message="A compiler that nothing needs at run time was left in: gcc-12 and make",
            evidence=(Evidence(what="gcc-12 is installed", package="gcc-12", layer=4),),
            layers=(4,),
            packages=("build-essential", "gcc-12", "make"),
            saving=210_000_001,
            fix="Build in a first stage, or purge in the same RUN:\n"
            "apt-get purge -y --auto-remove build-essential",
        ),
        Finding(
            rule="package-cache",
            severity="warning",
            subject="apt lists",
            message="apt's package lists were left in var/lib/apt/lists",
            evidence=(Evidence(what="7 files", path="var/lib/apt/lists", layer=4),),
            layers=(4,),
            paths=("var/lib/apt/lists",),
            saving=19_300_000,
            fix="End the RUN with && rm -rf /var/lib/apt/lists/*",
        ),
        Finding(
            rule="deleted-but-shipped",
            severity="note",
            subject="tmp/model.bin",
            message="tmp/model.bin is deleted in layer 6, and still ships in layer 5",
            evidence=(Evidence(what="a whiteout in layer 6", path="tmp/model.bin", layer=6),),
            layers=(5,),
            paths=("tmp/model.bin",),
            saving=8_000_000,
            fix="Fetch, use and delete it in one RUN.",
        ),
    )


# Strings whose meaning is this project's own: everything else comes from an image.
_OURS = {
    "severity",
    "rule",
    "flavor",
    "manager",
    "category",
    "action",
    "account",
    "confidence",
    "tool_version",
    "libc",
    "fail_on",
    "kind",
    "fingerprint",
    "status",
    "use",
}


def with_strings(report: Report, text: str) -> Report:
    """The same report with ``text`` put behind every string that an image or a user controls."""

    def change(value: Any, key: str) -> Any:
        if isinstance(value, dict):
            return {name: change(item, name) for name, item in value.items()}
        if isinstance(value, list | tuple):
            return [change(item, key) for item in value]
        if isinstance(value, str) and key not in _OURS:
            return value + text
        return value

    plain = change(msgspec.to_builtins(report), "")
    return msgspec.convert(plain, Report)
