"""What stands in a record: bounded, plain ASCII, and no more of the arguments than was asked for."""

import hashlib
import json
from pathlib import Path
from typing import Any

import msgspec
import pytest
from audit_samples import TIME, decision, open_audit, outcome, read_back
from hypothesis import given
from hypothesis import strategies as st

from callgate.audit.arguments import MAX_NAMES, describe_arguments
from callgate.audit.chain import MAX_LINE
from callgate.audit.encode import PLAIN_LENGTH, encode
from callgate.audit.record import DecisionRecord, EventRecord, OutcomeRecord
from callgate.audit.timestamp import Timestamp
from callgate.clock import ManualClock
from callgate.errors import AuditError

JSON = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**62), 2**62)
    | st.text(st.characters(codec="utf-8"), max_size=20),
    lambda children: (
        st.lists(children, max_size=5)
        | st.dictionaries(st.text(st.characters(codec="utf-8"), max_size=10), children, max_size=5)
    ),
    max_leaves=20,
)
OBJECTS = st.dictionaries(st.text(st.characters(codec="utf-8"), max_size=10), JSON, max_size=8)


def with_arguments(arguments: dict[str, Any], mode: Any) -> bytes:
    described = describe_arguments(arguments, msgspec.json.encode(arguments), mode)
    return encode(msgspec.structs.replace(decision(), arguments=described))


def test_fields_have_a_fixed_order_and_absent_ones_are_left_out() -> None:
    assert encode(decision()) == (
        b'{"kind":"decision","id":"d1","time":"2026-03-01T09:30:00.125Z","session":"session","identity":"local",'
        b'"server":"files","tool":"read_file","effect":"allow","policy":"0123456789ab","request":7}'
    )
    assert encode(outcome()) == (
        b'{"kind":"outcome","id":"d1","time":"2026-03-01T09:30:00.125Z","status":"ok","duration_ms":1.25,'
        b'"response_bytes":120}'
    )


@given(st.text(max_size=300), st.text(max_size=3000))
def test_hostile_text_is_one_line_of_plain_ascii(tool: str, reason: str) -> None:
    line = encode(msgspec.structs.replace(decision(tool=tool), reason=reason))
    assert line.isascii()
    assert not any(byte < 0x20 for byte in line)
    assert len(line) < 2 * PLAIN_LENGTH


@given(st.text(st.characters(codec="utf-8"), max_size=300))
def test_text_of_ordinary_length_is_kept_exactly(tool: str) -> None:
    assert json.loads(encode(decision(tool=tool)))["tool"] == tool


def test_text_is_bounded() -> None:
    text = "x" * 1_000_000
    record = DecisionRecord(text, text, text, text, text, text, "deny", text, request=text, reason=text)
    assert len(encode(record)) < 2 * PLAIN_LENGTH
    assert len(encode(EventRecord(TIME, "frame_refused", detail="\x1b" * 1_000_000))) < 2 * PLAIN_LENGTH


def test_lone_surrogates_and_huge_ids_are_recorded_rather_than_lost() -> None:
    record = json.loads(encode(msgspec.structs.replace(decision(tool="a\ud800b"), request=10**40)))
    assert (record["tool"], record["request"]) == ("a\ufffdb", "integer of 133 bits")


@given(OBJECTS)
def test_the_hash_is_of_the_very_bytes_that_are_forwarded(arguments: dict[str, Any]) -> None:
    raw = msgspec.json.encode(arguments)
    assert describe_arguments(arguments, raw, "hash") == "sha256:" + hashlib.sha256(raw).hexdigest()


@given(OBJECTS)
def test_full_arguments_read_back_as_they_were(arguments: dict[str, Any]) -> None:
    line = with_arguments(arguments, "full")
    assert line.isascii()
    assert json.loads(line)["arguments"] == arguments


def test_full_arguments_keep_every_digit_and_stay_on_one_line() -> None:
    raw = b'{"amount":1.0,\n"big":123456789012345678901234567890,"e":1e2}'
    line = encode(msgspec.structs.replace(decision(), arguments=describe_arguments({}, raw, "full")))
    assert line.endswith(b'"arguments":{"amount":1.0, "big":123456789012345678901234567890,"e":1e2}}')


def test_a_description_has_names_types_and_lengths_and_no_value() -> None:
    arguments = {
        "path": "/etc/shadow",
        "n": 4711,
        "on": True,
        "none": None,
        "list": ["pin", 2],
        "in": {"pw": "hunter2"},
    }
    described = describe_arguments(arguments, b"", "redacted")
    assert described == {
        "path": "string of 11",
        "n": "number",
        "on": "boolean",
        "none": "null",
        "list": "array of 2",
        "in": {"pw": "string of 7"},
    }
    for secret in (b"shadow", b"4711", b"pin", b"hunter2"):
        assert secret not in with_arguments(arguments, "redacted")


def test_a_description_is_bounded_in_names_and_in_depth() -> None:
    deep: dict[str, Any] = {}
    for _ in range(500):
        deep = {"in": deep}
    wide = {f"{'k' * 500}{n}": {str(m): n for m in range(100)} for n in range(1000)}
    assert len(with_arguments({"deep": deep, "wide": wide}, "redacted")) < 200 * MAX_NAMES
    many = describe_arguments({str(n): n for n in range(MAX_NAMES + 3)}, b"", "redacted")
    assert isinstance(many, dict)
    assert many["…"] == "3 more"


def test_a_record_that_is_too_long_is_refused_and_the_next_one_is_written(tmp_path: Path) -> None:
    audit = open_audit(tmp_path / "a.jsonl")
    raw = b'{"a":"' + b"x" * MAX_LINE + b'"}'
    with pytest.raises(AuditError) as caught:
        audit.append([msgspec.structs.replace(decision(), arguments=msgspec.Raw(raw))])
    assert caught.value.code == "AUD006"
    audit.append([decision()])
    assert read_back(tmp_path / "a.jsonl").decisions == 1


def test_a_long_record_is_written_verified_and_continued(tmp_path: Path) -> None:
    raw = b'{"a":"' + b"x" * (MAX_LINE - 1000) + b'"}'
    open_audit(tmp_path / "a.jsonl").append([msgspec.structs.replace(decision(), arguments=msgspec.Raw(raw))])
    open_audit(tmp_path / "a.jsonl").append([outcome()])
    report = read_back(tmp_path / "a.jsonl")
    assert (report.intact, report.decisions, report.outcomes) == (True, 1, 1)


def test_times_are_utc_with_milliseconds_and_follow_the_wall_clock_both_ways() -> None:
    clock = ManualClock(wall_ns=1_772_357_400_125_999_999)
    timestamp = Timestamp(clock)
    assert timestamp() == "2026-03-01T09:30:00.125Z"
    clock.step_wall(0.9)
    assert timestamp() == "2026-03-01T09:30:01.025Z"
    clock.step_wall(-3600.0)
    assert timestamp() == "2026-03-01T08:30:01.025Z"


def test_durations_are_exact_to_the_microsecond() -> None:
    assert b'"duration_ms":0.001}' in encode(OutcomeRecord("d1", TIME, "ok", duration_ms=0.001))
