"""Answers that go on: events with their ids, ends and breaks, late answers, expiry, drain."""

import pytest
from serve_play import (
    Desk,
    ask,
    call,
    complete,
    modern,
    modern_call,
    note,
    plain,
    result,
)

HIDING = "default: allow\nhide: [secret]\n"
PROGRESS = note("notifications/progress", {"progressToken": 1, "progress": 1})


def session_call(desk: Desk, who: str | None = None) -> tuple[str, dict[str, str | None]]:
    token = desk.begin_session(who=who)
    return token, {"mcp_session_id": token}


def test_events_pass_with_their_ids_and_the_servers_wish_to_wait() -> None:
    desk = Desk()
    asked = desk.post(call("echo"))
    sent = desk.server.one().streams()
    assert (asked.status, asked.content_type) == (200, b"text/event-stream")
    sent.event(b"", "1-0", 20).event(PROGRESS, "1-1").event(plain(), "1-2").closed()
    assert [(event.get("id"), event.get("retry")) for event in asked.events] == [
        ("1-0", "20"),
        ("1-1", None),
        ("1-2", None),
    ]
    assert asked.frames == [PROGRESS, plain()]
    assert asked.ended
    assert not desk.shared.streams
    assert desk.records() == ["allow echo", "ok echo"]


def test_a_stream_that_cannot_be_taken_up_again_ends_with_an_error_when_it_breaks() -> None:
    desk = Desk()
    asked = desk.post(call("echo"))
    desk.server.one().streams().event(PROGRESS).fails()
    assert asked.frames[1]["error"]["data"]["code"] == "UPS023"
    assert asked.ended
    assert desk.records() == ["allow echo", "unknown echo"]


def test_a_stream_that_can_be_taken_up_again_breaks_when_it_breaks() -> None:
    desk = Desk()
    _, session = session_call(desk)
    asked = desk.post(call("echo"), **session)
    desk.server.one().streams().event(PROGRESS, "1").fails()
    assert asked.aborted
    assert not asked.ended
    assert desk.records() == ["allow echo"]
    # What it missed comes on a listening stream, and settles the call.
    listening = desk.get(last_event_id="1", **session)
    replayed = desk.server.one()
    assert replayed.last_event_id == "1"
    replayed.streams().event(plain(), "2")
    assert listening.frames == [plain()]
    assert desk.records() == ["ok echo"]


def test_a_stream_that_broke_after_its_answer_owes_nothing() -> None:
    desk = Desk()
    asked = desk.post(call("echo"))
    desk.server.one().streams().event(plain(), "1").fails()
    assert asked.frames == [plain()]
    assert asked.ended
    assert desk.records() == ["allow echo", "ok echo"]


def test_a_modern_stream_that_breaks_ends_with_an_error() -> None:
    desk = Desk()
    asked = desk.post(modern_call("echo"))
    desk.server.one().streams().event(PROGRESS, "1").fails()
    assert asked.frames[1]["error"]["data"]["code"] == "UPS023"
    assert asked.ended
    assert desk.records() == ["allow echo", "unknown echo"]


def test_a_stream_that_ends_without_its_answer_waits_for_it_elsewhere() -> None:
    desk = Desk()
    _, session = session_call(desk)
    asked = desk.post(call("echo"), **session)
    desk.server.one().streams().event(b"", "1").closed()
    assert asked.ended
    assert desk.records() == ["allow echo"]
    desk.get(**session)
    desk.server.one().streams().event(plain())
    assert desk.records() == ["ok echo"]


def test_an_answer_on_the_stream_of_another_session_settles_nothing() -> None:
    desk = Desk()
    _, session = session_call(desk)
    _, other = session_call(desk)
    desk.post(call("echo"), **session)
    desk.server.one().streams().event(b"", "1").closed()
    desk.get(**other)
    desk.server.one().streams().event(plain())
    assert desk.records() == ["allow echo"]


def test_an_answer_that_never_comes_is_an_unknown_outcome() -> None:
    desk = Desk()
    _, session = session_call(desk)
    desk.post(call("echo"), **session)
    desk.server.one().streams().closed()
    desk.shared.unanswered.expire()
    assert desk.records() == ["allow echo"]
    desk.clock.advance(301)
    desk.shared.unanswered.expire()
    assert desk.records() == ["unknown echo"]
    assert not len(desk.shared.unanswered)


def test_a_modern_stream_that_ends_without_an_answer_is_an_unknown_outcome() -> None:
    desk = Desk()
    desk.post(modern_call("echo"))
    desk.server.one().streams().event(PROGRESS).closed()
    assert desk.records() == ["allow echo", "unknown echo"]


def test_the_server_waits_for_a_client_that_takes_nothing() -> None:
    desk = Desk()
    asked = desk.post(modern_call("echo"))
    sent = desk.server.one().streams()
    asked.congested = True
    sent.event(PROGRESS)
    assert sent.paused == 1
    asked.congested = False
    assert asked.on_room is not None
    asked.on_room()
    assert sent.resumed == 1
    # Nobody may wait for a client that has gone.
    older = desk.post(call("echo"))
    held = desk.server.one().streams()
    older.congested = True
    held.event(PROGRESS)
    older.goes()
    assert held.resumed == 1
    held.event(PROGRESS)
    assert held.paused == 1


@pytest.mark.parametrize("frame", [call("echo"), modern_call("echo")], ids=["legacy", "modern"])
def test_a_stream_breaks_when_its_callers_credential_ends_and_its_call_is_still_settled(frame: dict) -> None:  # type: ignore[type-arg]
    desk = Desk()
    asked = desk.post(frame, "ann")
    sent = desk.server.one().streams()
    for stream in list(desk.shared.streams):
        stream.expire()
    assert not desk.shared.streams
    sent.event(PROGRESS)
    assert asked.frames == []
    assert not asked.open
    modern_era = "_meta" in frame["params"]
    assert sent.cancelled is modern_era
    if not modern_era:
        sent.event(plain()).closed()
        assert asked.frames == []
    assert desk.records() == ["allow echo", "cancelled echo" if modern_era else "ok echo"]


