"""The reader's process hands over exactly what the loader makes of the file, and nothing the file does reaches us."""

import os
import signal
from decimal import Decimal
from pathlib import Path

import pytest

import callgate.policy.load
import callgate.policyloader
from callgate.diagnostics import Diagnostic
from callgate.errors import CallgateError, PolicyError
from callgate.policy.load import load_policy
from callgate.policyloader import PolicyLoad, settled

ROOT = Path(__file__).resolve().parents[2]
POLICIES = sorted(path for path in (ROOT / "policies").rglob("*") if path.suffix in (".yaml", ".json"))
POLICIES = [path for path in POLICIES if "schema" not in path.name]


@pytest.mark.parametrize("path", POLICIES, ids=lambda path: path.name)
def test_the_document_is_the_same_as_if_it_were_read_here(path: Path) -> None:
    assert PolicyLoad(str(path)).result() == load_policy(path.read_bytes(), str(path))


def test_numbers_arrive_digit_for_digit(tmp_path: Path) -> None:
    file = tmp_path / "p.yaml"
    file.write_text(
        "tools: {t: {rules: [{when: {args.a: {in: [0.1000000000000000055511151231257827, 1.50, "
        "123456789012345678901234567890, 1e2, '1.5', true]}}}]}}\n"
    )
    document = PolicyLoad(str(file)).result()
    assert document == load_policy(file.read_bytes(), str(file))
    values = document.tools[0].rules[0].when[0].value
    assert values[0] == Decimal("0.1000000000000000055511151231257827")
    assert values[2] == 123456789012345678901234567890
    assert values[4] == "1.5"
    assert values[5] is True
    assert not any(isinstance(value, float) for value in values)


def test_every_finding_arrives_with_its_place(tmp_path: Path) -> None:
    file = tmp_path / "p.yaml"
    file.write_text("defaul: deny\ntools: {t: {rules: [{action: maybe}]}}\n")
    with pytest.raises(PolicyError) as here:
        load_policy(file.read_bytes(), str(file))
    with pytest.raises(PolicyError) as there:
        PolicyLoad(str(file)).result()
    assert there.value.diagnostics == here.value.diagnostics
    assert len(there.value.diagnostics) == 2


def test_a_file_that_is_not_there_is_a_policy_error(tmp_path: Path) -> None:
    with pytest.raises(CallgateError) as error:
        PolicyLoad(str(tmp_path / "none.yaml")).result()
    assert error.value.exit_status == 3


def test_a_reader_that_dies_is_an_error_and_no_policy(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = tmp_path / "p.yaml"
    file.write_text("default: deny\n")
    # What a crash in native code does to the process: it is gone without a word.
    monkeypatch.setattr(callgate.policy.load, "load_policy", lambda *_: os.abort())
    with pytest.raises(CallgateError) as error:
        PolicyLoad(str(file)).result()
    assert (error.value.code, error.value.exit_status) == ("POL090", 3)


def tell(text: str) -> None:
    """Send `text` home as a finding."""
    raise PolicyError([Diagnostic("error", "POL010", text)])


def test_the_reader_holds_no_descriptor_of_the_gate_open(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = tmp_path / "p.yaml"
    file.write_text("default: deny\n")
    reader, writer = os.pipe()
    wait_r, wait_w = os.pipe()
    # The reader's process says what it has open instead of what the file holds.
    monkeypatch.setattr(
        callgate.policy.load,
        "load_policy",
        lambda *_: tell(" ".join(os.listdir("/proc/self/fd"))),
    )
    with pytest.raises(CallgateError) as error:
        PolicyLoad(str(file)).result()
    opened = [int(word) for word in error.value.message.split()]
    assert writer not in opened
    assert wait_w not in opened
    for fd in (reader, writer, wait_r, wait_w):
        os.close(fd)


def test_a_policy_that_was_written_to_while_it_was_read_is_read_again(tmp_path: Path) -> None:
    file = tmp_path / "p.yaml"
    file.write_text("tools:\n  a: {rules: []}\n")
    load = PolicyLoad(str(file))
    load.result  # noqa: B018  (the reader is under way)
    with open(file, "a") as rest:
        rest.write("  b: {rules: [{action: deny}]}\n")
    last, document = settled(load)
    assert [tool.pattern for tool in document.tools] == ["a", "b"]
    assert last.is_current()


def test_a_policy_that_never_rests_is_an_error(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = tmp_path / "p.yaml"
    file.write_text("default: deny\n")
    monkeypatch.setattr(PolicyLoad, "is_current", lambda _: False)
    monkeypatch.setattr(callgate.policyloader, "_TRIES", 2)
    with pytest.raises(CallgateError) as error:
        settled(PolicyLoad(str(file)))
    assert (error.value.code, error.value.exit_status) == ("POL091", 3)


def test_a_reader_that_hangs_is_killed_and_counts_as_dead(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = tmp_path / "p.yaml"
    file.write_text("default: deny\n")
    monkeypatch.setattr(callgate.policy.load, "load_policy", lambda *_: signal.pause())
    monkeypatch.setattr(callgate.policyloader, "WALL_SECONDS", 0.0)
    with pytest.raises(CallgateError) as error:
        PolicyLoad(str(file)).result()
    assert (error.value.code, error.value.exit_status) == ("POL090", 3)
