"""Sessions of the handshake eras over HTTP to a child: every frame finds its stream, and clients can come back."""

import json
import os
import signal
from collections.abc import Iterator
from typing import Any

import pytest
from stdio_fixture import ANSWER, LEGACY, Bench, RecordingSink, another, bench_on_a_loop, puppet, rpc

from callgate.clock import ManualClock
from callgate.upstream.legacy_lane import CANCEL_SECONDS
from callgate.upstream.stdio import StdioUpstream


@pytest.fixture
def bench() -> Iterator[Bench]:
    with bench_on_a_loop() as bench:
        yield bench


@pytest.fixture
def server(bench: Bench) -> StdioUpstream:
    upstream = puppet(bench, "legacy")
    assert bench.initialize(upstream).result["serverInfo"]["name"] == "puppet"
    return upstream


def clock(bench: Bench) -> ManualClock:
    assert isinstance(bench.clock, ManualClock)
    return bench.clock


def say(bench: Bench, server: StdioUpstream, *lines: str, **options: Any) -> RecordingSink:
    return bench.call(server, LEGACY, "say", lines=list(lines), **options)


def seen(bench: Bench, server: StdioUpstream) -> list[dict[str, object]]:
    sink = bench.call(server, LEGACY, "seen")
    bench.wait(sink)
    found: list[dict[str, object]] = sink.messages[-1]["result"]["seen"]
    return found


def test_a_session_that_never_began_is_not_known(bench: Bench) -> None:
    server = puppet(bench, "legacy")
    sinks = [bench.call(server, LEGACY, "x"), bench.listen(server), bench.end(server)]
    assert not any(sink.done for sink in sinks), "never before the caller has the handle"
    bench.wait(*sinks)
    for sink in sinks:
        assert sink.failure is not None
        assert (sink.failure.kind, sink.code, sink.failure.ran) == ("unknown_session", "UPS047", False)
    assert server.children == 0


def test_each_session_has_a_child_of_its_own(bench: Bench, server: StdioUpstream) -> None:
    bench.initialize(server, another(LEGACY, "session-2"))
    one, two = bench.call(server, LEGACY, "x"), bench.call(server, another(LEGACY, "session-2"), "x")
    bench.wait(one, two)
    assert one.result["pid"] != two.result["pid"]


def test_a_frame_reaches_the_child_as_it_was_given_and_an_answer_alone_is_no_stream(
    bench: Bench, server: StdioUpstream
) -> None:
    sink = bench.call(server, LEGACY, "x", id="a", text="ü\u2028\r\n")
    bench.wait(sink)
    assert sink.result["got"]["params"]["arguments"] == {"text": "ü\u2028\r\n"}
    assert (sink.status, sink.stream, sink.ids) == (200, False, [None])


def test_answers_find_their_requests_by_id_and_type(bench: Bench, server: StdioUpstream) -> None:
    number, text = bench.call(server, LEGACY, "hold", id=7), bench.call(server, LEGACY, "hold", id="7")
    odd = [
        '{"jsonrpc":"2.0","id":7.0,"result":{}}',
        '{"jsonrpc":"2.0","id":null,"error":{"code":1,"message":""}}',
    ]
    last = say(bench, server, '{"jsonrpc":"2.0","id":"7","result":{"for":"text"}}', *odd, ANSWER)
    bench.wait(text, last)
    assert text.result == {"for": "text"}
    assert not number.done


def test_a_second_request_with_an_id_in_flight_is_refused_and_never_sent(
    bench: Bench, server: StdioUpstream
) -> None:
    first = bench.call(server, LEGACY, "hold", id=7)
    second = bench.call(server, LEGACY, "twice", id=7)
    bench.wait(second)
    assert second.failure is not None
    assert (second.code, second.failure.ran) == ("WIR051", False)
    assert not any("twice" in json.dumps(message) for message in seen(bench, server))
    assert not first.done


def test_a_notification_and_an_answer_of_the_agent_are_accepted_and_sent(
    bench: Bench, server: StdioUpstream
) -> None:
    sinks = [
        bench.send(server, LEGACY, {"method": "notifications/roots/list_changed"}),
        bench.send(server, LEGACY, {"id": "s1", "result": {"roots": []}}),
    ]
    bench.wait(*sinks)
    assert [(sink.status, sink.stream, sink.events) for sink in sinks] == [(202, False, [])] * 2
    received = seen(bench, server)
    assert {"jsonrpc": "2.0", "id": "s1", "result": {"roots": []}} in received
    assert {"jsonrpc": "2.0", "method": "notifications/roots/list_changed"} in received


def test_what_comes_before_the_answer_makes_it_a_stream_with_ids(bench: Bench, server: StdioUpstream) -> None:
    sink = say(bench, server, rpc("notifications/message", data="x"), rpc("roots/list", id="s1"), ANSWER)
    bench.wait(sink)
    assert sink.stream is True
    assert [message.get("method") for message in sink.messages] == [
        "notifications/message",
        "roots/list",
        None,
    ]
    streams = {str(id).split("-")[0] for id in sink.ids}
    assert len(streams) == 1
    assert len(set(sink.ids)) == 3


