"""Callers of one identity share a child of 2026-07-28 and never get each other's frames; other eras are named."""

import json
import os
import signal
import sys
from collections.abc import Iterator
from typing import Any

import pytest
from msgspec import structs
from stdio_fixture import (
    ANSWER,
    LEGACY,
    MODERN,
    SUPPORT,
    Bench,
    RecordingSink,
    another,
    bench_on_a_loop,
    puppet,
    rpc,
)

from callgate.clock import ManualClock
from callgate.upstream.modern_lane import DISCOVER_SECONDS
from callgate.upstream.stdio import ERA_SECONDS, StdioUpstream

SUBSCRIPTION = "io.modelcontextprotocol/subscriptionId"
LOG_LEVEL = "io.modelcontextprotocol/logLevel"


@pytest.fixture
def bench() -> Iterator[Bench]:
    with bench_on_a_loop() as bench:
        yield bench


@pytest.fixture
def server(bench: Bench) -> StdioUpstream:
    return puppet(bench, "modern")


def advance(bench: Bench, seconds: float) -> None:
    assert isinstance(bench.clock, ManualClock)
    bench.clock.advance(seconds)


def say(bench: Bench, server: StdioUpstream, *lines: str, **options: Any) -> RecordingSink:
    return bench.call(server, MODERN, "say", lines=list(lines), **options)


def seen(bench: Bench, server: StdioUpstream) -> list[dict[str, object]]:
    sink = bench.call(server, MODERN, "seen")
    bench.wait(sink)
    found: list[dict[str, object]] = sink.messages[-1]["result"]["seen"]
    return found


def test_the_child_is_asked_for_its_versions_by_the_gate_before_the_first_frame(
    bench: Bench, server: StdioUpstream
) -> None:
    capabilities: Any = {"io.modelcontextprotocol/clientCapabilities": {"sampling": {}}}
    bench.wait(bench.call(server, MODERN, "x", meta=capabilities))
    first, second, *_ = seen(bench, server)
    assert first["method"] == "server/discover"
    params = first["params"]
    assert isinstance(params, dict)
    meta = params["_meta"]
    assert meta["io.modelcontextprotocol/clientCapabilities"] == {"sampling": {}}
    assert meta["io.modelcontextprotocol/protocolVersion"] == "2026-07-28"
    assert meta["io.modelcontextprotocol/clientInfo"]["name"] == "callgate"
    assert second["method"] == "tools/call"
    assert sum(message["method"] == "server/discover" for message in seen(bench, server)) == 1


def test_an_identity_has_one_child_and_another_identity_another(bench: Bench, server: StdioUpstream) -> None:
    sinks = [bench.call(server, route, "x") for route in (MODERN, MODERN, another(MODERN, "bob"))]
    bench.wait(*sinks)
    alice, alice_again, bob = (sink.result["pid"] for sink in sinks)
    assert alice == alice_again != bob


def test_requests_with_the_same_id_and_progress_token_get_each_what_is_theirs(
    bench: Bench, server: StdioUpstream
) -> None:
    progress = (
        '{"jsonrpc":"2.0","method":"notifications/progress","params":{"progressToken":@TOKEN@,"progress":%d}}'
    )
    result = '{"jsonrpc":"2.0","id":@ID@,"result":{"resultType":"complete","for":%d}}'
    sinks = [
        say(bench, server, progress % number, result % number, id=id, meta={"progressToken": token})
        for number, (id, token) in enumerate([(1, "t"), (1, "t"), ("1", 1), (1, 1)])
    ]
    bench.wait(*sinks)
    for number, (sink, (id, token)) in enumerate(
        zip(sinks, [(1, "t"), (1, "t"), ("1", 1), (1, 1)], strict=True)
    ):
        told, answer = sink.messages
        assert told["params"] == {"progressToken": token, "progress": number}
        assert (answer["id"], answer["result"]["for"]) == (id, number)
        assert sink.ids == [None, None]
    calls = [message for message in seen(bench, server) if message["method"] == "tools/call"]
    assert len({json.dumps(message["id"]) for message in calls}) == len(calls)


def test_subscriptions_with_the_same_id_get_each_what_is_theirs(bench: Bench, server: StdioUpstream) -> None:
    one = bench.request(server, MODERN, "subscriptions/listen", id="s")
    two = bench.request(server, MODERN, "subscriptions/listen", id="s")
    bench.until(lambda: bool(one.events and two.events))
    listens = [
        message["id"] for message in seen(bench, server) if message["method"] == "subscriptions/listen"
    ]
    changed = {"jsonrpc": "2.0", "method": "notifications/tools/list_changed"}
    second = json.dumps({**changed, "params": {"_meta": {SUBSCRIPTION: listens[1]}}})
    ending = {
        "jsonrpc": "2.0",
        "id": listens[1],
        "result": {"resultType": "complete", "_meta": {SUBSCRIPTION: listens[1]}},
    }
    bench.wait(say(bench, server, second, json.dumps(ending), ANSWER), two)
    assert [message["params"]["_meta"][SUBSCRIPTION] for message in (*one.messages, *two.messages[:2])] == [
        "s"
    ] * 3
    assert two.messages[2] == {
        **ending,
        "id": "s",
        "result": {"resultType": "complete", "_meta": {SUBSCRIPTION: "s"}},
    }
    assert len(one.events) == 1
    assert not one.done


