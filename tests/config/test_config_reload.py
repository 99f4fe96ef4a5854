"""A bad edit of any file never replaces what is in force, and is told of loudly (law 7)."""

from pathlib import Path

import pytest
from config_files import LEAST, POLICY, write

import callgate.config.reload
from callgate.clock import ManualClock
from callgate.config.load import load_files
from callgate.config.loaded import Loaded
from callgate.config.reload import ConfigReload
from callgate.config.watch import POLL_SECONDS, FilesWatch

Lines = list[tuple[str, str]]


@pytest.fixture
def lines() -> Lines:
    return []


@pytest.fixture
def reload(tmp_path: Path, lines: Lines) -> ConfigReload:
    return ConfigReload(write(tmp_path, LEAST), lambda level, text: lines.append((level, text)))


def read(reload: ConfigReload) -> Loaded | None:
    assert reload.start() == reload.fd is not None
    while not reload.feed():
        reload.expire()
    return reload.finish()


def test_a_good_edit_is_handed_over(reload: ConfigReload, lines: Lines, tmp_path: Path) -> None:
    write(tmp_path, LEAST + "drain: 1s\n")
    loaded = read(reload)
    assert loaded is not None
    assert loaded.config.drain == 1.0
    assert (lines, reload.refused, reload.fd) == ([], None, None)


def test_warnings_of_every_file_are_told(reload: ConfigReload, lines: Lines, tmp_path: Path) -> None:
    write(tmp_path, LEAST + "on_state_failure: allow\n")
    (tmp_path / "git.yaml").write_text("default: deny\n")
    assert read(reload) is not None
    assert [(level, text.split("[")[1][:6]) for level, text in lines] == [
        ("warning", "POL110"),
        ("warning", "CFG103"),
    ]


@pytest.mark.parametrize(
    ("name", "text", "code"),
    [
        ("callgate.yaml", LEAST + "worker: 1\n", "CFG001"),
        ("callgate.yaml", "", "CFG023"),
        ("git.yaml", POLICY + "hid: [a]\n", "POL001"),
        ("git.yaml", "", "POL023"),
    ],
)
def test_a_bad_edit_is_refused_and_every_line_of_it_told(
    reload: ConfigReload, lines: Lines, tmp_path: Path, name: str, text: str, code: str
) -> None:
    (tmp_path / name).write_text(text)
    assert read(reload) is None
    assert reload.refused is not None
    assert reload.refused.code == code
    assert all(level == "error" for level, _ in lines)
    assert f"{tmp_path / name}:" in lines[0][1]
    assert f"[{code}]" in lines[0][1]
    assert lines[-1][1] == "the changed files are not in force: what was read before stays"
    # And when it is repaired, it is taken.
    (tmp_path / name).write_text(POLICY if name == "git.yaml" else LEAST)
    assert read(reload) is not None
    assert reload.refused is None


def test_a_policy_that_is_gone_is_a_bad_edit(reload: ConfigReload, lines: Lines, tmp_path: Path) -> None:
    (tmp_path / "git.yaml").unlink()
    assert read(reload) is None
    assert "[CFG047]" in lines[0][1]


def test_the_repair_of_a_policy_that_only_a_refused_configuration_names_is_noticed(
    reload: ConfigReload, tmp_path: Path
) -> None:
    clock = ManualClock()
    before = load_files(write(tmp_path, LEAST))
    watch = FilesWatch(before.config, clock, before.seen)
    for name, text in (("new.yaml", "defaul: deny\n"), ("missing.yaml", None)):
        write(tmp_path, LEAST + f"  more: {{command: [a], policy: {name}}}\n")
        if text is not None:
            (tmp_path / name).write_text(text)
        assert read(reload) is None
        assert reload.refused is not None
        watch.also(reload.refused.seen)
        (tmp_path / name).write_text(POLICY)
        told = set()
        for _ in range(3):
            told |= {Path(each.path).name for each in watch.poll()}
            clock.advance(POLL_SECONDS)
        assert name in told
        loaded = read(reload)
        assert loaded is not None
        watch.follow(loaded.config, loaded.seen)


def test_files_that_are_written_to_while_they_are_read_are_not_taken(
    reload: ConfigReload, lines: Lines, tmp_path: Path
) -> None:
    reload.start()
    while not reload.feed():
        pass
    (tmp_path / "git.yaml").write_text(POLICY + "hide: [x]\n")
    assert reload.finish() is None
    assert lines == []


def test_a_later_change_begins_the_reading_anew(reload: ConfigReload, tmp_path: Path) -> None:
    first = reload.start()
    assert first is not None
    write(tmp_path, LEAST + "drain: 3s\n")
    loaded = read(reload)
    assert loaded is not None
    assert loaded.config.drain == 3.0
    reload.cancel()
    reload.cancel()
    assert reload.finish() is None


def test_a_system_out_of_processes_leaves_the_old_in_force(
    reload: ConfigReload, lines: Lines, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fails(path: str, purpose: str) -> None:
        raise OSError(11, "Resource temporarily unavailable")

    monkeypatch.setattr(callgate.config.reload, "ConfigLoad", fails)
    assert reload.start() is None
    assert lines == [
        ("error", "the changed files cannot be read now, the old ones stay: Resource temporarily unavailable")
    ]
    assert reload.feed()
    assert reload.finish() is None
