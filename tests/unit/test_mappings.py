"""Records that say they are immutable: their mappings are, however they were made."""

import copy
import pickle
from collections.abc import Callable, Mapping
from typing import Any, get_origin, get_type_hints

import msgspec
import pytest
from msgspec import Struct

import pyimginspect.inventory.facts as facts
import pyimginspect.model as model
import pyimginspect.plan.plan as plan
import pyimginspect.plan.records as plan_records
import pyimginspect.policy.settings as settings
import pyimginspect.report as report
from pyimginspect import inspect
from pyimginspect.inventory.packages.closure import RemovalPlan
from pyimginspect.mappings import FrozenDict
from pyimginspect.plan.layer_breakdown import LayerBreakdown
from tests.images import docker_archive, image, layer

# An index is made entry by entry, and there are many: only what reads layers makes one.
WORKING = {model.LayerIndex}
PUBLIC = [
    kind
    for module in (model, facts, report, plan, plan_records, settings)
    for kind in vars(module).values()
    if isinstance(kind, type)
    and issubclass(kind, Struct)
    and kind.__module__ == module.__name__
    and not kind.__name__.startswith("_")
] + [RemovalPlan, LayerBreakdown]


@pytest.mark.parametrize("kind", [kind for kind in PUBLIC if kind not in WORKING])
def test_no_field_of_a_public_record_can_be_changed_in_place(kind: type[Struct]) -> None:
    assert kind.__struct_config__.frozen
    for name, hint in get_type_hints(kind).items():
        assert get_origin(hint) not in (dict, list, set), f"{name}: {hint}"


@pytest.mark.parametrize("kind", [kind for kind in PUBLIC if kind not in WORKING])
def test_every_mapping_of_a_public_record_is_frozen_as_it_is_made(kind: type[Struct]) -> None:
    hints = get_type_hints(kind)
    mappings = [
        field.name
        for field in msgspec.structs.fields(kind)
        if get_origin(hints[field.name]) is Mapping
    ]
    given: dict[str, Any] = {field.name: {} if field.name in mappings else None
             for field in msgspec.structs.fields(kind)
             if field.required or field.name in mappings}  # fmt: skip
    if mappings:
        made = kind(**given)
        assert {type(getattr(made, name)) for name in mappings} == {FrozenDict}


def test_an_image_s_environment_cannot_be_changed(tmp_path: Any) -> None:
    path = tmp_path / "a.tar"
    path.write_bytes(docker_archive(image([layer({"a": "x"})], env=("PYTHONPATH=/a",))))
    found = inspect(str(path))
    assert found.image.environment == {"PYTHONPATH": "/a"}
    with pytest.raises(TypeError, match="immutable record"):
        found.image.environment["PYTHONPATH"] = "/b"  # type: ignore[index]
    read = report.Report.from_json(found.to_json())
    assert read == found
    with pytest.raises(TypeError, match="immutable record"):
        read.image.environment.clear()  # type: ignore[attr-defined]
    assert found.image.environment == {"PYTHONPATH": "/a"}


@pytest.mark.parametrize(
    "change",
    [
        lambda a: a.__setitem__("x", 1),
        lambda a: a.__delitem__("a"),
        lambda a: a.__ior__({"x": 1}),
        lambda a: a.clear(),
        lambda a: a.pop("a"),
        lambda a: a.popitem(),
        lambda a: a.setdefault("x", 1),
        lambda a: a.update(x=1),
    ],
)
def test_every_change_is_refused(change: Callable[[Any], object]) -> None:
    mapping = FrozenDict({"a": 1})
    with pytest.raises(TypeError, match="copy"):
        change(mapping)
    assert mapping == {"a": 1}


def test_it_is_a_dict_to_whoever_reads_it() -> None:
    mapping = FrozenDict({"a": 1})
    assert hash(mapping) == hash(FrozenDict({"a": 1}))
    assert msgspec.json.encode(mapping) == b'{"a":1}'
    assert mapping | {"b": 2} == {"a": 1, "b": 2}
    mine = mapping.copy()
    mine["b"] = 2
    assert mine == {"a": 1, "b": 2}
    for twin in (pickle.loads(pickle.dumps(mapping)), copy.copy(mapping), copy.deepcopy(mapping)):
        assert twin == mapping
        assert type(twin) is FrozenDict


def test_a_record_takes_any_mapping_and_keeps_its_own() -> None:
    given = {0: 5}
    cause: Mapping[int, int] = plan.Plan(
        reference="", size=0, saving=0, compressed=0, compressed_saving=0, edits=(), layers=given
    ).layers
    given[0] = 6
    assert cause == {0: 5}
