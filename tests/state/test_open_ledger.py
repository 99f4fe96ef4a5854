"""State URLs, and the ledger that puts sessions in memory and the rest in a file."""

import subprocess
import sys
from pathlib import Path

import pytest
from state_stores import DAY, MINUTE, admitted, charge, limit, refused

from callgate.clock import ManualClock
from callgate.errors import StateError
from callgate.state.ledger import Ledger
from callgate.state.memory import MemoryLedger
from callgate.state.open import default_state_dir, open_ledger
from callgate.state.routed import RoutedLedger
from callgate.state.sqlite import SqliteLedger

HERE = limit(2, id="here", scope="session")
THERE = limit(2, id="there")


def opened(url: str | None, state_dir: Path, *, sessions: bool = False, outlives: bool = False) -> Ledger:
    return open_ledger(
        url, ManualClock(), state_dir=str(state_dir), durable_sessions=sessions, outlives_process=outlives
    )


def test_without_a_url_sessions_are_in_memory_and_the_file_waits_for_its_first_use(tmp_path: Path) -> None:
    ledger = opened(None, tmp_path / "callgate")
    admitted(ledger, charge(HERE))
    assert not (tmp_path / "callgate").exists()
    admitted(ledger, charge(THERE))
    assert (tmp_path / "callgate" / "state.db").exists()
    ledger.close()
    again = opened(None, tmp_path / "callgate")
    assert again.used("there|", MINUTE)[0] == 1
    assert again.used("here|", MINUTE)[0] == 0
    again.close()


def test_named_sessions_survive_the_process(tmp_path: Path) -> None:
    for _ in range(2):
        ledger = opened(None, tmp_path, sessions=True)
        admitted(ledger, charge(HERE))
        ledger.close()
    refused(opened(f"sqlite://{tmp_path}/state.db", tmp_path / "no", sessions=True), charge(HERE))


def test_a_store_that_is_needed_and_cannot_work_is_known_at_once(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(StateError):
        opened(f"sqlite://{tmp_path}/file/x.db", tmp_path, outlives=True)
    assert isinstance(opened(f"sqlite://{tmp_path}/file/x.db", tmp_path), RoutedLedger)


@pytest.mark.parametrize(
    ("url", "path", "level"),
    [
        ("sqlite:///a/b.db", "/a/b.db", "FULL"),
        ("sqlite:/a/b.db?sync=full", "/a/b.db", "FULL"),
        ("sqlite:b.db?sync=normal", "b.db", "NORMAL"),
        ("sqlite:///a%20b/%25%C3%A9.db", "/a b/%é.db", "FULL"),
    ],
)
def test_sqlite_urls_name_a_path_and_a_durability(url: str, path: str, level: str) -> None:
    ledger = opened(url, Path("/nowhere"))
    assert isinstance(ledger, RoutedLedger)
    durable = ledger.durable()
    assert isinstance(durable, SqliteLedger)
    assert durable.path == str(Path(path).absolute())
    assert durable._file._synchronous == level


@pytest.mark.parametrize(
    ("url", "code"),
    [
        ("postgres://localhost/0", "STA002"),
        ("memory://x", "STA001"),
        ("sqlite://relative.db", "STA001"),
        ("sqlite:", "STA001"),
        ("sqlite:///a/", "STA001"),
        ("sqlite:///a.db?sync=off", "STA001"),
        ("sqlite:///a.db?", "STA001"),
        ("sqlite:///a%2", "STA001"),
        ("sqlite:///a%00.db", "STA001"),
        ("sqlite:///a%ff.db", "STA001"),
        ("/var/state.db", "STA001"),
        ("", "STA001"),
    ],
)
def test_other_urls_are_refused_with_what_to_write_instead(url: str, code: str, tmp_path: Path) -> None:
    with pytest.raises(StateError) as caught:
        opened(url, tmp_path)
    assert caught.value.code == code
    assert caught.value.help


def test_memory_keeps_every_scope_in_memory(tmp_path: Path) -> None:
    ledger = opened("memory://", tmp_path, sessions=True, outlives=True)
    assert isinstance(ledger, MemoryLedger)
    admitted(ledger, charge(HERE), charge(THERE))


def test_the_state_directory_follows_the_platform() -> None:
    home = {"HOME": "/home/a"}
    assert default_state_dir(home, "linux") == "/home/a/.local/state/callgate"
    assert default_state_dir(home | {"XDG_STATE_HOME": "/s"}, "linux") == "/s/callgate"
    assert default_state_dir(home | {"XDG_STATE_HOME": "s"}, "linux") == "/home/a/.local/state/callgate"
    assert default_state_dir(home, "darwin") == "/home/a/Library/Application Support/callgate"


def test_a_refusal_on_either_side_leaves_both_unspent(tmp_path: Path) -> None:
    ledger = opened(None, tmp_path)
    both = (charge(HERE), charge(THERE))
    first = admitted(ledger, *both)
    admitted(ledger, charge(THERE))
    assert refused(ledger, *both).limit == THERE
    assert ledger.used("here|", MINUTE)[0] == 1
    ledger.settle(first, spent=False)
    admitted(ledger, charge(HERE))
    admitted(ledger, charge(HERE))
    assert refused(ledger, *both).limit == HERE
    assert ledger.used("there|", MINUTE)[0] == 1
    ledger.close()


def test_a_refusal_names_the_longer_wait_of_both_sides(tmp_path: Path) -> None:
    today = limit(1, DAY, id="today")
    ledger = opened(None, tmp_path)
    admitted(ledger, charge(HERE, 2), charge(today))
    assert refused(ledger, charge(HERE), charge(today)).limit == today
    assert refused(ledger, charge(HERE), charge(THERE)).limit == HERE
    ledger.close()


def test_an_error_of_the_file_gives_back_what_the_session_spent(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    ledger = opened(f"sqlite://{tmp_path}/file/x.db", tmp_path)
    with pytest.raises(StateError):
        ledger.reserve([charge(HERE), charge(THERE)])
    admitted(ledger, charge(HERE, 2))


def test_sqlite_is_not_imported_before_it_is_needed(tmp_path: Path) -> None:
    script = (
        "import sys, msgspec; before = set(sys.modules)\n"
        "from callgate.clock import SystemClock; from callgate.state.open import open_ledger\n"
        "open_ledger(None, SystemClock(), state_dir='x', durable_sessions=False, outlives_process=False)\n"
        "heavy = {'sqlite3', 'redis', 'hiredis', 'hashlib', 'datetime', 'asyncio', 'dataclasses', 'inspect'}\n"
        "heavy |= {'logging', 'json'}\n"
        "print(sorted(heavy & (set(sys.modules) - before)))"
    )
    found = subprocess.run(
        [sys.executable, "-S", "-c", f"import sys; sys.path[:0] = {sys.path!r}\n{script}"],
        capture_output=True,
        text=True,
        check=True,
    )
    assert found.stdout.strip() == "[]"
