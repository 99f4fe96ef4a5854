"""A store that fails denies, says which failure it is, and works again when the cause is gone."""

import os
import shutil
import sqlite3
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from state_stores import MINUTE, admitted, charge, limit, refused
from tests.support.small_disk import small_disk

from callgate.clock import ManualClock
from callgate.errors import StateError
from callgate.state.sqlite import SqliteLedger

CALLS = limit(100)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "state" / "state.db"


@pytest.fixture
def ledger(path: Path) -> Iterator[SqliteLedger]:
    opened = SqliteLedger(str(path), ManualClock(), synchronous="NORMAL", busy_timeout_ms=60)
    admitted(opened, charge(CALLS))
    yield opened
    opened.close()


def failure(ledger: SqliteLedger) -> StateError:
    with pytest.raises(StateError) as caught:
        ledger.reserve([charge(CALLS)])
    assert caught.value.help
    assert "\n" not in caught.value.message
    return caught.value


def reopened(path: Path) -> SqliteLedger:
    return SqliteLedger(str(path), ManualClock(), synchronous="NORMAL", busy_timeout_ms=60)


def spent(ledger: SqliteLedger) -> int:
    return int(ledger.used("calls|", MINUTE)[0])


def rows(ledger: SqliteLedger, table: str) -> int:
    query = f"SELECT count(*) FROM {table}"  # noqa: S608
    return int(ledger._file.transact(lambda db: db.execute(query).fetchone()[0], durable=False))


def edit(path: Path, *statements: str) -> None:
    other = sqlite3.connect(path, isolation_level=None)
    for statement in statements:
        other.execute(statement)
    other.close()


def test_the_file_and_its_directory_are_for_this_user_alone(ledger: SqliteLedger, path: Path) -> None:
    assert path.parent.stat().st_mode & 0o777 == 0o700
    assert {p.name: p.stat().st_mode & 0o777 for p in path.parent.iterdir()} == {
        "state.db": 0o600,
        "state.db-wal": 0o600,
        "state.db-shm": 0o600,
    }


def test_a_locked_store_is_waited_for_once_and_then_fails_fast(ledger: SqliteLedger, path: Path) -> None:
    other = sqlite3.connect(path, isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    began = time.monotonic()
    assert failure(ledger).code == "STA009"
    first = time.monotonic()
    for _ in range(3):
        assert failure(ledger).code == "STA009"
    assert first - began >= 0.05
    assert (time.monotonic() - first) / 3 < 0.05
    with pytest.raises(StateError):
        ledger.settle("whatever", spent=True)
    other.execute("ROLLBACK")
    admitted(ledger, charge(CALLS))
    assert spent(ledger) == 2
    other.execute("BEGIN IMMEDIATE")
    began = time.monotonic()
    assert failure(ledger).code == "STA009"
    assert time.monotonic() - began >= 0.05
    other.close()


def test_a_full_store_denies_and_recovers(path: Path) -> None:
    ledger = reopened(path)
    admitted(ledger, charge(CALLS))
    db = ledger._file._db
    assert db is not None
    (pages,) = db.execute("PRAGMA page_count").fetchone()
    db.execute(f"PRAGMA max_page_count={pages}")
    wide = limit(10**6, id="wide")
    before = 0
    with pytest.raises(StateError, match="full"):  # noqa: PT012
        for before in range(200):
            admitted(ledger, charge(wide, key=str(before) + "x" * 200))
    assert rows(ledger, "counter") == before + 1
    db.execute("PRAGMA max_page_count=1000000")
    admitted(ledger, charge(wide, key=str(before)))
    ledger.close()


def test_a_full_disk_denies_and_recovers(tmp_path: Path) -> None:
    with small_disk(tmp_path / "small", "200k") as small:
        ledger = reopened(small / "state.db")
        admitted(ledger, charge(CALLS))
        (small / "ballast").write_bytes(b"x" * (200 * 1024 - _size_of(small)))
        codes = set()
        done = 1
        for _ in range(40):
            try:
                admitted(ledger, charge(CALLS))
                done += 1
            except StateError as error:
                codes.add(error.code)
        assert codes <= {"STA008", "STA013"}
        assert codes
        (small / "ballast").unlink()
        admitted(ledger, charge(CALLS))
        assert spent(ledger) == done + 1
        ledger.close()


def _size_of(directory: Path) -> int:
    status = os.statvfs(directory)
    return (status.f_blocks - status.f_bavail) * status.f_frsize


def test_a_read_only_file_system_denies_and_recovers(tmp_path: Path) -> None:
    with small_disk(tmp_path / "small", "2m") as small:
        ledger = reopened(small / "state.db")
        admitted(ledger, charge(CALLS))
        ledger.close()
        subprocess.run(["mount", "-o", "remount,ro", small], check=True)
        assert failure(ledger).code in ("STA010", "STA003")
        subprocess.run(["mount", "-o", "remount,rw", small], check=True)
        admitted(ledger, charge(CALLS))
        assert spent(ledger) == 2
        ledger.close()


def test_a_deleted_store_is_noticed_and_not_replaced_by_an_empty_one(
    ledger: SqliteLedger, path: Path, tmp_path: Path
) -> None:
    moved = tmp_path / "moved"
    path.parent.rename(moved)
    assert failure(ledger).code == "STA011"
    assert failure(ledger).code == "STA011"
    assert not path.exists()
    moved.rename(path.parent)
    admitted(ledger, charge(CALLS))
    assert spent(ledger) >= 2


@pytest.mark.parametrize("name", ["state.db", "state.db-wal", "state.db-shm"])
def test_a_store_that_loses_one_of_its_files_denies(ledger: SqliteLedger, path: Path, name: str) -> None:
    (path.parent / name).unlink()
    assert failure(ledger).code == "STA011"


def test_a_replaced_store_is_noticed_and_then_used(ledger: SqliteLedger, path: Path, tmp_path: Path) -> None:
    other = reopened(tmp_path / "other" / "state.db")
    for _ in range(5):
        admitted(other, charge(CALLS))
    other.close()
    for found in path.parent.iterdir():
        found.unlink()
    shutil.copy(tmp_path / "other" / "state.db", path)
    path.chmod(0o600)
    assert failure(ledger).code == "STA011"
    admitted(ledger, charge(CALLS))
    assert spent(ledger) == 6


@pytest.mark.parametrize("length", [0, 100, 1024, 1500])
def test_a_truncated_store_denies(path: Path, length: int) -> None:
    ledger = reopened(path)
    for index in range(50):
        admitted(ledger, charge(CALLS, key=str(index)))
    ledger.close()
    healthy = path.read_bytes()
    os.truncate(path, length)
    assert failure(ledger).code in ("STA005", "STA007", "STA011")
    failure(ledger)
    path.write_bytes(healthy)
    admitted(ledger, charge(CALLS, key="0"))
    assert ledger.used("calls|0", MINUTE)[0] == 2
    ledger.close()


def test_a_store_cut_short_while_open_denies(ledger: SqliteLedger, path: Path) -> None:
    edit(path, "PRAGMA wal_checkpoint")
    admitted(ledger, charge(CALLS))
    os.truncate(path, 2048)
    assert failure(ledger).code in ("STA011", "STA007")


def test_any_garbage_in_the_file_denies_or_is_harmless_and_never_crashes(path: Path) -> None:
    ledger = reopened(path)
    for index in range(30):
        admitted(ledger, charge(CALLS, key=str(index)))
    ledger.close()
    healthy = path.read_bytes()
    denied = 0
    for offset in range(0, len(healthy), 512):
        path.write_bytes(healthy[:offset] + b"\xa5" * 512 + healthy[offset + 512 :])
        for key in ("0", "29", "new"):
            try:
                ledger.reserve([charge(CALLS, key=key)])
            except StateError:
                denied += 1
        ledger.close()
        for companion in ("-wal", "-shm"):
            Path(f"{path}{companion}").unlink(missing_ok=True)
    assert denied > 0
    path.write_bytes(healthy)
    admitted(ledger, charge(CALLS, key="0"))
    ledger.close()


@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE counter SET total = 'many'",
        "UPDATE counter SET total = -5",
        "UPDATE counter SET total = x'00ff'",
        "UPDATE counter SET total = 'NaN'",
        "UPDATE counter SET first = 'soon'",
        "UPDATE counter SET first = last + 1",
        "UPDATE counter SET entries = -1",
        "UPDATE counter SET window = 'fortnight'",
        "UPDATE counter SET window = 'day'",
        "UPDATE entry SET amount = '1e5000'",
        "DELETE FROM entry",
        "UPDATE boot SET store = 'late'",
        "UPDATE boot SET store = 9223372036854775807, monotonic = 0",
        "CREATE TRIGGER forget AFTER INSERT ON entry BEGIN DELETE FROM entry; END",
        "DROP TABLE entry",
        "PRAGMA user_version=0",
    ],
)
def test_odd_values_deny_and_do_not_crash(ledger: SqliteLedger, path: Path, statement: str) -> None:
    ledger.close()
    edit(path, statement)
    full = limit(2)
    with pytest.raises(StateError) as caught:
        ledger.reserve([charge(CALLS), charge(full)])
    assert caught.value.code == "STA007"


