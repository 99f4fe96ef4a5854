"""What the server says with its HTTP status, in the wrong era, or in a form that is no answer."""

import pytest
from serve_play import (
    Desk,
    Frame,
    ask,
    call,
    complete,
    failure,
    modern,
    modern_call,
    note,
    plain,
    result,
)

ERAS = pytest.mark.parametrize("frame", [call("echo"), modern_call("echo")], ids=["legacy", "modern"])
REFUSALS = pytest.mark.parametrize("status", [401, 403])
HIDING = "default: allow\nhide: [secret]\n"


def is_modern(frame: Frame) -> bool:
    return "_meta" in frame.get("params", {})


@ERAS
@REFUSALS
@pytest.mark.parametrize("body", ["none", "of nobody", "of this request", "result"])
def test_a_refusal_of_the_gates_own_credentials_is_never_shown_as_the_callers(
    frame: Frame, status: int, body: str
) -> None:
    desk = Desk()
    asked = desk.post(frame)
    sent = desk.server.one()
    if body == "none":
        sent.says(status)
    elif body == "result":
        sent.answers(plain(), status)
    else:
        sent.answers(failure(None if body == "of nobody" else 1, -32001, "who are you"), status)
    assert asked.status == (502 if is_modern(frame) else 200)
    assert asked.code == "UPS012"
    assert "who are you" not in asked.body.decode()
    assert desk.records() == ["allow echo", "rpc_error echo"]


@REFUSALS
@pytest.mark.parametrize("body", [False, True])
@pytest.mark.parametrize(
    "frame",
    [note("notifications/initialized"), result("s-1", {"roots": []})],
    ids=["notification", "response"],
)
def test_nor_is_it_for_a_frame_that_wants_no_answer(frame: Frame, body: bool, status: int) -> None:
    desk = Desk()
    asked = desk.post(frame)
    sent = desk.server.one()
    if body:
        sent.answers(failure(None, -32001), status)
    else:
        sent.says(status)
    assert asked.status == 502


@pytest.mark.parametrize("status", [400, 404, 429, 500, 503])
def test_an_error_about_this_request_passes_with_its_status(status: int) -> None:
    desk = Desk()
    asked = desk.post(modern_call("echo"))
    desk.server.one().answers(failure(1, -32602), status)
    assert (asked.status, asked.frame) == (status, failure(1, -32602))
    assert desk.records() == ["allow echo", "rpc_error echo"]


@pytest.mark.parametrize("status", [200, 201, 203, 205, 206, 299])
@pytest.mark.parametrize("frame", [call("echo"), modern_call("echo")], ids=["legacy", "modern"])
def test_an_answer_under_an_odd_status_of_success_is_one_that_every_client_reads(
    frame: Frame, status: int
) -> None:
    desk = Desk()
    asked = desk.post(frame)
    desk.server.one().answers(complete(), status)
    assert (asked.status, asked.frame) == (200, complete())


@pytest.mark.parametrize(("frame", "status"), [(call("echo"), 200), (modern_call("echo"), 502)])
@pytest.mark.parametrize("said", [200, 500])
def test_a_status_without_a_frame_is_an_error(frame: Frame, status: int, said: int) -> None:
    desk = Desk()
    asked = desk.post(frame)
    desk.server.one().says(said)
    assert (asked.status, asked.code) == (status, "UPS011")
    assert asked.frame["id"] == 1
    assert desk.records() == ["allow echo", "unknown echo"]


@pytest.mark.parametrize("status", [400, 404, 405, 406, 415])
@pytest.mark.parametrize("body", [None, failure(None, -32000, "Bad Request: no session")])
def test_a_server_of_the_handshake_eras_is_told_by_how_it_refuses(status: int, body: Frame | None) -> None:
    desk = Desk()
    asked = desk.post(modern("tools/list"))
    sent = desk.server.one()
    if body is None:
        sent.says(status)
    else:
        sent.answers(body, status)
    assert asked.status == 400
    assert asked.frame["error"]["code"] == -32022
    assert asked.frame["error"]["data"]["requested"] == "2026-07-28"
    assert "2025-11-25" in asked.frame["error"]["data"]["supported"]


@pytest.mark.parametrize("code", [-32700, -32602, -32601, -32020, -32021, -32022])
def test_an_error_that_a_modern_server_makes_is_no_sign_of_another_era(code: int) -> None:
    desk = Desk()
    asked = desk.post(modern("tools/list"))
    desk.server.one().answers(failure(None, code), 400)
    assert (asked.status, asked.frame["error"]["code"]) == (400, code)


@pytest.mark.parametrize("stream", [False, True])
def test_a_list_from_a_server_of_the_handshake_eras_is_never_shown_as_empty(stream: bool) -> None:
    desk = Desk()
    asked = desk.post(modern("tools/list"))
    sent = desk.server.one()
    if stream:
        sent.streams().event(result(1, {"tools": []}))
    else:
        sent.answers(result(1, {"tools": []}))
    assert asked.status == (200 if stream else 400)
    assert asked.frame["error"]["code"] == -32022


@pytest.mark.parametrize("ran", [False, True])
def test_a_child_of_the_other_era_is_named_with_what_it_speaks(ran: bool) -> None:
    desk = Desk()
    asked = desk.post(modern_call("echo"))
    desk.server.one().fails("era", ran=ran, supported=("2025-06-18",))
    assert asked.frame["error"]["data"] == {"supported": ["2025-06-18"], "requested": "2026-07-28"}
    assert desk.records() == ["allow echo", "unknown echo" if ran else "not_forwarded echo"]


