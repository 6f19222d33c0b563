"""How each builder writes its steps into the history, by its own source, and what we read.

A comment names the file of the builder's repository that the lines are written by.
"""

import time

import pytest

from pyimginspect.inventory.instructions import Shell, read_step
from pyimginspect.model import History

HASH = "4c1f" * 16
NOP = "/bin/sh -c #(nop) "


def read(created_by: str, comment: str = "") -> tuple[str, Shell]:
    step = read_step(History(created_by=created_by, comment=comment))
    return step.line, step.shell


# moby/buildkit frontend/dockerfile/dockerfile2llb/convert.go (commitToHistory, dispatchRun),
# convert_copy.go, convert_expose.go. Steps that take part in the build end with `# buildkit`.
BUILDKIT: list[tuple[str, str, Shell]] = [
    ("RUN /bin/sh -c pip install x # buildkit", "RUN pip install x", "sh"),
    ("RUN |2 A=1 B=two words /bin/sh -c make # buildkit", "RUN make", "sh"),
    ("RUN /bin/bash -o pipefail -c a | b # buildkit", "RUN a | b", "other"),
    ("RUN pip install x # buildkit", "RUN pip install x", ""),  # an exec form
    # RUN <<EOF: its lines are the command
    ("RUN /bin/sh -c pip install x\nrm -r /tmp/y\n # buildkit",
     "RUN pip install x rm -r /tmp/y", "sh"),
    # RUN <<EOF with a #! line is a file of its own, whose content is not told
    ("RUN /bin/sh -c /dev/pipes/EOF # buildkit", "RUN /dev/pipes/EOF", "sh"),
    # RUN cat <<EOF > /x
    ("RUN /bin/sh -c cat <<EOF > /x\nhello\nEOF # buildkit", "RUN cat <<EOF > /x hello EOF", "sh"),
    # what its progress shows of one, and some histories have
    ("RUN <<EOF (pip install x...) # buildkit", "RUN <<EOF (pip install x...)", ""),
    ("COPY <<EOF /app/run.sh # buildkit", "COPY <<EOF /app/run.sh", ""),
    ("COPY --chown=1:1 --chmod=755 a b /app/ # buildkit", "COPY --chown=1:1 --chmod=755 a b /app/",
     ""),
    ("ADD https://example.org/x.tar /x # buildkit", "ADD https://example.org/x.tar /x", ""),
    ("ENV A=b c", "ENV A=b c", ""),
    ("LABEL org.opencontainers.image.title=x|force-mtime",
     "LABEL org.opencontainers.image.title=x|force-mtime", ""),
    ("EXPOSE map[8080/tcp:{} 9090/udp:{}]", "EXPOSE 8080/tcp 9090/udp", ""),
    ("EXPOSE [8080/tcp 9090/udp]", "EXPOSE 8080/tcp 9090/udp", ""),
    ("VOLUME [/data /x]", "VOLUME /data /x", ""),
    ("WORKDIR /app", "WORKDIR /app", ""),
    ("ARG A=b C", "ARG A=b C", ""),
]  # fmt: skip

# moby/moby builder/dockerfile/dispatchers.go, builder/dockerfile/internals.go
CLASSIC: list[tuple[str, str, Shell]] = [
    ("/bin/sh -c pip install x", "RUN pip install x", "sh"),
    ("|1 A=b /bin/sh -c pip install x", "RUN pip install x", "sh"),
    ("/bin/bash -o pipefail -c a | b", "RUN a | b", "other"),
    (f"{NOP}COPY file:{HASH} in /app/ ", f"COPY file:{HASH} /app/", ""),
    (f"{NOP}COPY --chown=1:1dir:{HASH} in /app/ ", f"COPY --chown=1:1 dir:{HASH} /app/", ""),
    (f"{NOP}ADD multi:{HASH} in /a b/ ", f"ADD multi:{HASH} /a b/", ""),
    (f"{NOP} ENV A=b", "ENV A=b", ""),
    (f'{NOP} CMD ["python" "-m" "app"]', 'CMD ["python" "-m" "app"]', ""),
    (f"{NOP} EXPOSE 8080/tcp", "EXPOSE 8080/tcp", ""),
    (f"{NOP} VOLUME [/data]", "VOLUME /data", ""),
    (f"{NOP}WORKDIR /app", "WORKDIR /app", ""),
]

