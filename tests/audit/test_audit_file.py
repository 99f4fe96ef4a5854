"""The file itself: who may read it, what it may be, how it is found again and repaired."""

import errno
import hashlib
import os
from pathlib import Path

import pytest
from audit_samples import calls, codes, decision, open_audit, outcome, read_back
from hypothesis import given
from hypothesis import strategies as st

import callgate.audit.jsonl as jsonl
from callgate import digest
from callgate.audit.jsonl import JsonlAudit
from callgate.clock import ManualClock
from callgate.errors import AuditError


def refused(path: Path) -> AuditError:
    with pytest.raises(AuditError) as caught:
        open_audit(path)
    return caught.value


def event_lines(path: Path, event: str) -> list[bytes]:
    return [line for line in path.read_bytes().splitlines() if f'"event":"{event}"'.encode() in line]


@pytest.mark.parametrize("umask", [0o000, 0o022, 0o777])
def test_a_new_file_is_for_its_owner_alone_whatever_the_umask(tmp_path: Path, umask: int) -> None:
    before = os.umask(umask)
    try:
        open_audit(tmp_path / "a.jsonl")
    finally:
        os.umask(before)
    assert (tmp_path / "a.jsonl").stat().st_mode & 0o7777 == 0o600


def test_wider_permissions_are_taken_back_and_recorded(tmp_path: Path) -> None:
    path = tmp_path / "a.jsonl"
    open_audit(path).close()
    path.chmod(0o644)
    open_audit(path).append([decision()])
    assert path.stat().st_mode & 0o7777 == 0o600
    assert b'"detail":"0644"' in event_lines(path, "mode_tightened")[0]
    assert read_back(path).intact


