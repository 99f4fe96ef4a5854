"""A tools/call over HTTP: what is denied never leaves, what leaves is recorded first, and every call has an outcome."""

import json
from typing import Any

import pytest
from serve_play import (
    MODERN_VERSION,
    Desk,
    Frame,
    call,
    complete,
    failure,
    modern_call,
    plain,
    result,
)

ONLY_ECHO = "default: deny\ntools:\n  echo: {rules: []}\n"
ONCE = "default: deny\ntools:\n  echo:\n    rules: [{rate_limit: 1/hour}]\n"
ERAS = pytest.mark.parametrize("era", ["modern", "legacy"])


def called(era: str, tool: str = "echo", id: str | int = 1, **more: Any) -> Frame:
    return modern_call(tool, more, id) if era == "modern" else call(tool, more, id)


def answer(era: str, id: str | int = 1) -> Frame:
    return complete(id) if era == "modern" else plain(id)


@ERAS
def test_a_denied_call_never_reaches_the_server_and_says_why(era: str) -> None:
    desk = Desk(ONLY_ECHO)
    asked = desk.post(called(era, "rm", id="seven"))
    assert desk.server.taken() == []
    assert asked.status == 200
    assert asked.frame["id"] == "seven"
    assert asked.frame["result"]["isError"] is True
    assert asked.frame["result"].get("resultType") == ("complete" if era == "modern" else None)
    assert desk.records() == ["deny rm DEN011", "denied rm"]


@ERAS
def test_an_allowed_call_is_recorded_before_it_is_sent_and_settled_when_answered(era: str) -> None:
    desk = Desk(ONLY_ECHO)
    written: list[int] = []
    desk.server.when_sent = lambda: written.append(len(desk.audit.records))
    asked = desk.post(called(era))
    assert written == [1]
    desk.server.one().answers(answer(era))
    assert (asked.status, asked.frame) == (200, answer(era))
    assert desk.records() == ["allow echo", "ok echo"]


@ERAS
def test_a_call_that_cannot_be_recorded_is_refused_and_what_it_spent_is_given_back(era: str) -> None:
    desk = Desk(ONCE)
    desk.audit.failing = True
    asked = desk.post(called(era))
    assert desk.server.taken() == []
    assert "the audit cannot be written" in json.dumps(asked.frame)
    assert desk.audit_told == [True]
    desk.audit.failing = False
    desk.post(called(era, id=2))
    desk.server.one().answers(answer(era, 2))
    assert desk.audit_told == [True, False]
    assert desk.records() == ["event records_not_written", "allow echo", "ok echo"]


@ERAS
def test_an_answer_that_cannot_be_recorded_is_recorded_once_the_audit_works_again(era: str) -> None:
    desk = Desk()
    asked = desk.post(called(era))
    desk.audit.failing = True
    desk.server.one().answers(answer(era))
    assert asked.frame == answer(era)
    desk.pass_time(1)
    desk.audit.failing = False
    desk.post(called(era, id=2))
    assert desk.records() == ["allow echo", "ok echo", "allow echo"]


@ERAS
def test_a_client_that_went_before_the_call_was_judged_has_called_nothing(era: str) -> None:
    desk = Desk(ONCE, threaded=True)
    asked = desk.post(called(era))
    asked.goes()
    desk.clock.advance(0.01)
    desk.loop.until(lambda: bool(desk.audit.records))
    assert not desk.server.waiting
    # Its one call is not spent.
    second = desk.post(called(era, id=2))
    desk.loop.until(lambda: desk.server.waiting)
    desk.server.one().answers(answer(era, 2))
    assert second.frame == answer(era, 2)
    desk.clock.advance(0.01)
    desk.loop.until(lambda: len(desk.audit.records) == 4)
    desk.judging.close()
    assert sorted(desk.records()) == sorted(["allow echo", "not_forwarded echo", "allow echo", "ok echo"])


def test_a_modern_client_that_goes_cancels_its_call() -> None:
    desk = Desk(ONCE)
    asked = desk.post(modern_call("echo"))
    sent = desk.server.one()
    asked.goes()
    assert sent.cancelled
    # It may have run: what it spent stays spent.
    assert desk.records() == ["allow echo", "cancelled echo"]
    assert desk.post(modern_call("echo", id=2)).frame["result"]["isError"]


def test_a_modern_client_that_leaves_its_stream_cancels_its_call() -> None:
    desk = Desk()
    asked = desk.post(modern_call("echo"))
    sent = desk.server.one().streams()
    assert len(desk.shared.streams) == 1
    asked.goes()
    assert sent.cancelled
    assert desk.records() == ["allow echo", "cancelled echo"]
    assert not desk.shared.streams


def test_a_client_of_the_handshake_eras_that_goes_cancels_nothing_and_its_call_is_settled_later() -> None:
    desk = Desk()
    asked = desk.post(call("echo"))
    sent = desk.server.one()
    asked.goes()
    assert not sent.cancelled
    assert desk.records() == ["allow echo"]
    sent.answers(plain())
    assert desk.records() == ["ok echo"]
    assert asked.body == b""


@ERAS
def test_what_was_never_sent_is_given_back_and_what_may_have_run_is_not(era: str) -> None:
    desk = Desk(ONCE)
    for id, ran, status in ((1, False, "not_forwarded"), (2, True, "unknown")):
        asked = desk.post(called(era, id=id))
        desk.server.one().fails("unreachable", ran=ran)
        assert asked.frame["error"]["data"]["code"] == "UPS023"
        assert asked.frame["id"] == id
        assert asked.status == (502 if era == "modern" else 200)
        assert desk.records() == ["allow echo", f"{status} echo"]
    assert desk.post(called(era, id=3)).frame["result"]["isError"]
    assert desk.server.taken() == []


