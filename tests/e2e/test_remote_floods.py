"""A server over HTTP that sends what is no message, without end: it costs a few lines and records, and its stream."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from tests.support.gate_process import GateProcess
from tests.support.scripted_http import STREAM, Request, ScriptedServer, event, legacy, result

from callgate.telemetry.sampling import MOST
from callgate.upstream.flood import MAX_DROPPED


@pytest.mark.parametrize("garbage", [1, {"no": "message"}], ids=["no object", "no message"])
def test_a_call_whose_answer_is_a_flood_of_garbage_gets_an_error_and_few_records(
    tmp_path: Path, garbage: Any
) -> None:
    def call(request: Request) -> Iterator[bytes] | bytes:
        if (request.message.get("params") or {}).get("name") != "flood":
            return STREAM + event(result(request, {"content": []})) + b"0\r\n\r\n"
        return iter([STREAM, event({"id": 99, **garbage} if type(garbage) is dict else 1) * 3 * MAX_DROPPED])

    audit = tmp_path / "audit.jsonl"
    (tmp_path / "policy.yaml").write_text("default: allow\nhide: [secret]\n")
    with ScriptedServer(legacy(call)) as server:
        options = ["--state", "memory://", "--audit", str(audit), "--upstream", server.url]
        with GateProcess(tmp_path / "policy.yaml", [], *options) as agent:
            agent.initialize()
            assert agent.call("flood", request_id=1)["error"]["data"]["code"] == "UPS053"
            assert "result" in agent.call("echo", request_id=2)
    records = [json.loads(line) for line in audit.read_text().splitlines()]
    refused = [one for one in records if one.get("event") == "frame_refused"]
    assert len(refused) == MOST + 1
    assert refused[-1]["detail"].startswith(f"{MAX_DROPPED - MOST} more frames of the server were refused")