def test_a_file_of_another_kind_is_refused(tmp_path: Path) -> None:
    text, foreign, newer = tmp_path / "text", tmp_path / "foreign", tmp_path / "newer"
    text.write_text("not a database, but long enough to look at " * 20)
    edit(foreign, "CREATE TABLE notes (text)")
    made = reopened(newer)
    made.open()
    made.close()
    edit(newer, "PRAGMA user_version=2")
    for path, code in ((text, "STA005"), (foreign, "STA005"), (newer, "STA006")):
        path.chmod(0o600)
        before = path.read_bytes()
        assert failure(reopened(path)).code == code
        assert path.read_bytes() == before


def test_a_path_that_others_control_is_refused(tmp_path: Path) -> None:
    real = tmp_path / "real.db"
    reopened(real).open()
    link, lax, shared = tmp_path / "link.db", tmp_path / "lax.db", tmp_path / "shared"
    link.symlink_to(real)
    lax.touch()
    lax.chmod(0o666)
    shared.mkdir()
    shared.chmod(0o777)
    trap = tmp_path / "trap.db"
    (tmp_path / "trap.db-wal").symlink_to(real)
    for path in (link, lax, shared / "state.db", trap, tmp_path):
        assert failure(reopened(path)).code == "STA004", path
    assert not (shared / "state.db").exists()


def test_a_missing_directory_that_cannot_be_made_is_an_error(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    assert failure(reopened(tmp_path / "file" / "below" / "state.db")).code == "STA003"


def test_idle_counters_and_lost_reservations_leave_the_file(path: Path) -> None:
    clock = ManualClock()
    ledger = SqliteLedger(str(path), clock, synchronous="NORMAL")
    for index in range(3000):
        admitted(ledger, charge(CALLS, key=str(index)))
        clock.advance(1)

    assert rows(ledger, "counter") < 400
    assert rows(ledger, "entry") < 400
    assert rows(ledger, "reservation") < 3000
    ledger.close()
    refused(ledger, charge(limit(1), key="2999"))
    ledger.close()
