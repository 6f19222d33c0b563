"""The rule native-library-not-from-os: layers in, findings out."""

from pyimginspect.analyzers import native_library_not_from_os
from tests.elf import elf
from tests.images import Content, Link
from tests.inventories import on_slim, taken
from tests.unit.rules.loading import SUFFIX, debian, findings, module, only


def test_a_library_copied_by_hand() -> None:
    tree: dict[str, Content] = {
        "opt/lib/libfoo.so.1": elf(soname="libfoo.so.1"),
        "opt/lib/libbar.so.2.0": elf(soname="libbar.so.2"),
        "opt/lib/libbar.so.2": Link("libbar.so.2.0"),
    }
    finding = only(debian(), tree)
    assert (finding.rule, finding.subject) == ("native-library-not-from-os", "opt/lib")
    assert finding.message == "libbar.so.2 and libfoo.so.1 in /opt/lib came with no package"
    assert finding.paths == ("opt/lib/libbar.so.2.0", "opt/lib/libfoo.so.1")


def test_a_library_copied_beside_libpython() -> None:
    tree: dict[str, Content] = {"usr/local/lib/libfoo.so.1": elf(soname="libfoo.so.1")}
    found = taken(on_slim(tree, history=["COPY libfoo.so.1 /usr/local/lib/"]))
    assert [python.libpython.rpartition("/")[0] for python in found.interpreters] == [
        "usr/local/lib"
    ]
    (finding,) = native_library_not_from_os.run(found)
    assert finding.message == "libfoo.so.1 in /usr/local/lib came with no package"


def test_what_auditwheel_bundled_is_no_library_copied_by_hand() -> None:
    tree: dict[str, Content] = {
        f"opt/python/numpy/_core/_umath{SUFFIX}": module(
            ["libblas64_.so"], runpath="$ORIGIN/../../numpy.libs"
        ),
        "opt/python/numpy.libs/libblas64_.so": elf(soname="libblas64_.so", needed=["libc.so.6"]),
    }
    assert findings(debian(), tree, env=["PYTHONPATH=/opt/python"]) == []


def test_what_conda_installs_is_not_copied_by_hand() -> None:
    tree: dict[str, Content] = {
        "opt/conda/conda-meta/history": "",
        "opt/conda/lib/libssl.so.3": elf(soname="libssl.so.3"),
        "opt/conda/envs/app/conda-meta/history": "",
        "opt/conda/envs/app/lib/libz.so.1": elf(soname="libz.so.1"),
    }
    found = taken(on_slim(tree, history=["RUN conda install openssl"]))
    assert [*native_library_not_from_os.run(found)] == []
