"""Every claim holds for a plain user, and for a root who may little, as the one of a container."""

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from tests.support.plain_user import plain_command, plain_environment, plain_folder

HERE = Path(__file__).parent
CLAIMS = ("test_weak_walls.py", "test_weak_endings.py", "test_weak_life.py")
OF_A_CONTAINER = (
    "chown",
    "dac_override",
    "fowner",
    "fsetid",
    "kill",
    "setgid",
    "setuid",
    "setpcap",
    "net_raw",
)

pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="the others run as a plain user already")


def claims_hold(become: Callable[..., list[str]], folder: Path) -> None:
    options = ["-m", "pytest", "-p", "no:cacheprovider", "-n0", "--basetemp", str(folder / "t")]
    done = subprocess.run(
        become(sys.executable, *options, *(str(HERE / each) for each in CLAIMS)),
        cwd=HERE.parents[2],
        env=plain_environment() | {"TMPDIR": str(folder), "PYTHONDONTWRITEBYTECODE": "1"},
        capture_output=True,
        text=True,
        timeout=240,
        check=False,
    )
    assert done.returncode == 0, done.stdout[-4000:] + done.stderr[-2000:]
    assert " passed" in done.stdout or "%]" in done.stdout


def test_the_same_holds_for_a_plain_user() -> None:
    with plain_folder() as folder:
        claims_hold(plain_command, folder)


def test_the_same_holds_for_the_root_of_a_container() -> None:
    kept = ",".join(["-all", *(f"+{each}" for each in OF_A_CONTAINER)])
    with plain_folder() as folder:
        folder.chmod(0o711)
        claims_hold(
            lambda *command: ["setpriv", f"--bounding-set={kept}", "--inh-caps=-all", *command], folder
        )