@pytest.mark.parametrize(
    ("kind", "status"),
    [("busy", 503), ("timeout", 504), ("closed", 502), ("malformed", 502), ("too_large", 502)],
)
def test_a_failure_is_an_http_status_in_the_modern_era_alone(kind: str, status: int) -> None:
    desk = Desk()
    asked = desk.post(modern_call("echo"))
    desk.server.one().fails(kind)
    assert (asked.status, asked.code) == (status, "UPS023")
    older = desk.post(call("echo"))
    desk.server.one().fails(kind)
    # There it would say that the session has ended.
    assert (older.status, older.code) == (200, "UPS023")


def test_a_server_that_says_when_it_is_ready_again_is_quoted() -> None:
    desk = Desk()
    asked = desk.post(modern_call("echo"))
    desk.server.one().fails("busy", ran=False, retry_after=7)
    assert asked.headers[b"retry-after"] == b"7"


@pytest.mark.parametrize(
    ("said", "status"),
    [
        (complete(), "ok"),
        (result(1, {"resultType": "complete", "content": [], "isError": True}), "tool_error"),
        (result(1, {"resultType": "input_required", "requestState": "x"}), "input_required"),
        (failure(1, -32602), "rpc_error"),
    ],
)
def test_what_came_of_a_call_is_recorded(said: Frame, status: str) -> None:
    desk = Desk()
    asked = desk.post(modern_call("echo"))
    desk.server.one().answers(said)
    assert asked.frame == said
    assert desk.records() == ["allow echo", f"{status} echo"]


def test_every_retry_of_a_multi_round_trip_is_judged_again() -> None:
    desk = Desk("default: deny\ntools:\n  echo:\n    rules: [{when: {args.text: ok}, action: allow}]\n")
    first = desk.post(modern_call("echo", {"text": "ok"}))
    asks = result(1, {"resultType": "input_required", "requestState": "s"})
    desk.server.one().answers(asks)
    assert first.frame == asks
    retry = desk.post(modern_call("echo", {"text": "bad"}, 2, requestState="s", inputResponses={}))
    assert retry.frame["result"]["isError"]
    assert desk.server.taken() == []


@ERAS
def test_a_second_answer_settles_nothing_and_reaches_nobody(era: str) -> None:
    desk = Desk()
    asked = desk.post(called(era))
    sent = desk.server.one()
    sent.answers(answer(era))
    sent.sink.event(b'{"jsonrpc":"2.0","id":1,"result":{"second":true}}', None, None)
    sent.sink.closed()
    sent.fails()
    assert asked.frames == [answer(era)]
    assert desk.records() == ["allow echo", "ok echo"]


def test_the_answer_must_have_the_ids_own_type() -> None:
    desk = Desk()
    asked = desk.post(call("echo", id="1"))
    sent = desk.server.one().streams()
    sent.event(plain(1))
    assert desk.records() == ["allow echo"]
    sent.event(plain("1")).closed()
    assert [frame["id"] for frame in asked.frames] == [1, "1"]
    assert desk.records() == ["ok echo"]


def test_the_server_gets_the_frame_spelled_anew_and_nothing_else() -> None:
    desk = Desk()
    desk.post(
        b' {"jsonrpc":\n"2.0","id":1,\r"method":"tools/call","params":{"name":"ec\\u0068o",\n"arguments":{}}}\n'
    )
    sent = desk.server.one()
    assert not {b"\n", b"\r", b" "} & {bytes([byte]) for byte in sent.forward}
    assert sent.frame == call("echo")


def test_a_modern_route_is_the_callers_and_a_legacy_one_the_sessions() -> None:
    desk = Desk()
    desk.post(modern_call("echo"), "ann")
    desk.post(modern_call("echo"))
    desk.post(modern_call("echo"), x_key="tab-1")
    desk.post(modern_call("echo"), "ann", x_key="tab-1")
    routes = [sent.route for sent in desk.server.taken()]
    assert [route.lane for route in routes] == ["key:ann", "anonymous", "key:tab-1", "key:ann"]
    assert {route.version for route in routes} == {MODERN_VERSION}
    session = desk.begin_session(who="ann")
    desk.post(call("echo"), "ann", mcp_session_id=session)
    route = desk.server.one().route
    assert route.session == "upstream-1"
    assert route.lane not in ("upstream-1", session)


@ERAS
def test_an_exchange_that_the_gate_itself_ends_is_no_failure_of_the_server(era: str) -> None:
    desk = Desk()
    asked = desk.post(called(era))
    assert desk.shared.calls == 1
    desk.guarded.close()
    desk.server.one().fails()
    assert asked.ended
    assert desk.logged == []
    assert not [note for note in desk.observer.notes if note[0] == "upstream_failed"]
    assert desk.shared.calls == 0


@ERAS
def test_a_call_counts_as_under_way_until_it_has_its_outcome(era: str) -> None:
    desk = Desk()
    desk.post(called(era, id=1))
    desk.post(called(era, id=2)).goes()
    desk.post(called(era, "rm", id=3))
    assert desk.shared.calls == (2 if era == "modern" else 3)
    first, *rest = desk.server.taken()
    first.answers(answer(era, 1))
    for sent in rest:
        sent.fails()
    assert desk.shared.calls == 0
