"""Write the .dist-info of a distribution: NAME VERSION FILE,FILE… [REQUIRED]."""

import pathlib
import sys

name, version, files, *required = sys.argv[1:]
info = pathlib.Path("site") / f"{name.replace('-', '_')}-{version}.dist-info"
info.mkdir()
requires = "".join(f"Requires-Dist: {each}\n" for each in required)
(info / "METADATA").write_text(
    f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n{requires}"
)
(info / "INSTALLER").write_text("pip\n")
(info / "WHEEL").write_text("Wheel-Version: 1.0\nTag: cp311-cp311-manylinux_2_17_x86_64\n")
names = [*files.split(","), *(f"{info.name}/{each}" for each in ("METADATA", "INSTALLER", "WHEEL"))]
(info / "RECORD").write_text("".join(f"{each},,\n" for each in names))
