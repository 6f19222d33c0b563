"""The rule foreign-libc: layers in, findings out."""

from tests.elf import elf
from tests.images import File
from tests.systems import MUSL
from tests.unit.rules.loading import SITE, SUFFIX, alpine, debian, findings, module, only, wheel


def test_a_manylinux_extension_on_alpine() -> None:
    tree = wheel("numpy", {f"numpy/_core{SUFFIX}": module()})
    found = {f.rule: f for f in findings(alpine(), tree)}
    assert set(found) == {"foreign-libc", "musl-base"}
    finding = found["foreign-libc"]
    assert "musllinux wheel" in finding.fix
    assert finding.message == (
        "numpy 1.0 is compiled for glibc, Python 3.13.1 in /usr/local/bin/python3.13 runs on musl"
    )
    assert [(e.what, e.path) for e in finding.evidence] == [
        ("for glibc: dependency on libc.so.6", f"{SITE}/numpy/_core{SUFFIX}"),
        ("its loader is /lib/ld-musl-x86_64.so.1", "usr/local/bin/python3.13"),
    ]
    assert found["musl-base"].message == (
        "1 of 1 compiled distributions on musl came with no musllinux wheel: numpy built for glibc"
    )


def test_a_program_without_its_loader() -> None:
    program = File(elf(interp=MUSL, needed=["libc.musl-x86_64.so.1"]), mode=0o755)
    finding = only(debian(), {"usr/local/bin/tool": program})
    assert (finding.rule, finding.subject) == ("foreign-libc", MUSL)
    assert finding.message == (
        "/usr/local/bin/tool cannot be started: the loader /lib/ld-musl-x86_64.so.1 is not in"
        " the image"
    )
