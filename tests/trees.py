"""Parts of a file system to put into a layer: package databases, distributions, whole Pythons.

Every function returns a tree for `tests.images.layer`, so that trees are merged like mappings:

    layer({**debian_base(), **official_python("3.13.1"), "app/main.py": "print()"})
    layer(dpkg_status({**BASE_PACKAGES, **debian_python_packages("3.11.2"), "gcc-12": GCC}))
"""

import base64
import csv
import hashlib
import io
from collections.abc import Collection, Mapping, Sequence

from tests.elf import elf
from tests.tars import Content, File, Link

__all__ = [
    "BASE_PACKAGES",
    "Package",
    "debian_base",
    "debian_python",
    "debian_python_packages",
    "dist_info",
    "dpkg_status",
    "official_env",
    "official_python",
]

Package = Mapping[str, str | Mapping[str, Content] | Sequence[str]]
"""Fields of a dpkg stanza; `files` has the paths it owns, or the paths with their contents."""

GLIBC_LOADER = "/lib64/ld-linux-x86-64.so.2"
MUSL_LOADER = "/lib/ld-musl-x86_64.so.1"


def dpkg_status(
    packages: Mapping[str, Package],
    *,
    below: Mapping[str, Package] = {},
    automatic: Collection[str] = (),
) -> dict[str, Content]:
    """dpkg's database after these packages were installed, and the contents of their files.

    Packages `below` are in the database too, while a lower layer has their files and file lists.
    `automatic` packages are those that apt would remove once nothing needs them.
    """
    tree: dict[str, Content] = {}
    stanzas, lists = [], {}
    for name, package in sorted({**below, **packages}.items()):
        fields = {
            "Package": name,
            "Status": "install ok installed",
            "Priority": "optional",
            "Maintainer": "Debian Developers <debian@example.org>",
            "Architecture": "amd64",
            "Version": "1.0-1",
            **{key: value for key, value in package.items() if isinstance(value, str)},
            "Description": f"what {name} is for\n A longer line.\n .\n Another paragraph.",
        }
        stanzas.append("".join(f"{key}: {value}\n" for key, value in fields.items()))
        if name not in packages:
            continue
        files = package.get("files", ())
        if isinstance(files, Mapping):
            tree.update(files)
        suffix = f":{fields['Architecture']}" if fields.get("Multi-Arch") == "same" else ""
        lists[f"var/lib/dpkg/info/{name}{suffix}.list"] = _dpkg_list(files)
    tree["var/lib/dpkg/status"] = "\n".join(stanzas)
    tree.update(lists)
    if automatic:
        tree["var/lib/apt/extended_states"] = "".join(
            f"Package: {name}\nArchitecture: amd64\nAuto-Installed: 1\n\n"
            for name in sorted(automatic)
        )
    return tree


def _dpkg_list(paths: Collection[str]) -> str:
    """Each path after its parents, as dpkg unpacks an archive; the root is `/.`."""
    lines = {"/.": None}
    for path in paths:
        parts = path.strip("/").split("/")
        lines.update((f"/{'/'.join(parts[:depth])}", None) for depth in range(1, len(parts) + 1))
    return "".join(f"{line}\n" for line in lines)


def dist_info(
    name: str,
    version: str = "1.0",
    files: Mapping[str, bytes | str] | None = None,
    *,
    site: str = "usr/local/lib/python3.13/site-packages",
    installer: str | None = "pip",
    tags: Sequence[str] = ("py3-none-any",),
    requires: Sequence[str] = (),
    requested: bool = True,
    direct_url: str | None = None,
    record: bool = True,
) -> dict[str, Content]:
    """An installed distribution under `site`, its RECORD with true hashes and sizes.

    `files` are relative to `site` and default to a package of the distribution's name. See the PyPA
    specification "Recording installed projects".
    """
    normal = name.lower().replace("-", "_").replace(".", "_")
    info = f"{normal}-{version}.dist-info"
    pure = all(tag.endswith("-none-any") for tag in tags)
    contents: dict[str, bytes | str] = dict(
        files if files is not None else {f"{normal}/__init__.py": ""}
    )
    needs = "".join(f"Requires-Dist: {need}\n" for need in requires)
    contents[f"{info}/METADATA"] = (
        f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n{needs}"
    )
    contents[f"{info}/WHEEL"] = (
        f"Wheel-Version: 1.0\nGenerator: tests\nRoot-Is-Purelib: {str(pure).lower()}\n"
        + "".join(f"Tag: {tag}\n" for tag in tags)
    )
    if installer is not None:
        contents[f"{info}/INSTALLER"] = f"{installer}\n"
    if requested:
        contents[f"{info}/REQUESTED"] = ""
    if direct_url is not None:
        contents[f"{info}/direct_url.json"] = f'{{"url": "{direct_url}", "dir_info": {{}}}}'
    if record:
        contents[f"{info}/RECORD"] = _record(contents, f"{info}/RECORD")
    return {f"{site}/{path}": data for path, data in contents.items()}


