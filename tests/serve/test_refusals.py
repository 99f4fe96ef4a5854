"""Frames that are refused at will cost a few lines and records, then counts; and a stream of nothing else ends."""

import pytest
from serve_play import Desk, Sent, call, modern_call, note

from callgate.audit.record import EventRecord
from callgate.telemetry.sampling import MOST
from callgate.upstream.flood import MAX_DROPPED

HIDING = "default: allow\nhide: [secret]\n"
GARBAGE = b'{"no":"message"}'


def told(desk: Desk) -> list[tuple[str | None, str | None]]:
    """Session and text of every refused frame in the audit."""
    desk.pass_time(0.01)
    found = [one for one in desk.audit.records if isinstance(one, EventRecord)]
    return [(one.session, one.detail) for one in found if one.event == "frame_refused"]


def floods(sent: Sent, frames: int) -> None:
    for _ in range(frames):
        sent.event(GARBAGE)


def test_refused_frames_of_a_caller_are_told_of_one_by_one_and_then_counted() -> None:
    desk = Desk()
    for _ in range(300):
        assert desk.post(b"{}", "ann").status == 400
    assert len(told(desk)) == len(desk.logged) == MOST
    desk.pass_time(11)
    desk.shared.refusals.tick()
    session, text = told(desk)[-1]
    assert (session, len(told(desk)), len(desk.logged)) == ("key:ann", MOST + 1, MOST + 1)
    assert text is not None
    assert text.startswith(f"{300 - MOST} more frames were refused")
    assert f"{300 - MOST} with WIR" in text


def test_the_flood_of_one_caller_hides_nothing_of_another() -> None:
    desk = Desk()
    for _ in range(50):
        desk.post(b"{}", "eve")
    desk.post(b"{}", "ann")
    assert [session for session, _ in told(desk)] == ["key:eve"] * MOST + ["key:ann"]


def test_methods_that_are_not_let_through_are_counted_too() -> None:
    desk = Desk()
    for number in range(50):
        assert desk.post({"jsonrpc": "2.0", "id": number, "method": "strange/one"}).code == "WIR050"
    desk.shared.refusals.end()
    assert len(told(desk)) == MOST + 1
    assert told(desk)[-1][1] is not None


@pytest.mark.parametrize("id", [None, "1-1"], ids=["plain", "resumable"])
def test_an_answer_that_is_a_flood_of_garbage_ends_with_an_error(id: str | None) -> None:
    desk = Desk(HIDING)
    asked = desk.post(call("echo"))
    sent = desk.server.one().streams().event(note("notifications/progress"), id)
    floods(sent, MAX_DROPPED - 1)
    early = asked.ended
    floods(sent, 50)
    assert not early
    assert sent.cancelled
    assert asked.ended
    assert asked.frames[-1]["error"]["data"]["code"] == "UPS053"
    desk.shared.refusals.end()
    assert len(told(desk)) == MOST + 1
    assert len(desk.logged) == MOST + 2, "the first, the count and the end"
    assert "unknown echo" in desk.records()


def test_a_call_of_the_modern_era_ends_in_the_same_way() -> None:
    desk = Desk(HIDING)
    asked = desk.post(modern_call("echo"))
    floods(desk.server.one().streams(), MAX_DROPPED)
    assert asked.ended
    assert asked.frame["error"]["data"]["code"] == "UPS053"


def test_a_listening_stream_that_is_a_flood_of_garbage_ends() -> None:
    desk = Desk(HIDING)
    listening = desk.get()
    sent = desk.server.one().streams()
    floods(sent, MAX_DROPPED + 50)
    assert sent.cancelled
    assert listening.aborted
    assert len(told(desk)) == MOST
    assert any("UPS053" in line for line in desk.logged)
