"""A gate that is told to end while servers keep its calls hanging ends in time, and every call has an outcome."""

import json
import threading
from contextlib import suppress
from http.client import HTTPException
from pathlib import Path

import pytest
from tests.support.raw_agent import RawAgent
from tests.support.recording_http_server import Received, RecordingHttpServer
from tests.support.serve_process import ServeProcess

STREAM = b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n"


@pytest.mark.parametrize("answer", [STREAM, b""], ids=["a stream without end", "no answer"])
@pytest.mark.parametrize("sync", ["full", "none"])
def test_calls_that_hang_when_the_gate_ends_are_recorded(tmp_path: Path, answer: bytes, sync: str) -> None:
    arrived = threading.Semaphore(0)

    def hangs(request: Received) -> bytes | None:
        if request.method == "POST" and request.frame.get("method") == "tools/call":
            arrived.release()
            return answer
        return None

    audit = tmp_path / "audit.jsonl"
    with RecordingHttpServer(replies=hangs) as recording:
        options = ("--audit", str(audit), "--audit-sync", sync, "--log-level", "error")
        settings = {"state": "memory://", "drain": "300ms"}
        gate = ServeProcess(tmp_path, {"srv": {"url": recording.url}}, *options, settings=settings)

        def call(era: str) -> None:
            agent = RawAgent(gate.port, "/srv/mcp")
            # The gate may end the connection without a word.
            with suppress(OSError, HTTPException):
                (agent.modern_call if era == "modern" else agent.call)("echo", {"text": "x"})

        callers = [threading.Thread(target=call, args=(era,)) for era in ("modern", "legacy") * 3]
        for caller in callers:
            caller.start()
        for _ in callers:
            assert arrived.acquire(timeout=30)
        assert gate.stop() == 0
        for caller in callers:
            caller.join()
    records = [json.loads(line) for line in audit.read_text().splitlines()]
    decided = sorted(one["id"] for one in records if one["kind"] == "decision")
    ended = {one["id"]: one["status"] for one in records if one["kind"] == "outcome"}
    assert decided == sorted(ended)
    # The self-test's own, and six of which nobody knows what came.
    assert sorted(ended.values()).count("denied") == 1
    assert len(ended) == 7
    assert set(ended.values()) <= {"denied", "unknown", "cancelled"}
