"""How the host prepares and starts the guest; and that a guest without its walls never says that it is ready."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from inside import UID, USERS, Inside, command, job, talk

from callgate.errors import SandboxError
from callgate.runner.sandbox import guest_files
from callgate.runner.sandbox.contract import Limits

as_root = pytest.mark.skipif(os.geteuid() != 0, reason="needs to begin as root")


def test_the_prepared_folder_has_bytecode_only_and_everybody_can_read_it(tmp_path: Path) -> None:
    guest_files.prepare(sys.executable, str(tmp_path))
    files = sorted((tmp_path / "callgate_guest").iterdir())
    assert {file.suffix for file in files} == {".pyc"}
    assert {file.stat().st_mode & 0o777 for file in files} == {0o644}
    assert "start.pyc" in {file.name for file in files}


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (None, "cannot be run (FileNotFoundError)"),
        ("#!/bin/sh\necho 'it is no CPython' >&2; exit 1\n", "cannot compile the guest: it is no CPython"),
    ],
)
def test_an_interpreter_that_will_not_do_is_refused(tmp_path: Path, text: str | None, message: str) -> None:
    python = tmp_path / "python"
    if text is not None:
        python.write_text(text)
        python.chmod(0o755)
    with pytest.raises(SandboxError) as caught:
        guest_files.prepare(str(python), str(tmp_path))
    assert caught.value.code == "SBX005"
    assert message in caught.value.message
    assert caught.value.exit_status == 6


def test_the_guest_imports_nothing_but_the_standard_library(tmp_path: Path) -> None:
    guest_files.prepare(sys.executable, str(tmp_path))
    code = (
        f"import sys; sys.path.insert(0, {str(tmp_path)!r}); import callgate_guest.start as s; import json;"
        "print(json.dumps([n for n in sys.modules if n.partition('.')[0] not in sys.stdlib_module_names]))"
    )
    done = subprocess.run(
        [sys.executable, "-I", "-S", "-c", code], capture_output=True, text=True, check=True, timeout=60
    )
    assert {name.partition(".")[0] for name in json.loads(done.stdout)} <= {"callgate_guest", "__main__"}


def refusal(made: list[str]) -> tuple[int, str]:
    with Inside(made) as inside:
        assert list(inside.frames()) == []
        return inside.status(), inside.words(2)


def test_a_guest_that_cannot_write_where_it_should_is_never_ready() -> None:
    uid = UID if USERS[0] == "dropped" else None
    made = command(USERS[0], guest_files.arguments(Limits(), uid=uid, writable=["/work", "/nowhere"]))
    status, words = refusal(made)
    assert status == 70
    assert words.startswith("the walls cannot be set (landlock): FileNotFoundError")


@as_root
def test_a_guest_that_would_stay_root_is_never_ready() -> None:
    status, words = refusal(command("dropped", guest_files.arguments(Limits())))
    assert (status, words) == (
        70,
        "the walls cannot be set (drop): PermissionError: the guest must not stay root\n",
    )


@as_root
def test_a_guest_that_may_not_give_its_user_away_is_never_ready() -> None:
    made = command("dropped", guest_files.arguments(Limits(), uid=UID))
    status, words = refusal([part for part in made if part not in ("--cap-add", "CAP_SETUID", "CAP_SETGID")])
    assert status == 70
    assert words.startswith("the walls cannot be set (drop): PermissionError")


def test_a_guest_whose_system_can_be_written_to_is_never_ready() -> None:
    uid = UID if USERS[0] == "dropped" else None
    # with `/` among the writable folders Landlock lets it through, and the mount is made writable
    arguments = guest_files.arguments(Limits(), uid=uid, writable=["/work", "/tmp", "/"])
    made = command(USERS[0], arguments)
    place = made.index("--remount-ro")
    made[place : place + 2] = ["--chmod", "0777", "/"]
    status, words = refusal(made)
    assert (status, words) == (70, "the wall `system_files` does not hold: not refused\n")


@as_root
def test_what_runs_first_runs_before_the_walls_and_no_inode_left_is_told_of_as_inodes() -> None:
    bound = "import ctypes; ctypes.CDLL(None).mount(b'none', b'/work', b'tmpfs', 38, b'nr_inodes=20')"
    made = command("dropped", guest_files.arguments(Limits(), uid=UID, first=bound))
    made[made.index("--cap-add") : made.index("--cap-add")] = ["--cap-add", "CAP_SYS_ADMIN"]
    with Inside(made) as inside:
        outcome = talk(inside, job("for n in range(100):\n    open(f'/work/{n}', 'w').close()"))
    assert (outcome.error["kind"], outcome.error["type"]) == ("inodes", "OSError")


def test_debians_own_interpreter_will_do(tmp_path: Path) -> None:
    python = "/usr/bin/python3"
    if not os.path.exists(python):
        pytest.skip("there is no other interpreter")
    guest_files.prepare(python, str(tmp_path))
    uid = UID if USERS[0] == "dropped" else None
    made = command(USERS[0], [])
    made[made.index("--ro-bind", made.index("/usr")) + 1] = str(tmp_path)
    last = len(made) - 1 - made[::-1].index(next(p for p in made if p.startswith("/opt/python/bin/")))
    made[last:] = [python, *guest_files.arguments(Limits(), uid=uid)]
    made[made.index("LD_LIBRARY_PATH") + 1] = "/usr/lib"
    with Inside(made) as inside:
        outcome = talk(inside, job("import sys\nx = sys.prefix", outputs={"x": "str"}))
    assert outcome.results == {"x": "/usr"}
