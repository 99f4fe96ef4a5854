"""Where nobody is root the walls are others (a user namespace, one user for all), and every claim holds there too."""

import os
import subprocess
import sys
from pathlib import Path

import pytest
from tests.support.plain_user import plain_command, plain_environment, plain_folder

HERE = Path(__file__).parent


@pytest.mark.skipif(os.geteuid() != 0, reason="the others run as a plain user already")
@pytest.mark.parametrize(
    "claims", ["test_bwrap_endings.py", "test_bwrap_environments.py", "test_what_is_bound.py"]
)
def test_the_same_holds_for_a_plain_user(claims: str) -> None:
    with plain_folder() as folder:
        done = subprocess.run(
            plain_command(
                *(
                    sys.executable,
                    "-m",
                    "pytest",
                    "-p",
                    "no:cacheprovider",
                    "-n0",
                    "--basetemp",
                    str(folder / "t"),
                ),
                str(HERE / claims),
            ),
            cwd=HERE.parents[2],
            env=plain_environment() | {"TMPDIR": str(folder), "PYTHONDONTWRITEBYTECODE": "1"},
            capture_output=True,
            text=True,
            timeout=240,
            check=False,
        )
    assert done.returncode == 0, done.stdout[-4000:] + done.stderr[-2000:]
    assert " passed" in done.stdout or "%]" in done.stdout
