"""No rule on loading finds anything in a good image."""

import pytest

from tests.images import Content
from tests.trees import dist_info
from tests.unit.rules.loading import (
    MUSL_SUFFIX,
    SITE,
    SUFFIX,
    alpine,
    debian,
    findings,
    module,
    wheel,
)


@pytest.mark.parametrize("base", [debian(), alpine()], ids=["debian", "alpine"])
def test_a_good_image_has_no_finding(base: dict[str, Content]) -> None:
    musl = "lib/ld-musl-x86_64.so.1" in base
    suffix, tag = (MUSL_SUFFIX, "musllinux_1_2") if musl else (SUFFIX, "manylinux_2_17")
    libc = "libc.musl-x86_64.so.1" if musl else "libc.so.6"
    fits = wheel("good", {f"good/_c{suffix}": module(libc=libc)}, [f"cp313-cp313-{tag}_x86_64"])
    assert findings(base, {**fits, **dist_info("pure", site=SITE)}) == []
