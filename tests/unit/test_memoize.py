"""What is worked out once."""

from msgspec import Struct

from pyimginspect.inventory.memoize import memoized, memoized_text


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


def test_a_text_is_read_once_while_it_is_short_and_lately_used() -> None:
    calls: list[tuple[bytes, int]] = []

    @memoized_text(most=2, longest=3)
    def read(text: bytes, number: int) -> int:
        calls.append((text, number))
        return len(text) * number

    for text, number in [(b"abc", 1), (b"abc", 1), (b"abc", 2), (b"abcd", 1), (b"abcd", 1)]:
        assert read(text, number) == len(text) * number
    assert calls == [(b"abc", 1), (b"abc", 2), (b"abcd", 1), (b"abcd", 1)]
    read(b"x", 1)
    read(b"abc", 1)
    assert calls[4:] == [(b"x", 1), (b"abc", 1)]


def test_what_is_only_of_help_does_not_make_another_text() -> None:
    calls: list[str] = []

    @memoized_text(most=2, longest=3)
    def read(text: str, *, table: dict[str, str]) -> str:
        calls.append(text)
        return table.get(text, text)

    asked = ("a", "b", "a", "c", "a", "b")
    assert [read(each, table={"a": "a"}) for each in asked] == list(asked)
    assert calls == ["a", "b", "c", "b"]  # whoever was asked for last stays
