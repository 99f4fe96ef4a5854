"""A call that the audit cannot write down, on the real audit: it alone is denied, and nobody else notices."""

import json
from pathlib import Path
from typing import Any

import pytest
from msgspec import Raw
from msgspec.json import encode as to_json

from callgate import denial_codes as code
from callgate.audit.chain import MAX_LINE
from callgate.audit.encode import encode, fits
from callgate.audit.jsonl import JsonlAudit
from callgate.audit.record import DecisionRecord
from callgate.clock import ManualClock
from callgate.gate.admit import Gate
from callgate.gate.call import Admission, Call, Caller
from callgate.policy.compile import compile_policy
from callgate.policy.load import load_policy
from callgate.serve.judging import _Turn, run_turn
from callgate.state.memory import MemoryLedger

POLICY = b"""
default: allow
hide: [secret]
tools: {echo: {rules: [{rate_limit: 1/hour}]}, rm: {rules: [{action: deny}]}}
"""
LONG = {"text": "é" * (MAX_LINE // 5)}
"""Less than a frame may have, and as ASCII more than a record may."""


class Scene:
    def __init__(self, folder: Path) -> None:
        clock = ManualClock()
        self.path = folder / "audit.jsonl"
        self.audit = JsonlAudit(str(self.path), sync="none", clock=clock)
        self.policy = compile_policy(load_policy(POLICY, "policy.yaml"))
        self.caller = Caller("s", "ann", "srv")
        self.gate = Gate(
            self.policy, MemoryLedger(clock), self.audit, self.caller, clock, arguments_mode="full"
        )

    def call(self, arguments: dict[str, Any], tool: str = "echo", identity: str = "ann") -> Call:
        return Call(self.policy, Caller(identity, identity, "srv"), tool, arguments, 1)

    def written(self) -> list[dict[str, Any]]:
        self.audit.close()
        found = [json.loads(line) for line in self.path.read_text().splitlines()]
        return [one for one in found if one["kind"] != "start"]


def codes(admissions: list[Admission]) -> list[str | None]:
    return [None if one.denial is None else one.denial.code for one in admissions]


def test_a_call_whose_record_is_too_long_is_denied_alone_and_the_turn_is_written(tmp_path: Path) -> None:
    scene = Scene(tmp_path)
    turn = _Turn([scene.call(LONG, identity="eve"), scene.call({"text": "hi"}, "other")], [], [], [])
    admissions, error = run_turn(scene.gate, turn)
    assert error is None
    assert codes(admissions) == [code.RECORD_TOO_LONG, None]
    denied, outcome, allowed = scene.written()
    assert (denied["effect"], denied["code"], outcome["status"]) == ("deny", "DEN032", "denied")
    assert denied["arguments"].startswith("sha256:")
    assert (allowed["effect"], allowed["arguments"]) == ("allow", {"text": "hi"})


def test_the_same_holds_for_one_agent_and_the_call_spends_nothing(tmp_path: Path) -> None:
    scene = Scene(tmp_path)
    judged = [scene.gate.admit("echo", one, number) for number, one in enumerate((LONG, {}, {}))]
    scene.gate.commit()
    assert codes(judged) == [code.RECORD_TOO_LONG, None, code.LIMIT_REACHED]
    assert [one["effect"] for one in scene.written() if one["kind"] == "decision"] == [
        "deny",
        "allow",
        "deny",
    ]


@pytest.mark.parametrize("tool", ["rm", "secret"])
def test_a_call_that_is_denied_anyway_keeps_what_was_decided(tmp_path: Path, tool: str) -> None:
    scene = Scene(tmp_path)
    short, long = scene.gate.admit_all([scene.call({}, tool), scene.call(LONG, tool)])
    scene.gate.commit()
    assert long.denial == short.denial or (short.denial is None and long.hidden)
    records = [one for one in scene.written() if one["kind"] == "decision"]
    assert [one["effect"] for one in records] == ["deny", "deny"]
    assert records[0]["code"] == records[1]["code"]


@pytest.mark.parametrize("letter", ["x", "\x7f", "é", "文", "😀", '"'])
def test_whatever_is_said_to_fit_can_be_encoded(letter: str) -> None:
    for size in (MAX_LINE // 13, MAX_LINE // 3 - (1 << 16), MAX_LINE // 3):
        count = size // len(letter.encode())
        raw = to_json({"a": letter * count})
        wide = "😀" * 600
        record = DecisionRecord(
            "d", wide, wide, wide, wide, wide, "allow", wide, wide, Raw(raw), *(wide,) * 3
        )
        if fits(record, len(raw)):
            assert len(encode(record)) < MAX_LINE
