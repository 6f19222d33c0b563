"""Compile the hot modules, where PYIMGINSPECT_COMPILE=1 in the environment asks for it.

    PYIMGINSPECT_COMPILE=1 python -m pip wheel --no-deps .

Without it, and for whoever builds from the sdist, the package is pure Python, and nothing here
happens: all else that setuptools needs is in setup.cfg. Compiling needs a C compiler, Python's
headers, and mypyc, which pip installs for the build. Which modules, and why not the others:
docs/decisions/compiled-modules.md.
"""

import os
from typing import Any

from setuptools import Distribution, setup
from setuptools.command.build_ext import build_ext

MODULES = (
    "pyimginspect/layers/contents.py",
    "pyimginspect/layers/cursors.py",
    "pyimginspect/layers/pax.py",
    "pyimginspect/layers/tar.py",
)
# Another mypyc may compile otherwise: what was tested is what is released. The types of msgspec
# are needed to read the modules.
REQUIREMENTS = ["mypy[mypyc]==2.4.1", "msgspec>=0.22"]


class CompiledDistribution(Distribution):
    """A package with extension modules, which are not known before mypyc has run."""

    def has_ext_modules(self) -> bool:
        """Return that there are some: the wheel is of one platform and one version of Python."""
        return True


class CompiledModules(build_ext):
    """Compile the modules: when a wheel is built, and not when its metadata is asked for."""

    def finalize_options(self) -> None:
        """Let mypyc write the C sources, and tell setuptools of them."""
        from mypyc.build import mypycify

        options = ["--config-file=", "--follow-imports=silent", "--ignore-missing-imports"]
        self.distribution.ext_modules = mypycify(
            [*options, *MODULES], group_name="pyimginspect", opt_level="3", debug_level="0"
        )
        super().finalize_options()


compiled: dict[str, Any] = {
    "distclass": CompiledDistribution,
    "cmdclass": {"build_ext": CompiledModules},
    "setup_requires": REQUIREMENTS,
}
setup(**compiled if os.environ.get("PYIMGINSPECT_COMPILE") == "1" else {})