def _record(contents: Mapping[str, bytes | str], own_path: str) -> str:
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    for path, content in contents.items():
        data = content.encode() if isinstance(content, str) else content
        hashed = base64.urlsafe_b64encode(hashlib.sha256(data).digest()).rstrip(b"=").decode()
        writer.writerow((path, f"sha256={hashed}", len(data)))
    writer.writerow((own_path, "", ""))
    return out.getvalue()


# --- Debian ---------------------------------------------------------------------------------------
def _libc(version: str) -> File:
    banner = f"GNU C Library (Debian GLIBC {version}-9) stable release version {version}.\n"
    newest = int(version.partition(".")[2])
    defined = ["GLIBC_2.2.5", *(f"GLIBC_2.{minor}" for minor in range(3, newest + 1))]
    return File(elf(soname="libc.so.6", verdef=defined, extra=banner.encode()), mode=0o755)


BASE_PACKAGES: Mapping[str, Package] = {
    "base-files": {
        "Version": "12.4+deb12u9",
        "Essential": "yes",
        "files": {
            "usr/lib/os-release": (
                'PRETTY_NAME="Debian GNU/Linux 12 (bookworm)"\nNAME="Debian GNU/Linux"\n'
                'VERSION_ID="12"\nVERSION="12 (bookworm)"\nVERSION_CODENAME=bookworm\nID=debian\n'
            ),
            "etc/os-release": Link("../usr/lib/os-release"),
            "etc/debian_version": "12.9\n",
        },
    },
    "dash": {
        "Version": "0.5.12-2",
        "Essential": "yes",
        "Pre-Depends": "libc6 (>= 2.36)",
        "files": {
            "bin/dash": File(elf(needed=["libc.so.6"], interp=GLIBC_LOADER), mode=0o755),
            "bin/sh": Link("dash"),
        },
    },
    "libc6": {
        "Version": "2.36-9+deb12u9",
        "Source": "glibc",
        "Multi-Arch": "same",
        "files": {
            "lib/x86_64-linux-gnu/libc.so.6": _libc("2.36"),
            "lib/x86_64-linux-gnu/libm.so.6": elf(soname="libm.so.6", needed=["libc.so.6"]),
            "lib/x86_64-linux-gnu/ld-linux-x86-64.so.2": File(
                elf(soname="ld-linux-x86-64.so.2"), mode=0o755
            ),
            "lib64/ld-linux-x86-64.so.2": Link("/lib/x86_64-linux-gnu/ld-linux-x86-64.so.2"),
        },
    },
}
"""The few packages of a Debian 12 base that matter here, their files where dpkg lists them."""

_DOCKER_CFG = "etc/dpkg/dpkg.cfg.d/docker"
_SLIM = '# This is the "slim" variant of the Debian base image.\n'


def debian_base(*, slim: bool = True) -> dict[str, Content]:
    """A Debian 12 base layer: merged `/usr`, `BASE_PACKAGES` with their files, dpkg's database."""
    tree: dict[str, Content] = {}
    for name in ("bin", "lib", "lib64", "sbin"):
        tree[name] = Link(f"usr/{name}")
        tree[f"usr/{name}/"] = None
    for path, content in dpkg_status(BASE_PACKAGES).items():
        merged = path.split("/")[0] in ("bin", "lib", "lib64")
        tree[f"usr/{path}" if merged else path] = content
    tree[_DOCKER_CFG] = f"{_SLIM if slim else ''}force-unsafe-io\n"
    return tree