@pytest.mark.parametrize(
    "content", [b"root:x:0:0\n", b"no newline", b'{"kind":"event"}\n', b"\n", b"\0" * 100_000]
)
def test_a_foreign_file_is_refused_and_not_changed_in_any_way(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "notes.txt"
    path.write_bytes(content)
    path.chmod(0o644)
    assert refused(path).code == "AUD003"
    assert (path.read_bytes(), path.stat().st_mode & 0o777) == (content, 0o644)


def test_a_file_whose_last_record_was_changed_is_not_continued(tmp_path: Path) -> None:
    path = tmp_path / "a.jsonl"
    open_audit(path).append([decision()])
    path.write_bytes(path.read_bytes().replace(b"read_file", b"rm_-rf___"))
    assert refused(path).code == "AUD003"


def test_only_a_regular_file_will_do(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "fifo")
    (tmp_path / "directory").mkdir()
    (tmp_path / "target").touch()
    (tmp_path / "link").symlink_to(tmp_path / "target")
    (tmp_path / "dangling").symlink_to(tmp_path / "nowhere")
    for name, kind in [
        ("fifo", "a FIFO"),
        ("directory", "a directory"),
        ("link", "a symbolic link"),
        ("dangling", "a symbolic link"),
        ("/dev/null", "a device"),
    ]:
        error = refused(tmp_path / name)
        assert (error.code, error.message.endswith(f"is {kind}")) == ("AUD002", True), name
    assert (tmp_path / "target").read_bytes() == b""
    assert not (tmp_path / "nowhere").exists()


def test_a_missing_directory_is_named_as_the_reason(tmp_path: Path) -> None:
    error = refused(tmp_path / "missing" / "a.jsonl")
    assert error.code == "AUD001"
    assert "directory does not exist" in error.message


def test_a_file_of_another_user_is_refused(tmp_path: Path) -> None:
    assert os.geteuid() == 0, "only root can give a file away: run this test as root"
    path = tmp_path / "a.jsonl"
    open_audit(path).close()
    os.chown(path, 65534, 65534)
    assert refused(path).code == "AUD007"


def test_a_second_opening_continues_the_chain(tmp_path: Path) -> None:
    path = tmp_path / "a.jsonl"
    for _ in range(3):
        audit = open_audit(path)
        audit.append(calls(2))
        audit.close()
    report = read_back(path, audit.head)
    assert (report.intact, report.records, report.proved_to) == (True, 13, 13)


@pytest.mark.parametrize("keep", [1, 60, 200, -1])
def test_a_torn_last_line_is_removed_and_recorded(tmp_path: Path, keep: int) -> None:
    path = tmp_path / "a.jsonl"
    audit = open_audit(path)
    audit.append([decision("whole")])
    size = path.stat().st_size
    audit.append([decision("torn")])
    audit.close()
    torn = path.read_bytes()[size:][:keep]
    os.truncate(path, size + len(torn))
    assert codes(read_back(path)) == ["AUD107"]
    open_audit(path).append([decision("next")])
    report = read_back(path)
    assert (report.intact, report.repairs, report.decisions) == (True, 1, 2)
    note = event_lines(path, "torn_line_removed")[0]
    assert f'"size":{len(torn)},"sha256":"{hashlib.sha256(torn).hexdigest()}"'.encode() in note


def test_a_torn_first_line_is_repaired_too(tmp_path: Path) -> None:
    path = tmp_path / "a.jsonl"
    open_audit(path).close()
    os.truncate(path, 20)
    open_audit(path)
    report = read_back(path)
    assert (report.intact, report.repairs) == (True, 1)


def test_a_line_torn_by_another_writer_is_repaired_by_a_running_one(tmp_path: Path) -> None:
    path = tmp_path / "a.jsonl"
    audit = open_audit(path)
    audit.append([decision("a")])
    with path.open("ab") as other:
        other.write(b'{"kind":"decision","id":"hal')
    audit.append([decision("b")])
    open_audit(path).append([decision("c")])
    audit.append([decision("d")])
    report = read_back(path)
    assert (report.intact, report.repairs, report.decisions) == (True, 1, 4)


def test_two_writers_share_one_chain(tmp_path: Path) -> None:
    path = tmp_path / "a.jsonl"
    one, two = open_audit(path), open_audit(path)
    for number in range(20):
        one.append([decision(f"one{number}")])
        two.append([decision(f"two{number}"), outcome(f"two{number}")])
    report = read_back(path, two.head)
    assert (report.intact, report.records) == (True, 61)


def test_after_rotation_a_new_chain_names_the_last_hash_of_the_old_one(tmp_path: Path) -> None:
    path, clock = tmp_path / "a.jsonl", ManualClock()
    audit = open_audit(path, clock)
    audit.append([decision("a")])
    path.rename(tmp_path / "a.jsonl.1")
    audit.append([decision("b")])
    old_head = audit.head
    clock.advance(1.0)
    audit.append([decision("c")])
    assert (read_back(tmp_path / "a.jsonl.1", old_head).decisions, read_back(path).decisions) == (2, 1)
    assert read_back(path).intact
    assert read_back(path).continues == old_head


def test_a_writer_that_comes_late_to_a_rotated_file_says_where_it_came_from(tmp_path: Path) -> None:
    path, clock = tmp_path / "a.jsonl", ManualClock()
    one, two = open_audit(path, clock), open_audit(path, clock)
    two.append([decision("a")])
    old_head = two.head
    path.rename(tmp_path / "a.jsonl.1")
    clock.advance(1.0)
    one.append([decision("b")])
    two.append([decision("c")])
    assert read_back(path).intact
    assert f'"previous":"{old_head}"'.encode() in event_lines(path, "file_changed")[0]


def test_a_deleted_file_is_begun_again(tmp_path: Path) -> None:
    path, clock = tmp_path / "a.jsonl", ManualClock()
    audit = open_audit(path, clock)
    audit.append([decision("a")])
    head = audit.head
    path.unlink()
    clock.advance(1.0)
    audit.append([decision("b")])
    assert (read_back(path).intact, read_back(path).continues) == (True, head)


def test_a_file_emptied_in_place_is_begun_again(tmp_path: Path) -> None:
    path = tmp_path / "a.jsonl"
    audit = open_audit(path)
    audit.append([decision("a")])
    head = audit.head
    os.truncate(path, 0)
    audit.append([decision("b")])
    assert (read_back(path).intact, read_back(path).continues) == (True, head)


def test_records_cut_off_while_the_gate_runs_are_noted(tmp_path: Path) -> None:
    path = tmp_path / "a.jsonl"
    audit = open_audit(path)
    audit.append([decision("a")])
    size = path.stat().st_size
    audit.append([decision("b")])
    os.truncate(path, size)
    audit.append([decision("c")])
    assert codes(read_back(path)) == ["AUD109"]


def test_a_path_that_becomes_a_link_is_not_followed(tmp_path: Path) -> None:
    path, clock = tmp_path / "a.jsonl", ManualClock()
    audit = open_audit(path, clock)
    path.rename(tmp_path / "old")
    (tmp_path / "victim").touch()
    path.symlink_to(tmp_path / "victim")
    clock.advance(1.0)
    for _ in range(2):
        with pytest.raises(AuditError) as caught:
            audit.append([decision()])
        assert caught.value.code == "AUD002"
    path.unlink()
    audit.append([decision()])
    assert (read_back(path).intact, (tmp_path / "victim").read_bytes()) == (True, b"")


def test_a_relative_path_stays_the_same_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "elsewhere").mkdir()
    monkeypatch.chdir(tmp_path)
    clock = ManualClock()
    audit = open_audit(Path("a.jsonl"), clock)
    monkeypatch.chdir(tmp_path / "elsewhere")
    clock.advance(1.0)
    audit.append([decision()])
    assert read_back(tmp_path / "a.jsonl").decisions == 1


