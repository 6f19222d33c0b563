"""The pipelines that the project gives away, run step by step on a registry with credentials.

The package is built once and installed from there. The hook is run by pre-commit itself, so are
the examples for pre-commit, tox and nox by these, the action by act and the component by
gitlab-ci-local. Of the others, and of these too, each step is executed as its runner would:
expressions filled in, in the shell it names. The examples are taken from docs/ci.md.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
import sysconfig
import tarfile
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.images import docker_archive
from tests.integration.runners import act, gitlab_ci_local
from tests.integration.services import (
    REGISTRY,
    SKOPEO,
    Registry,
    missing_program,
    skopeo_copy,
)
from tests.inventories import on_slim
from tests.servers import FakeRegistry

pytestmark = pytest.mark.integration
ROOT = Path(__file__).resolve().parents[2]
SAMPLE = on_slim({"root/.cache/pip/http/x": "y" * 2_000_000}, history=["RUN pip install x"])
"""An image with something to find: a cache of pip's."""
SECRET = "hunter2-swordfish"


def repository_files() -> list[str]:
    """The files of the repository, whether they are committed yet or not."""
    command = ["git", "ls-files", "-co", "--exclude-standard"]
    done = subprocess.run(command, cwd=ROOT, check=True, capture_output=True, text=True)
    return [name for name in done.stdout.splitlines() if os.path.lexists(ROOT / name)]