def debian_python(
    version: str = "3.11.2",
    *,
    more: Mapping[str, Package] = {},
    manual: Collection[str] = ("python3",),
    below: Mapping[str, Package] = BASE_PACKAGES,
    padding: int = 0,
) -> dict[str, Content]:
    """What `apt-get install` of the `manual` packages adds to a Debian base: Python and `more`."""
    packages = {**debian_python_packages(version, padding=padding), **more}
    return dpkg_status(packages, below=below, automatic=packages.keys() - set(manual))


def debian_python_packages(version: str = "3.11.2", *, padding: int = 0) -> dict[str, Package]:
    """Debian's Python as Debian splits it: executable, minimal library, standard library, links.

    `padding` makes the executable that many bytes larger.
    """
    series = ".".join(version.split(".")[:2])
    lib = f"usr/lib/python{series}"
    executable = elf(
        needed=["libm.so.6", "libc.so.6"],
        interp=GLIBC_LOADER,
        verneed={"libc.so.6": ["GLIBC_2.2.5", "GLIBC_2.35"]},
        extra=f"\0{version}\0".encode() + bytes(padding),
    )
    struct = elf(needed=["libc.so.6"], verneed={"libc.so.6": ["GLIBC_2.2.5"]})
    struct_name = f"_struct.cpython-{series.replace('.', '')}-x86_64-linux-gnu.so"
    exact, default = f"{version}-6+deb12u6", f"{version}-1+b1"
    source = f"python{series}"
    return {
        f"libpython{series}-minimal": {
            "Source": source,
            "Version": exact,
            "Multi-Arch": "same",
            "Depends": "libc6 (>= 2.14)",
            "Recommends": f"libpython{series}-stdlib",
            "files": {f"{lib}/os.py": "# os\n", f"{lib}/site.py": "# site\n"},
        },
        f"libpython{series}-stdlib": {
            "Source": source,
            "Version": exact,
            "Multi-Arch": "same",
            "Depends": f"libpython{series}-minimal (= {exact}), libc6 (>= 2.34)",
            "files": {
                f"{lib}/EXTERNALLY-MANAGED": "[externally-managed]\nError=Use apt\n",
                f"{lib}/json/__init__.py": "# json\n",
                f"{lib}/lib-dynload/{struct_name}": struct,
            },
        },
        f"python{series}-minimal": {
            "Source": source,
            "Version": exact,
            "Multi-Arch": "allowed",
            "Depends": f"libpython{series}-minimal (= {exact})",
            "Pre-Depends": "libc6 (>= 2.35)",
            "Recommends": source,
            "files": {f"usr/bin/python{series}": File(executable, mode=0o755)},
        },
        source: {
            "Version": exact,
            "Multi-Arch": "allowed",
            "Depends": f"python{series}-minimal (= {exact}), libpython{series}-stdlib (= {exact})",
            "files": {f"usr/bin/pydoc{series}": File(f"#!/usr/bin/python{series}\n", mode=0o755)},
        },
        "python3-minimal": {
            "Source": "python3-defaults",
            "Version": default,
            "Multi-Arch": "allowed",
            "Pre-Depends": f"python{series}-minimal (>= {version}-1~)",
            "Depends": "dpkg (>= 1.13.20)",
            "files": {"usr/bin/python3": Link(f"python{series}")},
        },
        "libpython3-stdlib": {
            "Source": "python3-defaults",
            "Version": default,
            "Multi-Arch": "same",
            "Depends": f"libpython{series}-stdlib (>= {version}-1~)",
        },
        "python3": {
            "Source": "python3-defaults",
            "Version": default,
            "Multi-Arch": "allowed",
            "Pre-Depends": f"python3-minimal (= {default})",
            "Depends": f"{source} (>= {version}-1~), libpython3-stdlib (= {default})",
            "files": {
                "usr/lib/python3/dist-packages/": None,
                "usr/bin/pydoc3": Link(f"pydoc{series}"),
            },
        },
    }


