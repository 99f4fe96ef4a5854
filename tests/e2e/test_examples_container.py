"""The container file, without an engine: what it says is read strictly, and what it runs is run."""

import json
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from example_files import EXAMPLES, ROOT, ExampleGate, substituted
from test_examples_commands import parsed

pytestmark = pytest.mark.xdist_group("install")

FOLDER = EXAMPLES / "container"
FILE = FOLDER / "Containerfile"
WORDS_OR_LINE = {"ARG", "FROM", "ENV", "WORKDIR", "USER", "EXPOSE", "STOPSIGNAL", "COPY"}
LISTS = {"RUN", "VOLUME", "ENTRYPOINT", "CMD"}
PREFIX = "/opt/callgate"

Instruction = tuple[str, str]


def instructions(text: str) -> list[Instruction]:
    """Every instruction and what is behind it. AssertionError for what is none."""
    found = []
    for line in text.splitlines():
        if not line or line.startswith("#"):
            continue
        assert not line.endswith("\\")
        name, _, rest = line.partition(" ")
        assert name in WORDS_OR_LINE | LISTS | {"HEALTHCHECK"}, name
        if name in LISTS:
            assert all(isinstance(word, str) for word in json.loads(rest)), (
                "only the form that needs no shell"
            )
        found.append((name, rest))
    return found


@pytest.fixture(scope="module")
def stages() -> list[list[Instruction]]:
    """The instructions of each stage, its FROM first."""
    found: list[list[Instruction]] = []
    for name, rest in instructions(FILE.read_text()):
        if name == "FROM":
            found.append([])
        if found:
            found[-1].append((name, rest))
        else:
            assert name == "ARG"
    return found


def sources(stage: list[Instruction]) -> list[str]:
    """What a stage copies from the repository."""
    copied = [rest.split() for name, rest in stage if name == "COPY"]
    return [word for words in copied if not words[0].startswith("--from") for word in words[:-1]]


def last(stage: list[Instruction], name: str) -> str:
    return [rest for each, rest in stage if each == name][-1]


def test_it_copies_what_is_there_and_what_the_ignore_file_lets_through(
    stages: list[list[Instruction]],
) -> None:
    lines = (FOLDER / "Containerfile.dockerignore").read_text().splitlines()
    let_through = {line[1:] for line in lines if line.startswith("!")}
    assert lines[1] == "*"
    copied = {source for stage in stages for source in sources(stage)}
    assert all((ROOT / source).exists() for source in copied)
    assert copied == let_through


def test_it_is_built_in_a_stage_of_its_own_and_runs_without_root(stages: list[list[Instruction]]) -> None:
    build, final = stages
    assert build[0][1].endswith(" AS build")
    assert f"--from=build {PREFIX} {PREFIX}" in [rest for name, rest in final if name == "COPY"]
    user = last(final, "USER")
    assert re.fullmatch(r"[1-9]\d+:[1-9]\d+", user), (
        "a number, so that Kubernetes can see that it is not root"
    )
    order = [name for name, _ in final]
    assert "RUN" not in order[order.index("USER") :]
    (state,) = json.loads(last(final, "VOLUME"))
    made = [json.loads(rest) for name, rest in final if name == "RUN"]
    assert [
        *f"install -d -m 0700 -o {user.partition(':')[0]} -g {user.partition(':')[2]}".split(),
        state,
    ] in made


def test_what_it_starts_is_a_command_line_of_callgate(stages: list[list[Instruction]]) -> None:
    final = stages[-1]
    line = json.loads(last(final, "ENTRYPOINT")) + json.loads(last(final, "CMD"))
    assert line[:2] == ["callgate", "serve"]
    options = parsed(line[1:])
    assert options.host == "0.0.0.0"  # noqa: S104
    assert options.port is None
    assert last(final, "EXPOSE") == "8722"


def test_what_it_installs_runs_and_holds_the_packages_of_the_lock(
    stages: list[list[Instruction]], tmp_path: Path
) -> None:
    build, place = stages[0], tmp_path / "callgate"
    tree = tmp_path / "tree"
    tree.mkdir()
    for source in sources(build):
        if (ROOT / source).is_dir():
            shutil.copytree(ROOT / source, tree / source, ignore=shutil.ignore_patterns("__pycache__"))
        else:
            shutil.copy(ROOT / source, tree / source)
    for name, rest in build:
        if name == "RUN":
            words = [word.replace(PREFIX, str(place)) for word in json.loads(rest)]
            assert words[0] == "python"
            ran = subprocess.run(
                [sys.executable, *words[1:]], cwd=tree, capture_output=True, text=True, check=False
            )
            assert ran.returncode == 0, ran.stdout + ran.stderr
    version = subprocess.run(
        [place / "bin/callgate", "--version"], capture_output=True, text=True, check=True, cwd=tmp_path
    )
    assert version.stdout.startswith("callgate ")
    locked = dict(re.findall(r"^([\w.-]+)==(\S+)", (ROOT / "requirements.lock").read_text(), re.M))
    (packages,) = place.glob("lib/python*/site-packages")
    for info in packages.glob("*.dist-info"):
        name, version_ = info.name.removesuffix(".dist-info").rsplit("-", 1)
        assert name == "callgate" or locked[name.replace("_", "-").lower()] == version_


def test_the_health_check_tells_a_gate_that_is_ready_from_none(
    stages: list[list[Instruction]], tmp_path: Path
) -> None:
    options, _, rest = last(stages[-1], "HEALTHCHECK").partition(" CMD ")
    assert all(
        re.fullmatch(r"--(interval|timeout|start-period|retries)=\d+s?", word) for word in options.split()
    )
    words = json.loads(rest)
    assert words[:2] == ["python", "-c"]
    (tmp_path / "callgate.yaml").write_text(
        'servers: {docs: {url: "http://127.0.0.1:9/mcp", policy: allow-all.yaml}}\nstate: "memory://"\n'
    )
    with ExampleGate(tmp_path) as gate:
        asked = [sys.executable, "-c", substituted(words[2], {"127.0.0.1:8722": f"127.0.0.1:{gate.port}"})]
        assert subprocess.run(asked, check=False).returncode == 0
        gate.stop()
        assert subprocess.run(asked, stderr=subprocess.DEVNULL, check=False).returncode == 1
