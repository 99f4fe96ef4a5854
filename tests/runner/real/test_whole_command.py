"""`callgate runner` as a command: what it says, and the status that it ends with, where it cannot do its work."""

import json
import os
import subprocess
from pathlib import Path
from typing import BinaryIO

import pytest
from real_runner import CALLGATE, PATIENCE_SECONDS, ROOT, VENV_BIN, Home


def _ended(home: Home, *words: str, **environment: str) -> "subprocess.CompletedProcess[str]":
    silent, unused = os.pipe()
    with open(silent, "rb") as stdin, open(unused, "wb"):
        return _run_to_its_end(home, stdin, *words, **environment)


def _run_to_its_end(
    home: Home, stdin: BinaryIO, *words: str, **environment: str
) -> "subprocess.CompletedProcess[str]":
    return subprocess.run(
        [*CALLGATE, "runner", *words],
        stdin=stdin,
        capture_output=True,
        text=True,
        timeout=PATIENCE_SECONDS,
        env=home.environment(**environment),
        cwd=ROOT,
        check=False,
    )


@pytest.fixture
def home(tmp_path: Path) -> Home:
    return Home(tmp_path, {})


def test_the_check_names_every_wall_and_needs_no_configuration(home: Home) -> None:
    done = _ended(home, "check", "--format", "json")
    assert done.returncode == 0, done.stderr
    told = json.loads(done.stdout)
    assert (told["backend"], told["tier"]) == ("bwrap", "sandbox")
    assert {"host_file", "seccomp", "landlock", "fork", "memory"} <= {wall["wall"] for wall in told["walls"]}
    assert all(wall["held"] for wall in told["walls"])


@pytest.mark.parametrize("words", [("check",), (), ("--http", "127.0.0.1:0")])
def test_without_bubblewrap_nothing_is_served_and_the_way_out_is_told(
    home: Home, words: tuple[str, ...]
) -> None:
    # All the machine's programs but one.
    bare = home.folder / "bin"
    bare.mkdir()
    for folder in os.environ["PATH"].split(os.pathsep):
        for program in Path(folder).iterdir() if Path(folder).is_dir() else ():
            if program.name != "bwrap" and not (bare / program.name).is_symlink():
                (bare / program.name).symlink_to(program)
    done = _ended(home, *words, PATH=f"{bare}{os.pathsep}{VENV_BIN}")
    assert done.returncode == 6, (done.stdout, done.stderr)
    assert "bubblewrap" in done.stderr
    assert "help:" in done.stderr
    assert "Traceback" not in done.stderr
    assert "listening" not in done.stderr


def test_what_is_wrong_in_the_file_is_shown_with_its_place(home: Home) -> None:
    home.config.write_text('runner:\n  concurency: 4\n  backend: "docker"\n')
    for words in (("check",), (), ("worker",)):
        done = _ended(home, *words, "-c", str(home.config))
        assert done.returncode == 3, (words, done.stderr)
        assert f"{home.config}:2:" in done.stderr
        assert "concurrency" in done.stderr
    done = _ended(home, "-c", str(home.folder / "not-there.yaml"))
    assert done.returncode == 3, done.stderr


def test_a_place_to_listen_that_is_none_is_refused(home: Home) -> None:
    for http in (":8723", "127.0.0.1:70000"):
        done = _ended(home, "-c", str(home.config), f"--http={http}")
        assert done.returncode == 2, (http, done.stderr)
        assert "Traceback" not in done.stderr
        # Nothing was opened for it.
        assert not home.journal.exists()


def test_a_runner_is_no_server_for_the_scripts_of_a_runner(home: Home) -> None:
    done = _ended(home, "-c", str(home.config), CALLGATE_RUNNER="1")
    assert done.returncode == 2, done.stderr
    assert "RUN056" in done.stderr


def test_a_worker_without_a_queue_to_share_or_one_that_cannot_be_reached_says_so(home: Home) -> None:
    done = _ended(home, "worker", "-c", str(home.config))
    assert (done.returncode, "redis://" in done.stderr) == (2, True), done.stderr
    for url in (f"unix://{home.folder}/nobody-listens", f"unix://{home.folder}/s?no_such_option=1"):
        done = _ended(home, "worker", "-c", str(home.config), "--queue", url)
        assert done.returncode == 5, done.stderr
        assert "RUN050" in done.stderr