def test_records_that_do_not_reach_the_disk_are_removed_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "a.jsonl"
    audit = JsonlAudit(str(path), sync="full", clock=ManualClock())
    audit.append([decision("a")])
    before = path.read_bytes()

    def fail(fd: int) -> None:
        raise OSError(errno.EIO, os.strerror(errno.EIO))

    with monkeypatch.context() as patch:
        patch.setattr(jsonl, "sync_data", fail)
        with pytest.raises(AuditError, match="input/output error") as caught:
            audit.append([decision("b")])
    assert (caught.value.code, path.read_bytes()) == ("AUD004", before)
    audit.append([decision("c")])
    assert (read_back(path).intact, read_back(path).decisions) == (True, 2)


def test_an_interrupt_in_the_middle_leaves_no_trace(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "a.jsonl"
    audit = JsonlAudit(str(path), sync="full", clock=ManualClock())

    def interrupt(fd: int) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(jsonl, "sync_data", interrupt)
        with pytest.raises(KeyboardInterrupt):
            audit.append([decision("a")])
    audit.append([decision("b")])
    assert (read_back(path).intact, read_back(path).decisions) == (True, 1)


def test_full_sync_is_what_one_gets_without_asking(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    synced: list[int] = []
    monkeypatch.setattr(jsonl, "sync_data", synced.append)
    audit = JsonlAudit(str(tmp_path / "a.jsonl"), clock=ManualClock())
    audit.append([decision("a"), outcome("a")])
    assert len(synced) == 2  # the start of the chain, then the batch


def test_under_load_another_implementation_of_the_hash_continues_the_same_chain(tmp_path: Path) -> None:
    path, clock = tmp_path / "a.jsonl", ManualClock()
    audit = open_audit(path, clock)
    audit.append(calls(300))
    clock.advance(1.0)
    audit.append(calls(1))
    open_audit(path, clock).append(calls(1))
    assert (read_back(path).intact, read_back(path).records) == (True, 605)


@given(st.binary(max_size=500))
def test_both_implementations_of_the_hash_agree(data: bytes) -> None:
    assert (
        digest.lean(data).hexdigest() == digest.fast()(data).hexdigest() == hashlib.sha256(data).hexdigest()
    )


def test_a_refused_file_is_not_kept_open(tmp_path: Path) -> None:
    (tmp_path / "notes.txt").write_text("notes\n")
    before = len(os.listdir("/proc/self/fd"))
    refused(tmp_path / "notes.txt")
    assert len(os.listdir("/proc/self/fd")) == before


def test_a_closed_audit_refuses(tmp_path: Path) -> None:
    audit = open_audit(tmp_path / "a.jsonl")
    audit.close()
    audit.close()
    with pytest.raises(AuditError) as caught:
        audit.append([decision()])
    assert caught.value.code == "AUD008"


def test_an_empty_batch_writes_nothing(tmp_path: Path) -> None:
    audit = open_audit(tmp_path / "a.jsonl")
    before = (tmp_path / "a.jsonl").read_bytes()
    audit.append([])
    assert (tmp_path / "a.jsonl").read_bytes() == before