@ERAS
@pytest.mark.parametrize(
    "said",
    [
        b'[{"jsonrpc":"2.0","id":1,"result":{}}]',
        b'{"jsonrpc":"2.0","id":1,"result":NaN}',
        b'{"jsonrpc":"2.0","id":1,"result":{},"error":{}}',
        b'{"jsonrpc":"2.0","id":1.0,"result":{}}',
        b"[]",
        b"7",
        b"{}",
    ],
    ids=repr,
)
@pytest.mark.parametrize("stream", [False, True])
def test_an_answer_that_is_no_message_is_an_error_where_tools_are_hidden(
    frame: Frame, said: bytes, stream: bool
) -> None:
    desk = Desk(HIDING)
    asked = desk.post(frame)
    sent = desk.server.one()
    if stream:
        sent.streams().event(said).closed()
    else:
        sent.answers(said)
    assert all(one.get("id") == 1 and one["error"]["data"]["code"] == "WIR055" for one in asked.frames)
    assert stream or len(asked.frames) == 1
    records = desk.records()
    assert [record for record in records if record.startswith("event")] == ["event frame_refused WIR055"]
    desk.shared.unanswered.end()
    assert [one for one in (*records, *desk.records()) if one.endswith("echo")] == [
        "allow echo",
        "unknown echo",
    ]


def test_a_server_that_asks_before_it_answers_is_heard() -> None:
    desk = Desk(HIDING)
    asked = desk.post(call("echo"))
    sampling = ask("sampling/createMessage", {"messages": []}, 1)
    desk.server.one().streams().event(sampling).event(plain()).closed()
    assert asked.frames == [sampling, plain()]
    assert desk.records() == ["allow echo", "ok echo"]


def test_what_comes_behind_the_answer_is_filtered_like_anything_else() -> None:
    desk = Desk(HIDING)
    asked = desk.post(call("echo"))
    tools = [{"name": name, "inputSchema": {"type": "object"}} for name in ("echo", "secret")]
    sent = desk.server.one().streams().event(plain())
    sent.event(result(1, {"tools": tools})).event(result(2, {"tools": tools}))
    sent.event(b'{"jsonrpc":"2.0","id":1,"result":{"tools":[{"name":"secret"}]},"error":{}}').closed()
    assert b"secret" not in asked.body
    assert desk.records() == ["allow echo", "ok echo", "event frame_refused WIR055"]


def test_the_answer_of_another_request_is_not_taken_for_this_ones() -> None:
    desk = Desk()
    asked = desk.post(modern_call("echo"))
    sent = desk.server.one().streams().event(complete(2))
    assert desk.records() == ["allow echo"]
    sent.event(complete()).closed()
    assert asked.frames == [complete(2), complete()]
    assert desk.records() == ["ok echo"]


# What never gets as far as the server.


@pytest.mark.parametrize("method", ["tools/execute", "sampling/createMessage", "Tools/Call", "tools.call"])
def test_a_method_that_mcp_does_not_have_is_refused(method: str) -> None:
    desk = Desk()
    assert desk.post(modern(method)).status == 404
    asked = desk.post(ask(method))
    assert asked.status == 200
    assert asked.frame["error"]["code"] == -32601
    assert asked.code == "WIR050"
    assert desk.server.taken() == []
    assert desk.records() == ["event frame_refused WIR050"] * 2


@pytest.mark.parametrize(
    "method", ["initialize", "ping", "logging/setLevel", "tasks/list", "resources/subscribe"]
)
def test_a_method_of_the_handshake_eras_is_unknown_in_the_modern_one(method: str) -> None:
    desk = Desk()
    asked = desk.post(modern(method))
    assert (asked.status, asked.frame["error"]["code"]) == (404, -32601)
    assert desk.server.taken() == []


def test_a_modern_notification_is_accepted_and_goes_nowhere() -> None:
    desk = Desk()
    asked = desk.post(note("notifications/cancelled", {"requestId": 1}), mcp_protocol_version="2026-07-28")
    assert (asked.status, asked.body) == (202, b"")
    assert desk.server.taken() == []


def test_notifications_and_responses_of_the_handshake_eras_pass_with_the_servers_status() -> None:
    desk = Desk()
    for frame in (note("notifications/initialized"), result("s-1", {}), failure("s-2", -1)):
        asked = desk.post(frame)
        sent = desk.server.one()
        assert sent.frame == frame
        sent.says(202)
        assert (asked.status, asked.body) == (202, b"")


def test_a_notification_that_no_client_sends_is_refused_without_a_frame() -> None:
    desk = Desk()
    asked = desk.post(note("notifications/tools/list_changed"))
    assert asked.body == b""
    assert asked.status >= 400
    assert desk.server.taken() == []


def test_a_frame_that_cannot_be_read_is_answered_under_its_id() -> None:
    desk = Desk()
    asked = desk.post(b'{"jsonrpc":"2.0","id":7,"method":"tools/call","params":{"name":"a","name":"b"}}')
    assert (asked.status, asked.frame["id"], asked.code) == (400, 7, "WIR004")
    assert desk.records() == ["event frame_refused WIR004"]