@pytest.fixture(scope="module")
def dist(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The wheel and the sdist of this checkout."""
    folder = tmp_path_factory.mktemp("dist")
    # Of a copy: setuptools also takes what an earlier build listed in the checkout's egg-info.
    copy = folder.parent / "checkout"
    for name in repository_files():
        (copy / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(ROOT / name, copy / name, follow_symlinks=False)
    command = [sys.executable, "-m", "build", "--outdir", str(folder), str(copy)]
    subprocess.run(command, check=True, capture_output=True)
    return folder


@pytest.fixture
def registry() -> Iterator[FakeRegistry]:
    with FakeRegistry() as running:
        running.users = {"me": SECRET}
        yield running


class Runner:
    """A directory to work in, and the environment of a step."""

    def __init__(self, folder: Path, dist: Path) -> None:
        self.folder = folder
        self.home = folder.parent / "home"
        self.home.mkdir()
        self.environment = {
            **{name: value for name, value in os.environ.items() if not name.startswith("PYIMG")},
            "HOME": str(self.home),
            "PIP_DISABLE_PIP_VERSION_CHECK": "1",
            # Of the package alone a new copy is installed: its dependencies are those of the
            # tests. With these of the index, each of the installations would take a minute.
            "PIP_FIND_LINKS": str(dist),
            "PIP_NO_INDEX": "1",
            "PIP_NO_DEPS": "1",
            "PIP_IGNORE_INSTALLED": "1",
            "PYTHONPATH": sysconfig.get_path("purelib"),
            "DOCKER_HOST": "unix:///none",
            "CONTAINER_HOST": "unix:///none",
        }
        subprocess.run([sys.executable, "-m", "venv", folder.parent / "python"], check=True)
        self.put_first(folder.parent / "python/bin")

    def from_index(self) -> None:
        """Install from the index, as everybody else does."""
        for name in ("PIP_NO_INDEX", "PIP_NO_DEPS", "PIP_IGNORE_INSTALLED", "PYTHONPATH"):
            del self.environment[name]

    def put_first(self, folder: Path | str) -> None:
        self.environment["PATH"] = f"{folder}{os.pathsep}{self.environment['PATH']}"

    def run(
        self, script: str, shell: Sequence[str] = ("bash", "-eo", "pipefail"), **more: Any
    ) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [*shell, "-c", script],
            cwd=self.folder,
            env={**self.environment, **more},
            capture_output=True,
            text=True,
            timeout=600,
            check=False,
        )


@pytest.fixture
def runner(tmp_path: Path, dist: Path) -> Runner:
    folder = tmp_path / "work"
    folder.mkdir()
    return Runner(folder, dist)


def log_in(runner: Runner, registry: FakeRegistry | Registry) -> None:
    (runner.home / ".docker").mkdir()
    entry = {"username": "me", "password": SECRET}
    document = {"auths": {registry.host: entry}}
    (runner.home / ".docker/config.json").write_text(json.dumps(document))


# --- GitHub ---------------------------------------------------------------------------------------
def fill(text: str, values: Mapping[str, str]) -> str:
    return re.sub(r"\$\{\{\s*([\w.\-]+)\s*\}\}", lambda match: values[match[1]], text)


def composite(runner: Runner, inputs: Mapping[str, str]) -> tuple[str, int, dict[str, str]]:
    """Run `action.yml`: what it printed, the last step's status, its outputs and summary."""
    action = yaml.safe_load((ROOT / "action.yml").read_text())
    assert action["runs"]["using"] == "composite"
    required = {name for name, each in action["inputs"].items() if each.get("required")}
    assert required <= inputs.keys() <= action["inputs"].keys()
    temporary = runner.folder.parent / "temp"
    temporary.mkdir()
    values = {"runner.temp": str(temporary), "runner.os": "Linux", "github.run_id": "1"}
    for name, each in action["inputs"].items():
        values[f"inputs.{name}"] = inputs.get(name, each.get("default", ""))
    files = {
        name: runner.folder.parent / name.lower()
        for name in ("GITHUB_PATH", "GITHUB_OUTPUT", "GITHUB_STEP_SUMMARY")
    }
    printed, status = "", 0
    for step in action["runs"]["steps"]:
        if "run" not in step:
            assert step["uses"].startswith("actions/cache@")
            fill(json.dumps(step["with"]), values)
            continue
        files["GITHUB_PATH"].write_text("")
        more = {name: fill(value, values) for name, value in step.get("env", {}).items()}
        more |= {name: str(path) for name, path in files.items()}
        assert step["shell"] == "bash"
        assert "${{" not in step["run"], "an expression in a script is an injection"
        more["RUNNER_TEMP"] = str(temporary)
        done = runner.run(step["run"], **more)
        printed, status = printed + done.stdout + done.stderr, done.returncode
        for line in files["GITHUB_PATH"].read_text().split():
            runner.put_first(line)
        if status:
            break
    found = {name: path.read_text() for name, path in files.items() if path.exists()}
    return printed, status, found


@pytest.mark.parametrize("status", [0, 1])
def test_the_action(status: int, runner: Runner, registry: FakeRegistry) -> None:
    reference = registry.add("acme/api", "1", SAMPLE)
    log_in(runner, registry)
    args = "--fail-on never" if status == 0 else "--fail-on note"
    printed, done, files = composite(
        runner,
        {"image": reference, "args": args, "sarif": "report.sarif", "python": sys.executable},
    )
    assert done == status, printed
    assert files["GITHUB_OUTPUT"] == f"status={status}\n"
    assert "::warning title=package-cache" in printed
    assert files["GITHUB_STEP_SUMMARY"].startswith("#")
    assert json.loads((runner.folder / "report.sarif").read_text())["version"] == "2.1.0"
    assert (runner.folder.parent / "temp/pyimginspect-cache").is_dir()


def test_the_action_on_what_cannot_be_inspected(runner: Runner) -> None:
    printed, done, files = composite(runner, {"image": "none.tar", "python": sys.executable})
    assert done == 2, printed
    assert files["GITHUB_OUTPUT"] == "status=2\n"
    assert "there is no such file" in printed


WORKFLOW = """
on: push
jobs:
  image:
    runs-on: ubuntu-latest
    steps:
      - id: inspect
        uses: pyimginspect/pyimginspect@v0.2.0
        with: {image: IMAGE, args: ARGS, python: PYTHON}
      - run: echo "the status was ${{ steps.inspect.outputs.status }}"
"""
# What GitHub keeps between runs is its own affair: this one says what it would keep.
CACHE = """
name: cache
inputs: {path: {required: true}, key: {required: true}, restore-keys: {}}
runs:
  using: composite
  steps: [{run: 'echo "kept: $KEPT"', shell: bash, env: {KEPT: "${{ inputs.path }}"}}]
"""


def commit(folder: Path) -> None:
    """Make a repository of a folder, with an address that its runner can name."""
    for arguments in (
        ("init", "-q", "-b", "main"),
        ("add", "-A"),
        ("-c", "user.name=x", "-c", "user.email=a@b", "commit", "-qm", "x"),
        ("remote", "add", "origin", "https://git.example.com/acme/api.git"),
    ):
        subprocess.run(["git", *arguments], cwd=folder, check=True)


@pytest.mark.parametrize("status", [0, 1])
def test_the_action_by_act(status: int, runner: Runner, registry: FakeRegistry) -> None:
    """By a runner of GitHub's workflows, which checks and fills in `action.yml` itself."""
    program = act()
    reference = registry.add("acme/api", "1", SAMPLE)
    log_in(runner, registry)
    args = "--fail-on never" if status == 0 else "--fail-on note"
    filled = {"IMAGE": reference, "ARGS": args, "PYTHON": sys.executable}
    workflow = re.sub("IMAGE|ARGS|PYTHON", lambda match: filled[match[0]], WORKFLOW)
    files = {
        "work/.github/workflows/ci.yml": workflow,
        "actions/cache/action.yml": CACHE,
        "actions/pyimginspect/action.yml": (ROOT / "action.yml").read_text(),
    }
    place = runner.folder.parent
    for name, text in files.items():
        (place / name).parent.mkdir(parents=True, exist_ok=True)
        (place / name).write_text(text)
    commit(runner.folder)
    done = runner.run(
        f"exec {program} push --platform ubuntu-latest=-self-hosted --container-daemon-socket -"
        f" --local-repository actions/cache@v4={place}/actions/cache"
        f" --local-repository pyimginspect/pyimginspect@v0.2.0={place}/actions/pyimginspect"
    )
    assert done.returncode == status, done.stdout + done.stderr
    assert "::warning title=package-cache" in done.stdout
    assert re.search(r"kept: \S+/pyimginspect-cache", done.stdout)
    assert ("the status was 0" in done.stdout) == (status == 0)
    assert SECRET not in done.stdout + done.stderr


def test_the_release_workflow(runner: Runner, dist: Path) -> None:
    """Its commands, but for what signs and publishes; only those jobs may sign that have to."""
    workflow = yaml.safe_load((ROOT / ".github/workflows/release.yml").read_text())
    jobs = workflow["jobs"]
    assert workflow["permissions"] == {"contents": "read"}
    assert jobs["publish"]["permissions"] == {"id-token": "write"}
    assert "secrets" not in json.dumps(jobs["publish"])
    runner.from_index()
    (tag, build, check, install) = [step for step in jobs["build"]["steps"] if "run" in step]
    from pyimginspect.version import VERSION

    shutil.copytree(ROOT / "pyimginspect", runner.folder / "pyimginspect")
    shutil.copytree(dist, runner.folder / "dist")
    assert runner.run(tag["run"], GITHUB_REF_NAME=f"v{VERSION}").returncode == 0
    assert runner.run(tag["run"], GITHUB_REF_NAME="v0.0.1").returncode == 1
    assert build["run"].splitlines()[-1] == "python -m build"  # as the fixture has done
    runner.run("python -m pip install --quiet twine")
    done = runner.run(check["run"])
    assert done.returncode == 0, done.stdout
    done = runner.run(install["run"].replace("/tmp/installed", str(runner.folder / "installed")))
    assert done.stdout == f"pyimginspect {VERSION}\n", done.stderr


def test_the_sdist_has_what_its_tests_need(dist: Path, tmp_path: Path) -> None:
    """Every file of the repository, and the tests that read these pass where it is unpacked."""
    (sdist,) = dist.glob("*.tar.gz")
    with tarfile.open(sdist) as archive:
        archive.extractall(tmp_path, filter="tar")
    (unpacked,) = tmp_path.iterdir()
    # setuptools leaves out links that lead nowhere: those of the case host-venv-copied.
    wanted = [name for name in repository_files() if (ROOT / name).exists()]
    assert [name for name in wanted if not (unpacked / name).exists()] == []
    names = ("house", "docs_claims", "docs_examples", "release_files", "rule_pages", "schema")
    tests = [f"tests/unit/test_{name}.py" for name in names]
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", *tests]
    done = subprocess.run(command, cwd=unpacked, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout[-3000:]


# --- GitLab ---------------------------------------------------------------------------------------
def test_the_component_of_gitlab(runner: Runner, registry: FakeRegistry) -> None:
    reference = registry.add("acme/api", "1", SAMPLE)
    text = (ROOT / "templates/inspect.yml").read_text()
    head, body = yaml.safe_load_all(text)
    values = {name: each.get("default", "") for name, each in head["spec"]["inputs"].items()}
    values |= {"image": reference, "args": "--fail-on never"}
    filled = re.sub(r"\$\[\[ inputs\.(\w+) \]\]", lambda match: values[match[1]], text)
    (job,) = list(yaml.safe_load_all(filled))[1].values()
    assert body.keys() == {"inspect-image"}
    given = {
        "CI_PROJECT_DIR": str(runner.folder),
        "CI_REGISTRY": registry.host,
        "CI_REGISTRY_USER": "me",
        "CI_REGISTRY_PASSWORD": SECRET,
    }
    variables = {
        name: re.sub(r"\$(\w+)", lambda match: given[match[1]], value)
        for name, value in job["variables"].items()
    }
    done = runner.run("\n".join(job["script"]), ("sh", "-e"), **given, **variables)
    assert done.returncode == 0, done.stderr
    assert SECRET not in done.stdout + done.stderr
    artifacts = [*job["artifacts"]["paths"], *job["artifacts"]["reports"].values()]
    assert [path for path in artifacts if not (runner.folder / path).is_file()] == []
    assert (runner.folder / job["cache"]["paths"][0]).is_dir()


@pytest.mark.parametrize(("fail_on", "status"), [("never", 0), ("note", 1)])
def test_the_component_by_gitlab_ci_local(
    fail_on: str, status: int, runner: Runner, registry: FakeRegistry
) -> None:
    """By a runner of GitLab's pipelines, which holds them against GitLab's own schema."""
    program = gitlab_ci_local()
    reference = registry.add("acme/api", "1", SAMPLE)
    shutil.copytree(ROOT / "templates", runner.folder / "templates")
    inputs = {"image": reference, "args": f"--fail-on {fail_on}"}
    pipeline = {"include": [{"local": "templates/inspect.yml", "inputs": inputs}]}
    (runner.folder / ".gitlab-ci.yml").write_text(yaml.safe_dump(pipeline))
    commit(runner.folder)
    given = {
        "CI_REGISTRY": registry.host,
        "CI_REGISTRY_USER": "me",
        "CI_REGISTRY_PASSWORD": SECRET,
    }
    options = " ".join(f"--variable {name}={value}" for name, value in given.items())
    done = runner.run(f"exec {' '.join(program)} --force-shell-executor {options} inspect-image")
    said = done.stdout + done.stderr
    assert done.returncode == status, said
    assert SECRET not in said
    kept = runner.folder / ".gitlab-ci-local/artifacts/inspect-image"
    assert (kept / "report.html").is_file()
    assert json.loads((kept / "image.cdx.json").read_text())["bomFormat"] == "CycloneDX"
    assert (runner.folder / "report.xml").is_file()


# --- Jenkins, Tekton, pre-commit ------------------------------------------------------------------
def test_the_pipeline_of_jenkins(runner: Runner, registry: FakeRegistry) -> None:
    reference = registry.add("acme/api", "1", SAMPLE)
    text = (ROOT / "ci/jenkins/Jenkinsfile").read_text()
    assert text.count("{") == text.count("}")
    scripts = re.findall(r"sh '''(.*?)'''", text, re.DOTALL)
    variables = dict(re.findall(r"(\w+Variable): '(\w+)'", text))
    given = {
        variables["usernameVariable"]: "me",
        variables["passwordVariable"]: SECRET,
        "IMAGE": reference,
        "WORKSPACE": str(runner.folder),
        "PYIMGINSPECT_FAIL_ON": "never",
    }
    for script in scripts:
        done = runner.run(script, ("sh", "-xe"), **given)
        assert done.returncode == 0, done.stderr
    for name in re.findall(r"(?:junit|archiveArtifacts) '([^']+)'", text):
        assert (runner.folder / name).is_file()


@pytest.mark.parametrize(("fail_on", "status"), [("never", 0), ("note", 1)])
def test_the_task_of_tekton(
    fail_on: str, status: int, runner: Runner, registry: FakeRegistry
) -> None:
    reference = registry.add("acme/api", "1", SAMPLE)
    log_in(runner, registry)
    task = yaml.safe_load((ROOT / "ci/tekton/task.yaml").read_text())
    (step,) = task["spec"]["steps"]
    values = {
        "params.image": reference,
        "params.fail-on": fail_on,
        "workspaces.source.path": "",
        "workspaces.registry.path": str(runner.home / ".docker"),
        "results.status.path": str(runner.folder / "status"),
    }
    (runner.home / ".docker").rename(runner.home / "mounted")
    values["workspaces.registry.path"] = str(runner.home / "mounted")
    variables = {
        each["name"]: re.sub(r"\$\(([\w.\-]+)\)", lambda match: values[match[1]], each["value"])
        for each in step["env"]
    }
    assert "$(" not in step["script"].replace("$(params", "$("), "parameters come by variables"
    done = runner.run(step["script"], ("sh",), **variables)
    assert done.returncode == status, done.stderr
    assert (runner.folder / "status").read_text() == str(status)


def test_the_hook_of_pre_commit(runner: Runner) -> None:
    """By pre-commit itself, which installs the package from a repository."""
    runner.from_index()
    (hook,) = yaml.safe_load((ROOT / ".pre-commit-hooks.yaml").read_text())
    assert re.search(hook["files"], "deploy/Dockerfile.web")
    assert re.search(hook["files"], "requirements-dev.txt")
    repository = runner.folder.parent / "repository"
    listed = subprocess.run(
        ["git", "ls-files", "-co", "--exclude-standard", "pyimginspect", "docs/man", "*.cfg",
         "*.toml", "README.md", "LICENSE", ".pre-commit-hooks.yaml"],
        cwd=ROOT, check=True, capture_output=True, text=True,
    )  # fmt: skip
    for name in listed.stdout.splitlines():
        if "/" not in name or name.startswith(("pyimginspect/", "docs/man/")):
            (repository / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(ROOT / name, repository / name)
    for folder in (repository, runner.folder):
        runner.run(
            f"cd {folder} && git init -q && git config user.email a@b && git config user.name x"
            " && git add -A && git commit -qm x --allow-empty"
        )
    (runner.folder / "image.tar").write_bytes(docker_archive(SAMPLE))
    (runner.folder / "Dockerfile").write_text("FROM scratch\n")
    runner.run("git add Dockerfile && python -m pip install --quiet pre-commit")
    command = f"pre-commit try-repo {repository} pyimginspect --hook-stage pre-push --all-files"
    done = runner.run(f"{command} --verbose", PYIMGINSPECT_FAIL_ON="never")
    assert done.returncode == 0, done.stdout + done.stderr
    assert "Passed" in done.stdout
    done = runner.run(command, PYIMGINSPECT_FAIL_ON="note")
    assert done.returncode == 1
    assert "exit code: 1" in done.stdout


# --- docs/ci.md, on Debian's registry with users -----------------------------------------------
PAGE = (ROOT / "docs/ci.md").read_text(encoding="utf-8")


def example(heading: str, number: int = 0) -> str:
    """The code block of that number below a heading of the page."""
    section = PAGE.partition(f"\n## {heading}\n")[2].partition("\n## ")[0]
    blocks: list[str] = re.findall(r"^```\w+\n(.*?)^```", section, re.DOTALL | re.MULTILINE)
    return blocks[number]


@pytest.fixture(scope="module")
def archive(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The sample as `docker buildx build --output type=oci` writes it."""
    if reason := missing_program(REGISTRY, SKOPEO):
        pytest.skip(reason)
    folder = tmp_path_factory.mktemp("images")
    (folder / "docker.tar").write_bytes(docker_archive(SAMPLE))
    skopeo_copy(f"docker-archive:{folder}/docker.tar", f"oci-archive:{folder}/image.tar")
    return folder / "image.tar"


@pytest.fixture(scope="module")
def real_registry(archive: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Registry]:
    with Registry(tmp_path_factory.mktemp("registry"), {"me": SECRET}) as running:
        for tag in ("1", "stable"):
            target = f"docker://{running.host}/acme/api:{tag}"
            skopeo_copy(f"oci-archive:{archive}", target, "--dest-creds", f"me:{SECRET}")
        yield running


@pytest.fixture
def builder(runner: Runner, archive: Path) -> Runner:
    """A runner with a Dockerfile, and with a `docker` whose build makes the sample of it."""
    program = runner.folder.parent / "engine/docker"
    program.parent.mkdir()
    program.write_text(
        "#!/bin/sh\n"
        'case "$*" in\n'
        '"buildx build "*type=oci,dest=*" .") ;;\n'
        '*) echo "unexpected: docker $*" >&2; exit 125;;\n'
        "esac\n"
        f'destination=${{*##*dest=}}\ntest -f Dockerfile && cp {archive} "${{destination% .}}"\n'
    )
    program.chmod(0o755)
    runner.put_first(program.parent)
    (runner.folder / "Dockerfile").write_text("FROM python:3.11-slim\nRUN pip install x\n")
    return runner


def test_the_example_for_github(builder: Runner) -> None:
    steps = yaml.safe_load(example("GitHub Actions"))["jobs"]["image"]["steps"]
    (built,) = [step["run"] for step in steps if "run" in step]
    assert builder.run(built).returncode == 0
    ours, upload = steps[-2:]
    from pyimginspect.version import VERSION

    assert ours["uses"] == f"pyimginspect/pyimginspect@v{VERSION}"
    printed, status, files = composite(builder, {**ours["with"], "python": sys.executable})
    assert (status, files["GITHUB_OUTPUT"]) == (1, "status=1\n"), printed
    assert "file=Dockerfile,line=2" in printed
    assert (upload["if"], upload["uses"].partition("@")[0]) == (
        "always()",
        "github/codeql-action/upload-sarif",
    )
    report = json.loads((builder.folder / upload["with"]["sarif_file"]).read_text())
    assert report["runs"][0]["results"]


def test_the_examples_for_gitlab(builder: Runner, real_registry: Registry) -> None:
    """The job without the component, and that the component takes what is given to it."""
    given = {
        "CI_PROJECT_DIR": str(builder.folder),
        "CI_REGISTRY": real_registry.host,
        "CI_REGISTRY_IMAGE": f"{real_registry.host}/acme/api",
        "CI_COMMIT_SHA": "1",
        "CI_REGISTRY_USER": "me",
        "CI_REGISTRY_PASSWORD": SECRET,
    }
    (job,) = yaml.safe_load(example("GitLab CI", 1)).values()
    variables = {
        name: re.sub(r"\$(\w+)", lambda match: given[match[1]], value)
        for name, value in job["variables"].items()
    }
    done = builder.run("\n".join(job["script"]), ("sh", "-e"), **given, **variables)
    assert done.returncode == 1, done.stderr  # the sample's finding is a warning
    assert SECRET not in done.stdout + done.stderr
    artifacts = [*job["artifacts"]["paths"], *job["artifacts"]["reports"].values()]
    assert [path for path in artifacts if not (builder.folder / path).is_file()] == []
    quality = json.loads((builder.folder / "gl-code-quality-report.json").read_text())
    assert [each["check_name"] for each in quality] == ["package-cache"]
    wrong = {**variables, "PYIMGINSPECT_REGISTRY_PASSWORD": "wrong"}
    assert builder.run(job["script"][-1], ("sh", "-e"), **given, **wrong).returncode == 2
    (include,) = yaml.safe_load(example("GitLab CI"))["include"]
    head = next(yaml.safe_load_all((ROOT / "templates/inspect.yml").read_text()))
    assert include["inputs"].keys() <= head["spec"]["inputs"].keys()


def test_the_example_against_what_is_in_production(
    builder: Runner, real_registry: Registry
) -> None:
    log_in(builder, real_registry)
    command = example("Against the image in production").removeprefix("$ ")
    command = command.replace("registry:", f"registry:{real_registry.host}/")
    builder.run("docker buildx build --output type=oci,dest=image.tar .")
    done = builder.run(f"python -m pip install --quiet pyimginspect && {command}")
    assert done.returncode == 0, done.stderr
    assert "0 new findings, 0 fixed, 1 as before" in (builder.folder / "changes.md").read_text()


@pytest.mark.parametrize(
    ("heading", "number", "file", "command"),
    [
        ("tox", 0, "tox.ini", "tox -e image"),
        ("nox", 0, "noxfile.py", "nox"),
        ("pre-commit", 1, ".pre-commit-config.yaml",
         "pre-commit run --all-files --hook-stage pre-push --verbose"),
    ],
    ids=["tox", "nox", "pre-commit"],
)  # fmt: skip
def test_the_examples_for_runners(
    heading: str, number: int, file: str, command: str, builder: Runner
) -> None:
    builder.from_index()
    (builder.folder / file).write_text(example(heading, number))
    builder.run("git init -q && git add .")
    builder.run(f"python -m pip install --quiet {heading}")
    for fail_on, fails in (("never", False), ("note", True)):
        (builder.folder / ".pyimginspect.toml").write_text(f'fail-on = "{fail_on}"\n')
        done = builder.run(command)
        assert (done.returncode != 0) == fails, done.stdout + done.stderr
        assert "package-cache" in done.stdout, done.stdout + done.stderr
