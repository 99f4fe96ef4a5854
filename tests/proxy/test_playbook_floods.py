"""Frames that are refused at will, in either direction: the first are told of, the rest are counted."""

from collections.abc import Callable

from playbook import Playbook

from callgate.audit.record import EventRecord
from callgate.telemetry.sampling import MOST

Play = Callable[..., Playbook]


def refused(stage: Playbook) -> list[str | None]:
    found = [one for one in stage.audit.records if isinstance(one, EventRecord)]
    return [one.detail for one in found if one.event == "frame_refused"]


def test_garbage_of_the_server_costs_a_few_records_and_one_of_the_count(play: Play) -> None:
    stage = play("hide: [secret]").handshake()
    for _ in range(200):
        stage.session.server_line(b'{"id":5,"no":"message"}')
    stage.session.commit()
    assert len(refused(stage)) == MOST
    stage.session.stopped("the test is over")
    assert refused(stage)[-1] == (
        f"{200 - MOST} more frames of the server were refused within seconds: {200 - MOST} with WIR055"
    )


def test_refused_frames_of_the_agent_are_counted_apart_and_when_their_time_is_over(play: Play) -> None:
    stage = play("hide: [secret]").handshake()
    for _ in range(200):
        stage.session.agent_line(b"{}")
    stage.session.server_line(b'{"id":5,"no":"message"}')
    stage.clock.advance(10)
    stage.session.commit()
    assert len(refused(stage)) == MOST + 2
    assert str(refused(stage)[-1]).startswith(f"{200 - MOST} more frames of the agent were refused")
