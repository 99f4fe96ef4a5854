"""The reader's process hands over exactly what the files say; nothing that happens to it reaches the gate."""

import os
import select
import subprocess
import sys
from decimal import Decimal
from pathlib import Path

import pytest
from config_files import LEAST, POLICY, write
from test_config_meaning import WHOLE

import callgate.config.loader
from callgate.config.load import load_files
from callgate.config.loaded import Loaded
from callgate.config.loader import ConfigLoad, settled_config
from callgate.errors import ConfigError

DEEP = """\
tools:
  t:
    rules:
      - when: {args.a: {in: [0.1000000000000000055511151231257827, 1.50, "1.5", true]}, identity.team: ops}
        rate_limit: {max: 10.25, window: 1d, cost: args.a, per: identity.org}
"""


@pytest.mark.parametrize("text", [LEAST, WHOLE])
def test_what_comes_back_is_what_is_read_here(tmp_path: Path, text: str) -> None:
    path = write(tmp_path, text)
    (tmp_path / "git.yaml").write_text(DEEP)
    loaded = ConfigLoad(path).result()
    assert loaded == load_files(path)
    values = loaded.documents["git"].tools[0].rules[0].when[0].value
    assert values[0] == Decimal("0.1000000000000000055511151231257827")
    assert loaded.is_current()


def test_every_finding_comes_back_with_its_place(tmp_path: Path) -> None:
    path = write(tmp_path, LEAST + "worker: 2\n")
    (tmp_path / "docs.yaml").write_text("defaul: deny\n")
    with pytest.raises(ConfigError) as here:
        load_files(path)
    with pytest.raises(ConfigError) as there:
        ConfigLoad(path).result()
    assert there.value.diagnostics == here.value.diagnostics
    assert there.value.seen == here.value.seen
    assert {Path(each).name for each in here.value.seen} == {"callgate.yaml", "git.yaml", "docs.yaml"}
    assert {each.code for each in there.value.diagnostics} == {"CFG001", "POL001", "POL023"}


def test_nothing_blocks_until_the_descriptor_is_readable(tmp_path: Path) -> None:
    load = ConfigLoad(write(tmp_path, LEAST))
    ready = False
    while not ready:
        assert select.select([load.fd], [], [], 30)[0]
        ready = load.feed()
    assert load.result().config.servers[0].name == "git"


def test_the_gate_s_process_gets_no_parser(tmp_path: Path) -> None:
    path = write(tmp_path, LEAST)
    program = (
        "import sys; from callgate.config.loader import ConfigLoad; ConfigLoad(sys.argv[1]).result();"
        "print(sorted({'yaml', '_yaml', 'callgate.policy.yaml_tree', 're2', 'jsonschema_rs'} & set(sys.modules)))"
    )
    ended = subprocess.run(
        [sys.executable, "-c", program, path], capture_output=True, text=True, timeout=60, check=True
    )
    assert ended.stdout == "[]\n"


def test_a_module_in_the_folder_of_the_gate_is_not_run(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("yaml", "msgspec", "re", "callgate"):
        (tmp_path / f"{name}.py").write_text(f"open({str(tmp_path / 'run')!r}, 'w')")
    path = write(tmp_path, LEAST)
    monkeypatch.chdir(tmp_path)
    assert ConfigLoad(path).result().documents.keys() == {"git", "docs"}
    assert not (tmp_path / "run").exists()


def test_a_reader_that_is_killed_is_an_error_and_no_configuration(tmp_path: Path) -> None:
    load = ConfigLoad(write(tmp_path, LEAST))
    load._process.kill()
    load._process.wait()
    os.set_blocking(load.fd, False)
    # Perhaps it was quick enough to say something; whatever is missing makes the rest worthless.
    with pytest.raises(ConfigError) as error:
        callgate.config.loader._decode(bytes(load._data)[:-1], load.path)
    load.cancel()
    assert (error.value.code, error.value.exit_status) == ("CFG090", 3)


@pytest.mark.parametrize("data", [b"", b"l", b"l{", b"x{}", b"r", b'r["x"]', b'l{"config": 5}'])
def test_half_a_word_of_the_reader_is_no_configuration(data: bytes) -> None:
    with pytest.raises(ConfigError) as error:
        callgate.config.loader._decode(data, "callgate.yaml")
    assert error.value.code == "CFG090"


def test_a_reader_that_hangs_is_killed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = write(tmp_path, LEAST)
    monkeypatch.setattr(callgate.config.loader, "WALL_SECONDS", -1.0)
    load = ConfigLoad(path)
    load.expire()
    assert load._process.wait() != 0
    load.cancel()
    load.cancel()


def test_files_that_are_written_to_while_they_are_read_are_read_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = write(tmp_path, LEAST)
    readings: list[Loaded] = []

    def result(load: ConfigLoad) -> Loaded:
        loaded = original(load)
        if not readings:
            (tmp_path / "docs.yaml").write_text(POLICY + "hide: [b]\n")
        readings.append(loaded)
        return loaded

    original = ConfigLoad.result
    monkeypatch.setattr(ConfigLoad, "result", result)
    assert settled_config(path).documents["docs"].hide
    assert len(readings) == 2


def test_files_that_never_rest_are_an_error(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = write(tmp_path, LEAST)
    monkeypatch.setattr(Loaded, "is_current", lambda _: False)
    monkeypatch.setattr(callgate.config.loader, "_TRIES", 2)
    with pytest.raises(ConfigError) as error:
        settled_config(path)
    assert error.value.code == "CFG091"
