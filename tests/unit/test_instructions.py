"""Steps of a Dockerfile, read back from histories of several builders."""

import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pyimginspect.inventory.instructions import instruction_of, read_step, read_steps
from pyimginspect.model import History


@pytest.mark.parametrize(
    ("created_by", "expected"),
    [
        # BuildKit
        ("RUN /bin/sh -c apt-get update # buildkit", "RUN apt-get update"),
        (
            "RUN /bin/sh -c set -eux; \tapt-get update; \t\tls # buildkit",
            "RUN set -eux; apt-get update; ls",
        ),
        ("RUN |1 A=b /bin/sh -c make # buildkit", "RUN make"),
        ("RUN |2 A=b C=d e f /bin/sh -c make all # buildkit", "RUN make all"),
        ("RUN |1 A=b pip install x # buildkit", "RUN pip install x"),
        ("RUN |1 A=b /bin/sh -c make && exec /bin/bash x # buildkit",
         "RUN make && exec /bin/bash x"),
        ("RUN pip install x # buildkit", "RUN pip install x"),
        ("RUN /bin/sh -c pwsh -Command ls # buildkit", "RUN pwsh -Command ls"),
        ("RUN /bin/bash -o pipefail -c curl x | sh # buildkit", "RUN curl x | sh"),
        ("RUN /bin/bash -euxo pipefail -c ls # buildkit", "RUN ls"),
        ("RUN /bin/sh -c sh -c 'echo x' # buildkit", "RUN sh -c 'echo x'"),
        ("RUN /bin/sh -c apt-get update\napt-get install -y x\n # buildkit",
         "RUN apt-get update apt-get install -y x"),
        ("COPY constraints.txt requirements.txt ./ # buildkit",
         "COPY constraints.txt requirements.txt ./"),
        ("COPY --chown=1:1 app /app # buildkit", "COPY --chown=1:1 app /app"),
        ("ADD alpine-minirootfs-3.24.2-x86_64.tar.gz / # buildkit",
         "ADD alpine-minirootfs-3.24.2-x86_64.tar.gz /"),
        ("WORKDIR /app", "WORKDIR /app"),
        ('CMD ["python3"]', 'CMD ["python3"]'),
        ("ENV PATH=/usr/local/bin:/bin", "ENV PATH=/usr/local/bin:/bin"),
        # the classic builder, and buildah
        ("/bin/sh -c apt-get update", "RUN apt-get update"),
        ("|1 A=b /bin/sh -c make", "RUN make"),
        ("/bin/sh -c #(nop)  ENV LANG=C.UTF-8", "ENV LANG=C.UTF-8"),
        ('/bin/sh -c #(nop)  CMD ["python3"]', 'CMD ["python3"]'),
        ("/bin/sh -c #(nop) WORKDIR /app", "WORKDIR /app"),
        ("/bin/sh -c #(nop) ADD file:4c1f in / ", "ADD file:4c1f /"),
        ("/bin/sh -c #(nop) COPY dir:4c1f in /app ", "COPY dir:4c1f /app"),
        ("/bin/sh -c #(nop) COPY multi:4c1f in ./ in x/ ", "COPY multi:4c1f in ./ x/"),
        # six spaces are where buildah puts what it appends, and no mark of that by themselves
        ("/bin/sh -c #(nop) COPY dir:4c1f in /a      b ", "COPY dir:4c1f /a b"),
        ("/bin/sh -c #(nop) COPY a      b=c ", "COPY a b=c"),
        # what ran no command is no RUN, whatever it is
        ("/bin/sh -c #(nop) /bin/sh -c make", "/bin/sh -c make"),
        # Windows
        ("RUN cmd /S /C pip install x # buildkit", "RUN pip install x"),
        ("cmd /S /C #(nop)  ENV A=b", "ENV A=b"),
        ("powershell -Command $ErrorActionPreference = 'Stop'; pip install x",
         "RUN $ErrorActionPreference = 'Stop'; pip install x"),
        # no Dockerfile at all
        ("# debian.sh out/ 'trixie' '@1'", "# debian.sh out/ 'trixie' '@1'"),
        ("bazel build ...", "bazel build ..."),
        ("Apply image 10.0.20348.169", "Apply image 10.0.20348.169"),
        ("", ""),
    ],
)  # fmt: skip
def test_a_line_of_history_is_an_instruction(created_by: str, expected: str) -> None:
    assert instruction_of(History(created_by=created_by)) == expected


def test_nothing_is_known_of_a_layer_without_history() -> None:
    assert instruction_of(None) == ""


def test_an_import_says_so_in_its_comment() -> None:
    assert instruction_of(History(comment="Imported from -")) == "# Imported from -"


@pytest.mark.parametrize(
    ("created_by", "shell", "arguments"),
    [
        ("RUN /bin/sh -c ls # buildkit", "sh", ""),
        ("RUN /bin/bash -c ls # buildkit", "other", ""),
        ("RUN ls # buildkit", "", ""),
        ("RUN |2 A=b C=d e /bin/sh -c ls # buildkit", "sh", "A=b C=d e"),
        ("RUN |1 A=b ls -l # buildkit", "", "A=b"),
        ("RUN |1 A=b /bin/sh -c ls -l /bin/bash /bin/ash # buildkit", "sh", "A=b"),
    ],
)
def test_shell_and_arguments_are_kept_apart(created_by: str, shell: str, arguments: str) -> None:
    step = read_step(History(created_by=created_by))
    assert (step.word, step.shell, step.arguments) == ("RUN", shell, arguments)
    assert step.text in ("ls", "ls -l", "ls -l /bin/bash /bin/ash")


def test_steps_have_the_numbers_of_their_layers() -> None:
    history = [
        History(created_by="ADD file:1 in /"),
        History(created_by="ENV A=b", empty_layer=True),
        History(created_by="RUN /bin/sh -c ls # buildkit"),
        History(created_by='CMD ["ls"]', empty_layer=True),
    ]
    assert [step.layer for step in read_steps(history)] == [0, None, 1, None]


@given(st.text(alphabet=st.sampled_from("abRUN|1 =/-c#()nop\n\t'\"\x1b"), max_size=200))
def test_whatever_is_there_becomes_one_line(created_by: str) -> None:
    line = instruction_of(History(created_by=created_by))
    assert "\n" not in line
    assert "\t" not in line


@pytest.mark.parametrize("part", [" -o", " pipefail", "a", "|9 ", " -" + "c" * 50, "/bin/sh "])
def test_hostile_lines_take_no_time(part: str) -> None:
    start = time.process_time()
    instruction_of(History(created_by="RUN /bin/sh" + part * (1_000_000 // len(part))))
    assert time.process_time() - start < 2