def test_all_but_the_id_of_an_answer_stays_as_the_server_wrote_it(
    bench: Bench, server: StdioUpstream
) -> None:
    result = r'{"resultType":"complete", "n": [1.0, 1e2, 123456789012345678901234567890], "s":"\u00fc\/", "id": 3 }'
    sink = say(bench, server, '{"result":' + result + ',"jsonrpc":"2.0","id":@ID@}', id="mine")
    bench.wait(sink)
    assert sink.raw == [b'{"result":' + result.encode() + b',"jsonrpc":"2.0","id":"mine"}']


def test_a_request_keeps_its_values_digit_for_digit_on_the_way_to_the_child(
    bench: Bench, server: StdioUpstream
) -> None:
    sink = bench.call(
        server, MODERN, "x", meta={"progressToken": 5}, big=12345678901234567890123, text="\u2028"
    )
    bench.wait(sink)
    assert sink.result["got"]["params"]["arguments"] == {"big": 12345678901234567890123, "text": "\u2028"}


def test_log_messages_go_to_the_latest_request_that_asked_for_them(
    bench: Bench, server: StdioUpstream
) -> None:
    sinks = [
        bench.call(server, MODERN, "hold", meta={LOG_LEVEL: "debug"}),
        bench.call(server, MODERN, "hold", meta={LOG_LEVEL: "debug"}),
        bench.call(server, MODERN, "hold"),
    ]
    bench.wait(say(bench, server, rpc("notifications/message", data="x"), ANSWER))
    assert [len(sink.events) for sink in sinks] == [0, 1, 0]


def test_what_belongs_to_no_request_reaches_nobody(bench: Bench, server: StdioUpstream) -> None:
    listener = bench.request(server, MODERN, "subscriptions/listen")
    bench.until(lambda: bool(listener.events))
    lines = [
        rpc("notifications/progress", progressToken="1", progress=1),
        rpc("notifications/progress", progressToken=10**9, progress=1),
        rpc("notifications/progress", progressToken=1, progress=1),
        rpc("notifications/tools/list_changed"),
        rpc("notifications/tools/list_changed", _meta={SUBSCRIPTION: "1"}),
        rpc("notifications/message", data="x"),
        '{"jsonrpc":"2.0","id":0,"result":{"resultType":"complete"}}',
        '{"jsonrpc":"2.0","id":"1","result":{"resultType":"complete"}}',
    ]
    sink = say(bench, server, *lines, ANSWER)
    bench.wait(sink)
    assert len(sink.events) == 1
    assert len(listener.events) == 1


def test_a_request_of_the_server_is_answered_at_once_there_are_none(
    bench: Bench, server: StdioUpstream
) -> None:
    sink = say(bench, server, rpc("roots/list", id="s1"), ANSWER)
    bench.wait(sink)
    assert len(sink.events) == 1
    answered = [message for message in seen(bench, server) if message["id"] == "s1"]
    assert answered[0]["error"]["code"] == -32601  # type: ignore[index]


def test_a_cancelled_request_is_cancelled_at_the_child_and_its_late_answer_dropped(
    bench: Bench, server: StdioUpstream
) -> None:
    sink = bench.call(server, MODERN, "hold", id="mine")
    bench.wait(bench.call(server, MODERN, "x"))
    sink.handle.cancel()
    received = seen(bench, server)
    held = next(m["id"] for m in received if m.get("params", {}).get("name") == "hold")  # type: ignore[attr-defined]
    assert received[-2] == {
        "jsonrpc": "2.0",
        "method": "notifications/cancelled",
        "params": {"requestId": held},
    }
    bench.wait(
        say(bench, server, f'{{"jsonrpc":"2.0","id":{held},"result":{{"resultType":"complete"}}}}', ANSWER)
    )
    assert sink.status is None
    assert server.in_flight == 0


def test_a_request_cancelled_before_the_child_runs_is_never_sent(bench: Bench, server: StdioUpstream) -> None:
    left, kept = bench.call(server, MODERN, "left"), bench.call(server, MODERN, "kept")
    left.handle.cancel()
    bench.wait(kept)
    assert '"left"' not in json.dumps(seen(bench, server))


def test_a_notification_of_an_agent_is_accepted_and_goes_nowhere(bench: Bench, server: StdioUpstream) -> None:
    held = bench.call(server, MODERN, "hold", id=1)
    sink = bench.send(server, MODERN, {"method": "notifications/cancelled", "params": {"requestId": 1}})
    bench.wait(sink)
    assert (sink.status, sink.is_closed) == (202, True)
    assert not any(message["method"] == "notifications/cancelled" for message in seen(bench, server))
    assert not held.done


