"""Several processes, dying processes, full disks."""

import json
import os
import random
import resource
import signal
import subprocess
import sys
from collections.abc import Iterator
from fcntl import LOCK_EX, LOCK_UN, flock
from pathlib import Path

import pytest
from audit_samples import decision, open_audit, outcome, read_back
from tests.support.small_disk import small_disk

import callgate
from callgate.audit.jsonl import JsonlAudit
from callgate.audit.record import Record
from callgate.clock import ManualClock
from callgate.errors import AuditError

SOURCES = str(Path(callgate.__file__).parents[1])


def start_writer(path: Path, name: str, count: int, sync: str = "none") -> subprocess.Popen[bytes]:
    program = [
        sys.executable,
        str(Path(__file__).with_name("audit_writer.py")),
        str(path),
        name,
        str(count),
        sync,
    ]
    return subprocess.Popen(program, stdout=subprocess.PIPE, env={**os.environ, "PYTHONPATH": SOURCES})


def ids(path: Path, kind: str) -> list[str]:
    records = [json.loads(line) for line in path.read_bytes().splitlines()]
    return [record["id"] for record in records if record["kind"] == kind]


def test_four_processes_write_one_valid_chain_with_every_record_in_it(tmp_path: Path) -> None:
    path = tmp_path / "a.jsonl"
    writers = [start_writer(path, f"w{n}", 150, "full" if n == 3 else "none") for n in range(4)]
    for writer in writers:
        writer.communicate(timeout=60)
        assert writer.returncode == 0
    report = read_back(path)
    assert (report.intact, report.decisions, report.repairs) == (True, 600, 0)
    decided = ids(path, "decision")
    for n in range(4):
        assert [id for id in decided if id.startswith(f"w{n}-")] == [f"w{n}-{k}" for k in range(150)]


def test_no_kill_loses_an_acknowledged_record_or_leaves_a_file_that_does_not_verify(tmp_path: Path) -> None:
    path = tmp_path / "a.jsonl"
    acknowledged: list[str] = []
    chance = random.Random(20260301)
    for round in range(8):
        with start_writer(path, f"r{round}", 1_000_000, "full" if round == 0 else "none") as writer:
            assert writer.stdout is not None
            for _ in range(chance.randrange(1, 120)):
                acknowledged.append(writer.stdout.readline().decode().strip())
            writer.send_signal(signal.SIGKILL)
            rest = writer.stdout.read().decode().split("\n")
            acknowledged += [id for id in rest[:-1] if id]
        open_audit(path).close()
        assert read_back(path).intact, round
    assert set(acknowledged) <= set(ids(path, "decision"))


@pytest.mark.filterwarnings("ignore:.*fork.*:DeprecationWarning")
def test_a_fork_takes_its_own_lock_and_continues_the_chain(tmp_path: Path) -> None:
    path = tmp_path / "a.jsonl"
    audit = open_audit(path)
    audit.append([decision("before")])
    child = os.fork()
    try:
        for number in range(200):
            audit.append([decision(f"{'parent' if child else 'child'}{number}")])
        if child == 0:
            os._exit(0)
    finally:
        if child == 0:
            os._exit(1)
    assert os.waitpid(child, 0)[1] == 0
    report = read_back(path)
    assert (report.intact, report.decisions) == (True, 401)


def test_a_child_process_does_not_inherit_the_file(tmp_path: Path) -> None:
    audit = open_audit(tmp_path / "a.jsonl")
    audit.append([decision()])
    listing = (
        "import os; print(*[os.path.realpath(f'/proc/self/fd/{fd}') for fd in os.listdir('/proc/self/fd')])"
    )
    seen = subprocess.run([sys.executable, "-c", listing], capture_output=True, close_fds=False, check=True)
    assert b"a.jsonl" not in seen.stdout


def test_a_lock_that_is_never_given_back_is_an_error_and_not_a_hang(tmp_path: Path) -> None:
    path = tmp_path / "a.jsonl"
    audit = open_audit(path, patience=0.01)
    before = path.read_bytes()
    with path.open("rb") as other:
        flock(other, LOCK_EX)
        with pytest.raises(AuditError) as caught:
            audit.append([decision("a")])
        flock(other, LOCK_UN)
    assert (caught.value.code, path.read_bytes()) == ("AUD005", before)
    audit.append([decision("b")])
    assert read_back(path).decisions == 1


@pytest.fixture
def file_size_limit() -> Iterator[None]:
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)


@pytest.mark.usefixtures("file_size_limit")
def test_a_batch_that_fits_only_in_part_is_not_written_at_all(tmp_path: Path) -> None:
    path = tmp_path / "a.jsonl"
    audit = open_audit(path)
    audit.append([decision("a")])
    before = path.read_bytes()
    unlimited = resource.getrlimit(resource.RLIMIT_FSIZE)
    batch: list[Record] = [decision("b"), outcome("b"), decision("c")]
    for room in (0, 1, 300, 700):
        resource.setrlimit(resource.RLIMIT_FSIZE, (len(before) + room, unlimited[1]))
        with pytest.raises(AuditError) as caught:
            audit.append(batch)
        assert (caught.value.code, path.read_bytes()) == ("AUD004", before), room
    resource.setrlimit(resource.RLIMIT_FSIZE, unlimited)
    audit.append(batch)
    report = read_back(path)
    assert (report.intact, report.decisions, report.repairs) == (True, 3, 0)


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[Path]:
    with small_disk(tmp_path / "disk", "64k") as folder:
        yield folder


@pytest.mark.parametrize("sync", ["full", "none"])
def test_a_full_disk_is_an_error_until_there_is_room_again(disk: Path, sync: str) -> None:
    path = disk / "a.jsonl"
    audit = JsonlAudit(str(path), sync="full" if sync == "full" else "none", clock=ManualClock())
    (disk / "filler").write_bytes(b"x" * 40_000)
    written = 0
    while True:
        before = path.read_bytes()
        try:
            audit.append([decision(f"d{written}"), outcome(f"d{written}")])
        except AuditError:
            break
        written += 1
    assert path.read_bytes() == before
    with pytest.raises(AuditError, match="no space left"):
        audit.append([decision("still full"), outcome("still full")])
    (disk / "filler").unlink()
    audit.append([decision("room again")])
    report = read_back(path)
    assert (report.intact, report.decisions, report.repairs) == (True, written + 1, 0)
    audit.close()


def test_writing_imports_nothing_that_is_slow_to_load(tmp_path: Path) -> None:
    program = f"""
import sys
sys.path[:0] = {sys.path!r}
import msgspec  # takes typing_extensions where it is installed; that is not the audit's doing
before = set(sys.modules)
from callgate.audit.jsonl import JsonlAudit
from callgate.audit.arguments import describe_arguments
from callgate.clock import SystemClock
JsonlAudit({str(tmp_path / "a.jsonl")!r}, clock=SystemClock())
describe_arguments({{}}, b"{{}}", "hash")
print(*set(sys.modules) - before)
"""
    seen = subprocess.run([sys.executable, "-I", "-S", "-c", program], capture_output=True, check=True)
    foreign = [name for name in seen.stdout.decode().split() if not name.startswith("callgate")]
    assert set(foreign) <= {"fcntl", "_sha256", "_sha2"}