def test_progress_belongs_to_the_request_that_carries_the_token(bench: Bench, server: StdioUpstream) -> None:
    for_number = bench.call(server, LEGACY, "hold", meta={"progressToken": 1})
    for_text = bench.call(server, LEGACY, "hold", meta={"progressToken": "1"})
    bench.call(server, LEGACY, "hold")
    say(bench, server, rpc("notifications/progress", progressToken="1", progress=5))
    bench.until(lambda: bool(for_text.events))
    assert not for_number.events


def test_a_servers_request_goes_to_the_only_request_in_flight_even_if_somebody_listens(
    bench: Bench, server: StdioUpstream
) -> None:
    listener = bench.listen(server)
    sink = say(bench, server, rpc("sampling/createMessage", id=1))
    bench.until(lambda: bool(sink.events))
    assert listener.status == 200
    assert listener.stream is True
    assert not listener.events


def test_among_several_requests_in_flight_the_listening_stream_gets_it(
    bench: Bench, server: StdioUpstream
) -> None:
    bench.call(server, LEGACY, "hold")
    listener = bench.listen(server)
    bench.turns()
    say(bench, server, rpc("sampling/createMessage", id=1))
    bench.until(lambda: bool(listener.events))


def test_without_a_listening_stream_the_latest_open_request_gets_it(
    bench: Bench, server: StdioUpstream
) -> None:
    bench.call(server, LEGACY, "hold")
    latest = say(bench, server, rpc("sampling/createMessage", id=1))
    bench.until(lambda: bool(latest.events))


def test_what_nobody_can_take_waits_for_the_next_listening_stream(
    bench: Bench, server: StdioUpstream
) -> None:
    sink = say(bench, server, ANSWER, rpc("notifications/message", data=1), rpc("roots/list", id=1))
    bench.until(lambda: bench.logged("said"))
    bench.wait(sink)
    listener = bench.listen(server)
    bench.until(lambda: len(listener.events) == 2)
    assert [message["method"] for message in listener.messages] == ["notifications/message", "roots/list"]
    again = bench.listen(server)
    bench.turns()
    assert not again.events


def test_a_servers_request_that_nobody_ever_takes_is_answered_when_the_bound_is_reached(
    bench: Bench, server: StdioUpstream
) -> None:
    requests = [rpc("roots/list", id=f"s{number}", pad="x" * 1000) for number in range(600)]
    say(bench, server, ANSWER, *requests)
    bench.until(lambda: bench.logged("said"))
    answered = [message for message in seen(bench, server) if str(message.get("id", "")).startswith("s")]
    assert 0 < len(answered) < 600
    assert answered[0]["id"] == "s0"
    assert "error" in answered[0]


def test_a_disconnect_cancels_nothing_and_the_answer_can_be_fetched_by_the_last_event_id(
    bench: Bench, server: StdioUpstream
) -> None:
    sink = say(bench, server, rpc("notifications/message", data=1), rpc("notifications/message", data=2))
    bench.until(lambda: len(sink.events) == 2)
    sink.handle.cancel()
    assert not any(message.get("method") == "notifications/cancelled" for message in seen(bench, server))
    id = json.dumps(bench.next_id - 1)  # of the call that was left
    bench.wait(say(bench, server, f'{{"jsonrpc":"2.0","id":{id},"result":{{"late":true}}}}', ANSWER))
    resumed = bench.listen(server, last=sink.ids[0])
    bench.wait(resumed)
    assert [m.get("params", m.get("result")) for m in resumed.messages] == [{"data": 2}, {"late": True}]
    assert resumed.ids[0] == sink.ids[1]
    assert len(sink.events) == 2


def test_a_stream_that_is_resumed_before_the_answer_goes_on(bench: Bench, server: StdioUpstream) -> None:
    sink = say(bench, server, rpc("notifications/message", data=1))
    bench.until(lambda: bool(sink.events))
    id = bench.next_id
    # Without a disconnect that the gate has noticed: the older connection gets no more.
    resumed = bench.listen(server, last=sink.ids[0])
    bench.wait(sink)
    assert sink.is_closed
    other = say(bench, server, f'{{"jsonrpc":"2.0","id":{id},"result":{{}}}}', ANSWER)
    bench.wait(resumed, other)
    assert resumed.messages == [{"jsonrpc": "2.0", "id": id, "result": {}}]


