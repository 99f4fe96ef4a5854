"""What `pip install .` gives: a command that guards, and a package that holds nothing but the product."""

import io
import json
import os
import subprocess
import sys
import tarfile
import zipfile
from pathlib import Path

import pytest

# One worker makes the environment, once.
pytestmark = pytest.mark.xdist_group("install")

ROOT = Path(__file__).parents[2]
ECHO = "import sys\nfor line in sys.stdin: sys.stdout.write(line); sys.stdout.flush()"


@pytest.fixture(scope="module")
def installed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A fresh virtual environment in which a clean copy of the tree was installed; the wheel lies beside it."""
    folder = tmp_path_factory.mktemp("install")
    archive = subprocess.run(["git", "archive", "HEAD"], cwd=ROOT, check=True, capture_output=True).stdout
    with tarfile.open(fileobj=io.BytesIO(archive)) as tree:
        tree.extractall(folder / "tree", filter="data")
    environment = folder / "venv"
    subprocess.run([sys.executable, "-m", "venv", str(environment)], check=True)
    pip = [str(environment / "bin" / "pip"), "-q", "--disable-pip-version-check"]
    subprocess.run([*pip, "wheel", "--no-deps", "-w", str(folder), str(folder / "tree")], check=True)
    (wheel,) = folder.glob("*.whl")
    subprocess.run([*pip, "install", str(wheel)], check=True)
    return folder


def run(folder: Path, *words: str, given: str = "") -> subprocess.CompletedProcess[str]:
    """Run a program of the fresh environment, far away from the source tree."""
    program = [str(folder / "venv" / "bin" / words[0]), *words[1:]]
    environment = {"PATH": os.environ["PATH"], "HOME": str(folder)}
    return subprocess.run(
        program,
        cwd=folder,
        env=environment,
        input=given,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


def test_the_command_is_there_and_so_is_the_module(installed: Path) -> None:
    command, module = (
        run(installed, "callgate", "--version"),
        run(installed, "python", "-m", "callgate", "--version"),
    )
    assert command.stdout == module.stdout
    assert command.stdout.startswith("callgate ")
    assert (command.returncode, module.returncode) == (0, 0)


def test_the_installed_command_guards_a_server(installed: Path) -> None:
    (installed / "policy.yaml").write_text("tools: {rm: {rules: [{action: deny, reason: Never.}]}}")
    calls = [
        {"jsonrpc": "2.0", "id": n, "method": "tools/call", "params": {"name": name, "arguments": {}}}
        for n, name in enumerate(("rm", "ls"))
    ]
    ended = run(
        installed,
        *("callgate", "run", "-c", "policy.yaml", "--audit", "calls.jsonl", "--", sys.executable, "-c", ECHO),
        given="".join(json.dumps(call) + "\n" for call in calls),
    )
    assert ended.returncode == 0, ended.stderr
    lines = [json.loads(line) for line in ended.stdout.splitlines()]
    (denied,) = [line for line in lines if "result" in line]
    assert denied["result"]["structuredContent"]["reason"] == "Never."
    assert [line["params"]["name"] for line in lines if "method" in line] == ["ls"]
    verified = run(installed, "callgate", "audit", "verify", "calls.jsonl")
    assert verified.returncode == 0, verified.stdout


def test_every_command_runs_without_what_only_the_tests_need(installed: Path) -> None:
    (installed / "p.yaml").write_text(
        "tools: {pay: {rules: [{when: {args.to: {regex: a+}}, validate: {args: {n: {type: integer}}}}]}}"
    )
    assert run(installed, "callgate", "policy", "check", "p.yaml").returncode == 0
    explained = run(
        installed, "callgate", "policy", "explain", "-c", "p.yaml", "pay", '{"to": "aa", "n": "x"}'
    )
    assert explained.returncode == 1, explained.stderr
    assert run(installed, "callgate", "policy", "schema").returncode == 0
    freeze = run(installed, "pip", "freeze").stdout
    assert not {"mcp", "pytest", "pydantic"} & {line.partition("==")[0] for line in freeze.splitlines()}


def test_the_wheel_holds_only_the_package_and_says_that_it_is_typed(installed: Path) -> None:
    (wheel,) = installed.glob("*.whl")
    names = zipfile.ZipFile(wheel).namelist()
    assert {name.partition("/")[0].partition("-")[0] for name in names} == {"callgate"}
    inside = [name for name in names if name.startswith("callgate/")]
    assert "callgate/py.typed" in inside
    assert all(name.endswith((".py", ".lua", "py.typed")) for name in inside)
    assert not any("test" in name.rpartition("/")[2].replace("selftest", "") for name in inside)
    about = [name for name in names if name not in inside]
    assert any(name.endswith("LICENSE") for name in about)