# containers/buildah imagebuildah/stage_executor.go (getCreatedBy, buildMetadata)
MTIME = "|force-mtime=1700000000"
BUILDAH: list[tuple[str, str, Shell]] = [
    (f"/bin/sh -c pip install x{MTIME}", "RUN pip install x", "sh"),
    ("/bin/sh -c pip install x|clamp-mtime=0", "RUN pip install x", "sh"),
    ("/bin/sh -c pip install x|force-mtime=-1", "RUN pip install x", "sh"),
    ("/bin/sh -c pip install x|unsetLabel=a.b/c|unsetLabel=d|inheritLabels=false",
     "RUN pip install x", "sh"),
    (f"|1 A=b /bin/sh -c pip install x{MTIME}", "RUN pip install x", "sh"),
    (f"/bin/sh -c a | b{MTIME}", "RUN a | b", "sh"),
    (f"/bin/sh -c pip install x{MTIME}org.opencontainers.image.title=My app,a=b|c",
     "RUN pip install x", "sh"),
    (f"{NOP}ENV A=b{MTIME}", "ENV A=b", ""),
    (f"{NOP}LABEL a=b|unsetLabel=io.buildah.version{MTIME}", "LABEL a=b", ""),
    (f"{NOP}USER 1000|unsetLabel=a|inheritLabels=false|unsetAnnotation=b"
     f"|inheritAnnotations=false{MTIME}c=d,e=f", "USER 1000", ""),
    (f'{NOP}CMD ["python", "-m", "app"]{MTIME}', 'CMD ["python", "-m", "app"]', ""),
    (f'{NOP}CMD ["python"]a=b,c=d e', 'CMD ["python"]', ""),
    (f"{NOP}EXPOSE 8080org.opencontainers.image.title=x", "EXPOSE 8080", ""),
    (f"{NOP}EXPOSE 8080/tcptitle=x", "EXPOSE 8080/tcp", ""),
    (f"{NOP}USER apporg.opencontainers.image.title=x,a=b", "USER app", ""),
    (f"{NOP}COPY file:{HASH} in /app      ", f"COPY file:{HASH} /app", ""),
    (f"{NOP}COPY file:{HASH} in /app     {MTIME} ", f"COPY file:{HASH} /app", ""),
    (f"{NOP}COPY dir:{HASH} in /app |unsetLabel=a |inheritLabels=false   {MTIME} a=b,c=d",
     f"COPY dir:{HASH} /app", ""),
    (f"{NOP}ADD multi:{HASH} in /app      a=b,c=d", f"ADD multi:{HASH} /app", ""),
    (f"{NOP}COPY --link file:{HASH} in /app      ", f"COPY --link file:{HASH} /app", ""),
    (f"{NOP}ARG A=b{MTIME}", "ARG A=b", ""),
    # the instruction as it was written, and the digests of what was mounted
    (f"/bin/sh -c --mount=type=bind,source=a,target=/a pip install /a:{HASH}{MTIME}",
     "RUN pip install /a", "sh"),
    ("/bin/sh -c --mount=type=cache,target=/root/.cache --network=none pip install x",
     "RUN pip install x", "sh"),
    (f"/bin/sh -c <<EOF\npip install x\nrm -r /tmp/y{MTIME}",
     "RUN pip install x rm -r /tmp/y", "sh"),
    ("/bin/sh -c cat <<EOF > /x\nhello", "RUN cat <<EOF > /x hello", "sh"),
]  # fmt: skip

# GoogleContainerTools/kaniko pkg/executor/build.go (saveLayerToImage), pkg/commands/*.go (String)
KANIKO: list[tuple[str, str, Shell]] = [
    ("RUN pip install x", "RUN pip install x", "sh"),
    ("RUN --mount=type=cache,target=/root/.cache pip install x", "RUN pip install x", "sh"),
    ('RUN ["pip", "install", "x"]', 'RUN ["pip", "install", "x"]', ""),
    ("COPY . /app", "COPY . /app", ""),
    ("COPY --from=build /a /b", "COPY --from=build /a /b", ""),
    ("WORKDIR /app", "WORKDIR /app", ""),
    ("ENV A=b", "ENV A=b", ""),
]


@pytest.mark.parametrize(("created_by", "line", "shell"), [*BUILDKIT, *CLASSIC, *BUILDAH, *KANIKO])
def test_a_step_of_a_dockerfile(created_by: str, line: str, shell: Shell) -> None:
    assert read(created_by) == (line, shell)