def test_a_listening_stream_is_resumed_where_it_broke(bench: Bench, server: StdioUpstream) -> None:
    listener = bench.listen(server)
    bench.turns()
    bench.wait(say(bench, server, ANSWER, *(rpc("notifications/message", data=n) for n in range(3))))
    bench.until(lambda: len(listener.events) == 3)
    listener.handle.cancel()
    resumed = bench.listen(server, last=listener.ids[0])
    bench.until(lambda: len(resumed.events) == 2)
    bench.wait(say(bench, server, ANSWER, rpc("notifications/message", data=3)))
    bench.until(lambda: len(resumed.events) == 3)
    assert [message["params"]["data"] for message in resumed.messages] == [1, 2, 3]


@pytest.mark.parametrize(
    "id", ["", "1", "99-1", "2-0", "2-999", "x-1", "-1-1", "\u0662-1", "02-1", "1" * 50 + "-1"]
)
def test_an_event_id_that_was_never_given_out_is_not_found(
    bench: Bench, server: StdioUpstream, id: str
) -> None:
    sink = bench.listen(server, last=id)
    bench.wait(sink)
    assert (sink.status, sink.stream, sink.is_closed) == (404, False, True)


def test_a_fifth_listening_stream_ends_the_oldest(bench: Bench, server: StdioUpstream) -> None:
    listeners = [bench.listen(server) for _ in range(5)]
    bench.wait(listeners[0])
    assert listeners[0].is_closed
    assert not any(listener.done for listener in listeners[1:])


def test_a_cancelled_request_ends_though_the_server_says_nothing(bench: Bench, server: StdioUpstream) -> None:
    sink = bench.call(server, LEGACY, "hold", id=5)
    bench.wait(bench.send(server, LEGACY, {"method": "notifications/cancelled", "params": {"requestId": 5}}))
    assert any(message.get("method") == "notifications/cancelled" for message in seen(bench, server))
    clock(bench).advance(CANCEL_SECONDS - 0.1)
    server.sweep()
    assert not sink.done
    clock(bench).advance(0.2)
    server.sweep()
    assert sink.is_closed
    assert not sink.events
    # Its id is free again.
    bench.wait(bench.call(server, LEGACY, "x", id=5))


def test_a_request_without_a_sign_of_life_times_out_and_its_late_answer_goes_nowhere(bench: Bench) -> None:
    server = puppet(bench, "legacy", timeout=30)
    bench.initialize(server)
    quiet, alive = (
        bench.call(server, LEGACY, "hold", id=5),
        bench.call(server, LEGACY, "hold", meta={"progressToken": 1}),
    )
    say(bench, server, rpc("notifications/progress", progressToken=1, progress=1))
    bench.until(lambda: bool(alive.events))
    clock(bench).advance(31)
    server.sweep()
    assert quiet.failure is not None
    assert (quiet.failure.kind, quiet.code, quiet.failure.ran) == ("timeout", "UPS042", True)
    assert not alive.done
    bench.wait(say(bench, server, '{"jsonrpc":"2.0","id":5,"result":{}}', ANSWER))
    assert not quiet.events


def test_the_end_of_a_session_ends_its_child_and_what_waits(bench: Bench, server: StdioUpstream) -> None:
    open_call, listener = bench.call(server, LEGACY, "hold"), bench.listen(server)
    bench.turns()
    sink = bench.end(server)
    bench.wait(sink, open_call, listener)
    assert (sink.status, sink.is_closed) == (200, True)
    assert (open_call.code, listener.is_closed) == ("UPS041", True)
    bench.settle(server)
    late = bench.call(server, LEGACY, "x")
    bench.wait(late)
    assert late.code == "UPS047"


def test_a_killed_child_ends_its_session_and_the_next_one_gets_a_new_child(
    bench: Bench, server: StdioUpstream
) -> None:
    who = bench.call(server, LEGACY, "x")
    bench.wait(who)
    open_calls, listener = [bench.call(server, LEGACY, "hold") for _ in range(3)], bench.listen(server)
    bench.turns()
    bench.wait(say(bench, server, ANSWER))
    os.kill(who.result["pid"], signal.SIGKILL)
    bench.wait(*open_calls, listener)
    for sink in open_calls:
        assert sink.failure is not None
        assert (sink.failure.kind, sink.code, sink.failure.ran) == ("closed", "UPS041", True)
        assert sink.failure.text == "the server ended: signal 9"
    assert listener.is_closed
    late = bench.call(server, LEGACY, "x")
    bench.wait(late)
    assert late.code == "UPS047"
    assert bench.initialize(server).is_closed


def test_a_request_that_was_still_in_the_gate_when_the_child_died_has_not_run(
    bench: Bench, server: StdioUpstream
) -> None:
    asleep = bench.call(server, LEGACY, "sleep")
    bench.wait(asleep)
    # Fills the pipe, then the queue.
    first = bench.call(server, LEGACY, "x", text="x" * 500_000)
    second = bench.call(server, LEGACY, "x")
    bench.turns()
    os.kill(asleep.result["pid"], signal.SIGKILL)
    bench.wait(first, second)
    assert first.failure is not None
    assert second.failure is not None
    assert (first.failure.ran, second.failure.ran) == (True, False)
