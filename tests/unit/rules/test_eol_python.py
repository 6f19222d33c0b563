"""The rule eol-python: layers in, findings out."""

from typing import Any

from pyimginspect.analyzers import eol_distribution, eol_python
from pyimginspect.inventory.tables import read_table
from tests.images import debian_base, image, official_env, official_python
from tests.inventories import DEBIAN_STEP, on_slim, taken

TABLE: dict[str, Any] = read_table("end_of_life", dict[str, Any])


def test_findings_name_the_interpreter_and_the_release() -> None:
    old = image(
        [debian_base(), official_python("3.8.1")],
        history=[DEBIAN_STEP, "RUN make"],
        env=official_env("3.8.1"),
    )
    (found,) = eol_python.ANALYZER.run(taken(old))
    assert found.message == "Python 3.8.1 is past its end of life: 2024-10-07"
    assert (found.paths, found.layers) == (("usr/local/bin/python3.8",), (1,))
    assert found.fix == (
        "Move to a supported series, such as 3.14 (until 2030-10-31):"
        " docs.python.org/3/whatsnew lists the changes."
    )
    assert found.evidence[-1].what == f"end of life 2024-10-07: {TABLE['sources']['python']}"
    assert [*eol_distribution.ANALYZER.run(taken(old))] == []
    assert [*eol_python.ANALYZER.run(taken(on_slim()))] == []
