"""The attack list by name, as root and as a plain user: each attack ends as it must, harms nothing outside, and the
innocent thing beside it works.

A campaign runs the whole list once for each user in one backend (`attack_campaign`); here every name is one test.
"""

import json
import os
import subprocess
import sys
import tempfile
from functools import cache
from pathlib import Path
from typing import Any

import pytest
from attack_list import ATTACKS
from tests.support.plain_user import UID, plain_folder, run_plain

CAMPAIGN = Path(__file__).with_name("attack_campaign.py")
NAMED = (
    *(
        "read /etc/shadow",
        "read home",
        "read the environment of other processes",
        "write outside the work folder",
    ),
    *("TCP", "UDP", "netlink", "vsock", "abstract unix sockets", "path unix sockets"),
    *("fork", "thread bomb", "memory bomb", "memfd bomb", "disk bomb", "inode bomb", "stdout bomb"),
    *("JSON-depth bomb", "zip bomb", "CPU spin on 4 threads", "9**9**9", "sleep", "SIGSTOP itself"),
    *("ptrace", "kill of parent or sibling", "mount", "unshare", "setns", "keyctl", "bpf", "io_uring"),
    *("daemon children", "atexit that never ends", "__del__ that never ends", "symlink in the output folder"),
    *("fifo in the output folder", "hard link in the output folder", "sparse file in the output folder"),
    *("ctypes segfault", "stdin read"),
)
USERS = [
    pytest.param("root", marks=pytest.mark.skipif(os.geteuid() != 0, reason="needs root")),
    "plain user",
]
IN_MONTY = [name for name, attack in ATTACKS.items() if attack.monty is not None]
SECONDS = 600.0

pytestmark = pytest.mark.xdist_group("attacks")


@cache
def seen(user: str, backend: str = "bwrap") -> dict[str, dict[str, Any]]:
    """What the campaign saw, by the attack's name; `safe` and `hostile` below it."""
    if user == "root":
        with tempfile.TemporaryDirectory(prefix="attacked-", dir="/tmp") as folder:
            Path(folder).chmod(0o755)
            command = [sys.executable, str(CAMPAIGN), backend, folder]
            done = subprocess.run(command, capture_output=True, text=True, timeout=SECONDS, check=False)
    else:
        with plain_folder() as own:
            own.chmod(0o755)
            place = own / "place"
            place.mkdir()
            if os.geteuid() == 0:
                os.chown(place, UID, UID)
            script = own / "campaign.py"
            script.write_text(
                f"import runpy, sys\nsys.argv = ['campaign', {backend!r}, {str(place)!r}]\n"
                f"runpy.run_path({str(CAMPAIGN)!r}, run_name='__main__')\n"
            )
            done = run_plain(script, timeout=SECONDS)
    assert done.returncode == 0, done.stderr[-3000:]
    found: dict[str, dict[str, Any]] = json.loads(done.stdout)
    return found


def test_every_name_of_the_list_is_in_the_table() -> None:
    assert set(NAMED) <= ATTACKS.keys()


@pytest.mark.parametrize("user", USERS)
@pytest.mark.parametrize("name", ATTACKS)
def test_the_attack_ends_as_it_must(name: str, user: str) -> None:
    attack, found = ATTACKS[name], seen(user)[name]["hostile"]
    assert found["ends"] in attack.ends, found
    assert found["ends"] == "completed" or found["message"]
    if attack.tells and found["ends"] == "completed":
        said = found["results"]["said"]
        assert said
        assert {what: through for what, through in said.items() if through} == {}
    if attack.results is not None:
        assert found["results"] == attack.results


@pytest.mark.parametrize("user", USERS)
@pytest.mark.parametrize("name", ATTACKS)
def test_the_attack_leaves_the_host_as_it_was(name: str, user: str) -> None:
    """No file, process or socket of the host was touched, nothing is left running, and little memory was taken."""
    found = seen(user)[name]["hostile"]
    assert found["outside"] == []
    assert found["grown"] <= ATTACKS[name].grows, f"{found['grown'] >> 20} MB"


@pytest.mark.parametrize("user", USERS)
@pytest.mark.parametrize("name", ATTACKS)
def test_the_safe_thing_still_works(name: str, user: str) -> None:
    found = seen(user)[name]["safe"]
    assert (found["ends"], found["outside"]) == ("completed", []), found


@pytest.mark.parametrize("user", USERS)
def test_a_script_of_somebody_else_goes_on_undisturbed_meanwhile(user: str) -> None:
    found = seen(user)["sibling"]
    assert (found["ends"], found["results"]) == ("completed", {"alone": True})


@pytest.mark.parametrize("user", USERS)
def test_a_script_finds_nothing_of_the_one_that_ran_before_it(user: str) -> None:
    runs = seen(user)["one after another"]["runs"]
    assert [(run["ends"], run["results"]) for run in runs] == [
        ("completed", {}),
        ("completed", {"found": []}),
    ] * 3


@pytest.mark.parametrize("name", IN_MONTY)
def test_the_interpreter_without_walls_refuses_what_it_claims_to_refuse(name: str) -> None:
    pytest.importorskip("pydantic_monty")
    monty, found = ATTACKS[name].monty, seen("plain user", "monty")[name]
    assert monty is not None
    assert {found["hostile"]["ends"], found["hostile"].get("type")} & {*monty.ends, "refused"}, found
    assert found["hostile"]["outside"] == []
    assert found["safe"]["ends"] == "completed", found["safe"]