def test_there_is_no_listening_stream(bench: Bench, server: StdioUpstream) -> None:
    sink = bench.listen(server, MODERN)
    bench.wait(sink)
    assert sink.status == 405


def test_a_server_of_the_handshake_eras_gets_nothing_and_no_child_is_kept(bench: Bench) -> None:
    server = puppet(bench, "legacy")
    sinks = [
        bench.call(server, MODERN, "x"),
        bench.call(server, MODERN, "y"),
        bench.call(server, another(MODERN, "b"), "x"),
    ]
    bench.wait(*sinks)
    for sink in sinks:
        assert sink.failure is not None
        assert (sink.failure.kind, sink.code, sink.failure.ran) == ("era", "UPS048", False)
    bench.settle(server)
    later = bench.call(server, MODERN, "x")
    bench.wait(later)
    assert later.code == "UPS048"
    assert server.children == 0
    # A handshake is served all the same, and tells which versions there are.
    bench.initialize(server)
    later = bench.call(server, MODERN, "x")
    bench.wait(later)
    assert later.failure is not None
    assert later.failure.supported == ("2025-11-25",)
    # It may be another server after an update.
    advance(bench, ERA_SECONDS + 1)
    bench.call(server, MODERN, "x")
    assert server.children == 2


def test_a_child_that_does_not_say_what_it_speaks_is_ended_in_time(bench: Bench) -> None:
    server = puppet(bench, "mute")
    sink = bench.call(server, MODERN, "x")
    advance(bench, DISCOVER_SECONDS - 0.1)
    server.sweep()
    assert not sink.done
    advance(bench, 0.2)
    server.sweep()
    bench.wait(sink)
    assert sink.failure is not None
    assert (sink.failure.kind, sink.code, sink.failure.ran) == ("timeout", "UPS050", False)
    bench.settle(server)


def test_a_late_answer_times_out_and_the_child_is_told(bench: Bench, server: StdioUpstream) -> None:
    bench.wait(bench.call(server, MODERN, "x"))
    sink = bench.call(server, MODERN, "hold")
    advance(bench, 61)
    server.sweep()
    assert sink.code == "UPS042"
    assert seen(bench, server)[-2]["method"] == "notifications/cancelled"


def test_a_stream_that_has_begun_waits_as_long_as_its_server_wants(
    bench: Bench, server: StdioUpstream
) -> None:
    sink = bench.request(server, MODERN, "subscriptions/listen")
    bench.until(lambda: bool(sink.events))
    advance(bench, 100_000)
    server.sweep()
    assert not sink.done


def test_a_killed_child_fails_what_is_open_and_the_next_frame_starts_another(
    bench: Bench, server: StdioUpstream
) -> None:
    who, held = bench.call(server, MODERN, "x"), bench.call(server, MODERN, "hold")
    bench.wait(who)
    bench.wait(bench.call(server, MODERN, "y"))
    os.kill(who.result["pid"], signal.SIGKILL)
    bench.wait(held)
    assert held.failure is not None
    assert (held.failure.kind, held.code, held.failure.ran) == ("closed", "UPS041", True)
    again = bench.call(server, MODERN, "x")
    bench.wait(again)
    assert again.result["pid"] != who.result["pid"]


def test_a_child_that_ends_again_and_again_is_not_started_for_ever(
    bench: Bench, server: StdioUpstream
) -> None:
    for _ in range(3):
        sink = bench.call(server, MODERN, "exit", status=7)
        bench.wait(sink)
        assert (sink.code, bench.logged("exit status 7")) == ("UPS041", True)
    refused = bench.call(server, MODERN, "x")
    bench.wait(refused)
    assert refused.failure is not None
    assert (refused.code, refused.failure.ran, refused.failure.retry_after) == ("UPS049", False, 1)
    assert "in 1 seconds" in refused.failure.text
    # That is this caller's own doing: others are served.
    bench.wait(other := bench.call(server, another(MODERN, "bob"), "x"))
    assert other.is_closed
    advance(bench, 1)
    bench.wait(again := bench.call(server, MODERN, "x"))
    assert again.is_closed


def test_an_unknown_version_is_the_servers_to_refuse(bench: Bench) -> None:
    server = bench.upstream(sys.executable, SUPPORT / "modern_server.py")
    sink = bench.request(server, structs.replace(MODERN, version="2027-01-01"), "tools/list")
    bench.wait(sink)
    assert sink.answer["error"]["code"] == -32022
    assert sink.answer["error"]["data"]["supported"] == ["2026-07-28"]


def test_both_eras_are_served_by_one_upstream_side_by_side(bench: Bench) -> None:
    server = bench.upstream(sys.executable, SUPPORT / "modern_server.py")
    modern = bench.call(server, MODERN, "add", a=1, b=2)
    bench.initialize(server)
    legacy = bench.call(server, LEGACY, "add", a=1, b=2)
    bench.wait(modern, legacy)
    assert modern.result["structuredContent"] == legacy.result["structuredContent"]
    assert server.children == 2