def test_a_call_of_a_stream_that_expired_is_settled_also_if_its_answer_never_comes() -> None:
    desk = Desk()
    desk.post(call("echo"), "ann")
    sent = desk.server.one().streams()
    for stream in list(desk.shared.streams):
        stream.expire()
    sent.fails()
    assert desk.records() == ["allow echo", "unknown echo"]


def test_draining_ends_streams_that_would_never_end_and_no_others() -> None:
    desk = Desk()
    listening = desk.post(modern("subscriptions/listen", {"notifications": {"toolsListChanged": True}}))
    subscribed = desk.server.one().streams()
    older = desk.get()
    get = desk.server.one().streams()
    asked = desk.post(modern_call("echo", id=2))
    working = desk.server.one().streams()
    for stream in list(desk.shared.streams):
        stream.drain()
    assert not listening.open
    assert subscribed.cancelled
    assert older.ended
    assert get.cancelled
    working.event(complete(2)).closed()
    assert asked.frames == [complete(2)]


def test_streams_are_kept_alive_by_comments() -> None:
    desk = Desk()
    asked = desk.get()
    desk.server.one().streams()
    for stream in list(desk.shared.streams):
        stream.heartbeat()
    assert asked.body == b":\n\n"


def test_who_listens_is_told_that_the_visible_tools_changed() -> None:
    desk = Desk()
    wanting = desk.post(modern("subscriptions/listen", {"notifications": {"toolsListChanged": True}}, "s"))
    desk.server.one().streams()
    other = desk.post(modern("subscriptions/listen", {"notifications": {}}))
    desk.server.one().streams()
    older = desk.get()
    desk.server.one().streams()
    for stream in list(desk.shared.streams):
        stream.announce()
    told = wanting.frame
    assert told["method"] == "notifications/tools/list_changed"
    assert told["params"]["_meta"] == {"io.modelcontextprotocol/subscriptionId": "s"}
    assert other.frames == []
    assert older.frame == {"jsonrpc": "2.0", "method": "notifications/tools/list_changed"}


# The listening stream of the handshake eras.


def test_a_listening_stream_takes_requests_and_notifications_as_they_are() -> None:
    desk = Desk(HIDING)
    listening = desk.get()
    asked = ask("sampling/createMessage", {"messages": []}, "s-1")
    desk.server.one().streams().event(asked, "1").event(PROGRESS, "2")
    assert listening.frames == [asked, PROGRESS]


def test_a_listening_stream_shows_no_hidden_tool() -> None:
    desk = Desk(HIDING)
    listening = desk.get()
    tools = [{"name": name, "inputSchema": {"type": "object"}} for name in ("echo", "secret")]
    sent = desk.server.one().streams()
    sent.event(result(5, {"tools": tools}), "1")
    assert [tool["name"] for tool in listening.frame["result"]["tools"]] == ["echo"]
    sent.event(b'{"jsonrpc":"2.0","id":6,"result":{"tools":[{"name":"secret"}],"tools":[]}}', "2")
    sent.event(b'[{"jsonrpc":"2.0","id":6,"result":{"tools":[{"name":"secret"}]}}]', "3")
    sent.event(b'{"jsonrpc":"2.0","id":1.0,"result":{"tools":[{"name":"secret"}]}}', "4")
    assert b"secret" not in listening.body
    dropped = [record for record in desk.records() if record.startswith("event frame_refused")]
    assert len(dropped) >= 2


def test_a_client_that_stops_listening_is_listened_for_no_more() -> None:
    desk = Desk()
    listening = desk.get()
    sent = desk.server.one().streams()
    listening.goes()
    assert sent.cancelled
    assert not desk.shared.streams


def test_a_listening_stream_that_breaks_does_not_look_as_if_it_had_ended() -> None:
    desk = Desk()
    listening = desk.get()
    desk.server.one().streams().fails()
    assert listening.aborted
    ended = desk.get()
    desk.server.one().streams().closed()
    assert ended.ended


@pytest.mark.parametrize(("said", "shown"), [(405, 405), (404, 404), (401, 502), (403, 502), (500, 500)])
@pytest.mark.parametrize("body", [False, True])
def test_a_server_that_lets_nobody_listen_says_so_but_never_that_the_caller_is_unknown(
    said: int, shown: int, body: bool
) -> None:
    desk = Desk()
    listening = desk.get()
    sent = desk.server.one()
    if body:
        sent.answers({"jsonrpc": "2.0", "id": None, "error": {"code": -32000, "message": "no"}}, said)
    else:
        sent.says(said)
    assert listening.status == shown


def test_a_session_that_the_server_does_not_know_is_unknown() -> None:
    desk = Desk()
    listening = desk.get()
    desk.server.one().fails("unknown_session")
    assert (listening.status, listening.code) == (404, "UPS029")
    ending = desk.delete()
    desk.server.one().fails("unknown_session")
    assert ending.status == 404


@pytest.mark.parametrize(("said", "shown"), [(200, 200), (204, 204), (405, 405), (401, 502), (403, 502)])
def test_the_servers_status_answers_a_delete(said: int, shown: int) -> None:
    desk = Desk()
    ending = desk.delete()
    sent = desk.server.one()
    assert sent.kind == "DELETE"
    sent.says(said)
    assert (ending.status, ending.body) == (shown, b"")