# --- the official image's Python ------------------------------------------------------------------
def official_env(version: str = "3.13.1") -> tuple[str, ...]:
    """The environment that an official `python` image sets."""
    path = "/usr/local/bin:/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
    return (f"PATH={path}", f"PYTHON_VERSION={version}", f"PYTHON_SHA256={'0' * 64}")


def official_python(
    version: str = "3.13.1", *, musl: bool = False, padding: int = 0
) -> dict[str, Content]:
    """CPython in `/usr/local` as the official images build it: stub executable, shared libpython,
    headers, standard library, pip and the usual links. `padding` makes libpython larger."""
    series = ".".join(version.split(".")[:2])
    tag = f"cpython-{series.replace('.', '')}-x86_64-linux-{'musl' if musl else 'gnu'}"
    libc = "libc.musl-x86_64.so.1" if musl else "libc.so.6"
    versions: dict[str, list[str]] = {} if musl else {libc: ["GLIBC_2.2.5", "GLIBC_2.34"]}
    library = f"libpython{series}.so.1.0"
    stub = elf(
        needed=[library, libc],
        rpath="$ORIGIN/../lib",
        interp=MUSL_LOADER if musl else GLIBC_LOADER,
        verneed=versions,
    )
    text = f"\0{version}\0".encode() + bytes(padding)
    shared = elf(soname=library, needed=[libc], verneed=versions, extra=text)
    bin_, lib = "usr/local/bin", f"usr/local/lib/python{series}"
    script = f"#!/{bin_}/python{series}\nimport sys\n"
    tree: dict[str, Content] = {
        f"{bin_}/python{series}": File(stub, mode=0o755),
        f"{bin_}/pip{series}": File(script, mode=0o755),
        f"{bin_}/idle{series}": File(script, mode=0o755),
        f"{bin_}/pydoc{series}": File(script, mode=0o755),
        f"{bin_}/python{series}-config": File("#!/bin/sh\n", mode=0o755),
        **{f"{bin_}/{name}3": Link(f"{name}{series}") for name in ("python", "idle", "pydoc")},
        f"{bin_}/python3-config": Link(f"python{series}-config"),
        **{f"{bin_}/{name}": Link(f"{name}3") for name in ("python", "idle", "pydoc")},
        f"{bin_}/python-config": Link("python3-config"),
        f"{bin_}/pip3": File(script, mode=0o755),
        f"{bin_}/pip": File(script, mode=0o755),
        f"usr/local/lib/{library}": File(shared, mode=0o755),
        f"usr/local/lib/libpython{series}.so": Link(library),
        f"usr/local/include/python{series}/patchlevel.h": _patchlevel(version),
        f"{lib}/os.py": "# os\n",
        f"{lib}/site.py": "# site\n",
        f"{lib}/_sysconfigdata__linux_x86_64-linux-{'musl' if musl else 'gnu'}.py": _sysconfigdata(
            series, tag, musl
        ),
        f"{lib}/lib-dynload/_struct.{tag}.so": elf(needed=[libc], verneed=versions),
        f"{lib}/site-packages/README.txt": "For third parties.\n",
        **dist_info("pip", "24.3.1", site=f"{lib}/site-packages"),
    }
    return tree


def _sysconfigdata(series: str, tag: str, musl: bool) -> str:
    build_time_vars = {"VERSION": series, "SOABI": tag}
    if musl:
        build_time_vars["EXTRA_CFLAGS"] = "-DTHREAD_STACK_SIZE=0x100000"
    return f"build_time_vars = {build_time_vars!r}\n"


def _patchlevel(version: str) -> str:
    major, minor, micro = version.split(".")
    return f"""#define PY_MAJOR_VERSION\t{major}
#define PY_MINOR_VERSION\t{minor}
#define PY_MICRO_VERSION\t{micro}
#define PY_RELEASE_LEVEL\tPY_RELEASE_LEVEL_FINAL
#define PY_RELEASE_SERIAL\t0

/* Version as a string */
#define PY_VERSION      \t"{version}"
"""
