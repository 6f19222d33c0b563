"""What is worked out once."""

from msgspec import Struct

from pyimginspect.inventory.memoize import memoized


class Record(Struct, frozen=True, dict=True):
    number: int


def test_the_function_runs_once_for_each_record() -> None:
    asked: list[int] = []

    @memoized
    def doubled(record: Record) -> int:
        asked.append(record.number)
        return 2 * record.number

    @memoized
    def tripled(record: Record) -> int:
        return 3 * record.number

    one, same, other = Record(1), Record(1), Record(2)
    assert [doubled(one), doubled(one), doubled(same), doubled(other)] == [2, 2, 2, 4]
    assert asked == [1, 1, 2]
    assert tripled(one) == 3
    assert one == same
