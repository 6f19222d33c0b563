"""Reading Dockerfiles: every part with its place, by BuildKit's rules."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pyimginspect.dockerfile import parse
from pyimginspect.errors import DockerfileError
from tests.effort import examples


def keywords(text: str) -> list[str]:
    return [instruction.keyword for instruction in parse(text).instructions]


# --- lines ----------------------------------------------------------------------------------------
@pytest.mark.parametrize(
    ("text", "arguments"),
    [
        ("FROM a", ["a"]),
        ("from a\nrun  b  c ", ["a", "b  c"]),
        ("\ufeffFROM a\n", ["a"]),
        ("\n\n  FROM a\n\tRUN b", ["a", "b"]),
        ("FROM a\r\nRUN b \\\r\n  && c\r\n", ["a", "b   && c"]),
        ("FROM a\nRUN b \\\n  # comment\n\n  && c\n", ["a", "b   && c"]),
        ("FROM a\nRUN b \\  \n && c\n", ["a", "b  && c"]),
        ("FROM a\nRUN b \\\\\nRUN c\n", ["a", "b \\\\", "c"]),
        ("FROM a\nRUN b \\", ["a", "b"]),
        ("FROM a\nRUN ap\\\nt-get\n", ["a", "apt-get"]),
        ("FROM a\nRUN \\\n# only comments\n\nb\n", ["a", "b"]),
        ("FROM a\nRUN b # no comment \\\n c\n", ["a", "b # no comment  c"]),
        ("# escape=`\nFROM a\nRUN b `\n  c \\\nRUN d\n", ["a", "b   c \\", "d"]),
        ("# comment\n# escape=`\nFROM a\nRUN b \\\n c\n", ["a", "b  c"]),
        ("# syntax=docker/dockerfile:1\n# escape = `\nFROM a\nRUN b `\n c", ["a", "b  c"]),
        ("#escape=`\n\nFROM a\nRUN b `\n c", ["a", "b  c"]),
        ("FROM a\n# escape=`\nRUN b \\\n c", ["a", "b  c"]),
        ("FROM a\nONBUILD RUN b \\\n && c", ["a", "RUN b  && c"]),
    ],
)
def test_what_a_builder_reads(text: str, arguments: list[str]) -> None:
    document = parse(text)
    assert [each.argument.text for each in document.instructions] == arguments
    assert "".join(document.pieces) == text
    for each in document.instructions:
        for offset, character in enumerate(each.argument.text):
            assert text[each.argument.origin(offset)] == character


def test_the_place_of_everything() -> None:
    text = (
        "# a comment\nFROM --platform=linux/amd64 python:3.12 AS Build\n\n"
        "# why\n# so\nRUN --mount=type=cache,target=/x \\\n    --network='none' pip install y\n"
    )
    first, second = parse(text).instructions
    assert text[first.start : first.keyword_end] == "FROM"
    assert text[first.comments : first.start] == "# a comment\n"
    assert text[second.comments : second.start] == "# why\n# so\n"
    assert [text[flag.start : flag.end] for flag in second.flags] == [
        "--mount=type=cache,target=/x",
        "--network='none'",
    ]
    assert [flag.value for flag in second.flags] == ["type=cache,target=/x", "none"]
    assert second.flag("network") == "none"
    assert second.flag("security") is None
    assert (second.line, second.last_line) == (6, 7)
    assert text[second.start : second.end].endswith("pip install y")


@pytest.mark.parametrize(
    ("text", "bodies", "after"),
    [
        ("RUN <<EOF\na\nb\nEOF\nRUN c", ["a\nb\n"], 2),
        ("RUN <<-EOF\n\ta\n\tEOF\nRUN c", ["\ta\n"], 2),
        ("RUN <<'EOF' cat\n$x\nEOF\nRUN c", ["$x\n"], 2),
        ("COPY <<A <<B /x/\na\nA\nb\nB\nRUN c", ["a\n", "b\n"], 2),
        ("ONBUILD RUN <<EOF\na\nEOF\nRUN c", ["a\n"], 2),
        ("RUN cat 3<<EOF\na\nEOF\nRUN c", ["a\n"], 2),
        ('RUN ["<<EOF"]\nRUN c', [], 2),
        ("RUN echo '<<EOF'\nRUN c", [], 2),
        ("RUN echo \\<<EOF\nRUN c", [], 2),
        ("RUN cat <<<EOF\nRUN c", [], 2),
        ("ENV x=<<EOF\nRUN c", [], 2),
        ("RUN <<EOF\r\na\r\nEOF\r\nRUN c", ["a\r\n"], 2),
        ("RUN <<EOF\n  EOF\nEOF\nRUN c", ["  EOF\n"], 2),
    ],
)
def test_here_documents(text: str, bodies: list[str], after: int) -> None:
    text = f"FROM a\n{text}"
    document = parse(text)
    assert len(document.instructions) == after + 1
    heredocs = document.instructions[1].heredocs
    assert [text[each.start : each.end] for each in heredocs] == bodies
    assert "".join(document.pieces) == text


@pytest.mark.parametrize(
    ("argument", "words"),
    [
        ('["a", "b c"]', ("a", "b c")),
        ('[ "a" ]', ("a",)),
        ("['a']", None),
        ('["a", 1', None),
        ('["a"', None),
        ("[ -f x ] && y", None),
        ("[]", ()),
    ],
)
def test_the_json_form(argument: str, words: tuple[str, ...] | None) -> None:
    assert parse(f"FROM a\nRUN {argument}").instructions[1].words == words


def test_stages() -> None:
    document = parse("ARG V=1\nfrom python:${V} as Base\nRUN a\nFROM base\nCOPY --from=base x y\n")
    assert [(each.base, each.name) for each in document.stages] == [
        ("python:${V}", "base"),
        ("base", ""),
    ]
    assert [len(each.instructions) for each in document.stages] == [2, 2]
    trigger = parse("FROM a\nONBUILD COPY --chown=1 x y").instructions[1].trigger
    assert trigger is not None
    assert (trigger.keyword, trigger.argument.text, trigger.flag("chown")) == ("COPY", "x y", "1")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "no instructions"),
        ("# only\n", "no instructions"),
        ("ARG A\n", "no FROM"),
        ("RUN a\nFROM b", "line 1: RUN before the first FROM"),
        ("FROM a\nRUNN b", "line 2: unknown instruction 'RUNN'"),
        ("FROM a\n\nRUN <<EOF\nb\n", "line 3: the here-document EOF has no end"),
        ('FROM a\nRUN ["a", 1]', "line 2: a JSON array may have strings only"),
        ('FROM a\n\nCOPY [["a"], "<<b"]', "line 3: a JSON array may have strings only"),
        ("FROM a\nONBUILD CMD [null]", "line 2: a JSON array may have strings only"),
        ("FROM a b", "line 1: FROM takes"),
        ("FROM a AS b c", "line 1: FROM takes"),
        ("# escape=x\nFROM a", "line 1: the escape character"),
        ("# escape=`\n# escape=`\nFROM a", "line 2: only one 'escape' directive"),
        ("{{ template }}\n", "unknown instruction"),
        ("FROM a\nRUN x" + "y" * (4 << 20), "longer than 4 MiB"),
    ],
)
def test_what_no_builder_takes(text: str, message: str) -> None:
    with pytest.raises(DockerfileError, match=message):
        parse(text)


WORDS = ("FROM a", "RUN b", "# c", "&&", "<<EOF", "EOF", "--mount=x", '["a"]', "ENV", "a=b")
MARKS = ("\\", "\n", "\r\n", " ", "\t", "`", "'", '"', "COPY x", "ONBUILD", "\ufeff", "é", "\x0b")
PARTS = st.sampled_from((*WORDS, *MARKS))


@examples(300)
@given(st.lists(PARTS, max_size=30).map("".join))
def test_no_text_is_lost(text: str) -> None:
    document = parse(text, strict=False)
    assert "".join(document.pieces) == text
    end = 0
    for each in document.instructions:
        assert end <= each.comments <= each.start <= each.keyword_end <= each.end
        assert text[each.start : each.keyword_end].upper().startswith(each.keyword[:1])
        for offset, character in enumerate(each.argument.text):
            assert text[each.argument.origin(offset)] == character
        end = each.end


def test_a_long_file_takes_no_longer_than_its_length() -> None:
    for text in (
        "RUN a \\\n" * 50_000,
        "RUN <<A\n" + "b\n" * 100_000,
        "\\ " * 200_000,
        "#\n" * 10**5,
    ):
        parse(f"FROM a\n{text}", strict=False)