# What no Dockerfile made is told as it stands, and is no instruction.
@pytest.mark.parametrize(
    ("created_by", "comment", "line"),
    [
        # buildpacks/lifecycle layers/factory.go
        ("Layer: 'cpython', Created by buildpack: paketo-buildpacks/cpython@1.8.4", "",
         "Layer: 'cpython', Created by buildpack: paketo-buildpacks/cpython@1.8.4"),
        ("Layer: 'RUN apt-get', Created by extension: x", "",
         "Layer: 'RUN apt-get', Created by extension: x"),
        ("Application Layer", "", "Application Layer"),
        ("Application Slice: 1", "", "Application Slice: 1"),
        ("Buildpacks Launcher Config", "", "Buildpacks Launcher Config"),
        ("Software Bill-of-Materials", "", "Software Bill-of-Materials"),
        # ko-build/ko pkg/build/gobuild.go
        ("ko build ko://example.org/cmd/app", "go build output, at /ko-app/app",
         "ko build ko://example.org/cmd/app"),
        # GoogleContainerTools/jib jib-core/…/builder/steps/BuildImageStep.java
        ("jib-maven-plugin:3.4.4", "dependencies", "jib-maven-plugin:3.4.4"),
        # NixOS/nixpkgs pkgs/build-support/docker/stream_layered_image.py
        ("", "store paths: ['/nix/store/0-python3-3.12.8']",
         "# store paths: ['/nix/store/0-python3-3.12.8']"),
        # nlewo/nix2container default.nix
        ("nix2container", "", "nix2container"),
        # bazelbuild/rules_docker container/image.bzl
        ("bazel build ...", "", "bazel build ..."),
        # bazel-contrib/rules_oci oci/private/descriptor.sh
        ("bazel build //app:layer", "", "bazel build //app:layer"),
        # chainguard-dev/apko pkg/build/oci/image.go
        ("apko", "This is an apko single-layer image", "apko"),
        # buildah commit of a stage without steps: imagebuildah/stage_executor.go
        ("/bin/sh", "", "/bin/sh"),
    ],
)  # fmt: skip
def test_what_other_tools_say_of_themselves(created_by: str, comment: str, line: str) -> None:
    step = read_step(History(created_by=created_by, comment=comment))
    assert (step.word, step.line) == ("", line)


def test_source_to_image_runs_its_script_in_a_container() -> None:
    # openshift/source-to-image pkg/docker/docker.go
    line = "/bin/sh -c tar -C /tmp -xf - && /usr/libexec/s2i/assemble"
    assert read(line) == ("RUN tar -C /tmp -xf - && /usr/libexec/s2i/assemble", "sh")


@pytest.mark.parametrize(
    ("created_by", "line"),
    [
        (f'{NOP}LABEL a="x|unsetLabel=y"', 'LABEL a="x|unsetLabel=y"'),
        (f'{NOP}ENV A="b|force-mtime=0"', 'ENV A="b|force-mtime=0"'),
        (f"{NOP}ENV A=x|force-mtime=soon", "ENV A=x|force-mtime=soon"),
        (f"{NOP}ENV A=x|inheritLabels=true", "ENV A=x|inheritLabels=true"),
        ("/bin/sh -c echo a|force-mtime=0 | cat", "RUN echo a|force-mtime=0 | cat"),
        # sixteen are tried
        (f"/bin/sh -c {'a|force-mtime=0 | ' * 15}b|force-mtime=0",
         f"RUN {'a|force-mtime=0 | ' * 15}b"),
        (f"/bin/sh -c {'a|force-mtime=0 | ' * 16}b|force-mtime=0",
         f"RUN {'a|force-mtime=0 | ' * 16}b|force-mtime=0"),
        ("RUN /bin/sh -c echo a|force-mtime=0 # buildkit", "RUN echo a|force-mtime=0"),
        ("/bin/sh -c tar c a|b|c", "RUN tar c a|b|c"),
        (f"{NOP}LABEL a=b org.opencontainers.image.title=x",
         "LABEL a=b org.opencontainers.image.title=x"),
        (f"{NOP}ENV A=b c=d", "ENV A=b c=d"),
        (f"/bin/sh -c docker pull x@sha256:{HASH}", f"RUN docker pull x@sha256:{HASH}"),
        ("/bin/sh -c --mountain", "RUN --mountain"),
    ],
)  # fmt: skip
def test_what_only_reads_like_it_stays(created_by: str, line: str) -> None:
    assert read(created_by)[0] == line


@pytest.mark.parametrize(
    "part",
    ["|force-mtime=0", "|unsetLabel=a=", " ", "org.opencontainers.", "]a", " in ", "--mount=a ",
     "'", ":" + HASH, "|", "1", "\n", "|unsetLabel=a.b"],
)  # fmt: skip
@pytest.mark.parametrize("begin", ["/bin/sh -c --mount=type=bind", f"{NOP}COPY ", f"{NOP}CMD [",
                                   f"{NOP}EXPOSE 1", f"{NOP}USER a"])  # fmt: skip
@pytest.mark.parametrize("end", ["", '"'])
def test_hostile_histories_take_no_time(begin: str, part: str, end: str) -> None:
    start = time.process_time()
    read(begin + part * (100_000 // len(part)) + end)
    assert time.process_time() - start < 0.3
