"""The small parts behind children: events by id, frames for nobody, restarts, stderr, slow sinks."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from stdio_fixture import RecordingSink

from callgate.clock import ManualClock
from callgate.upstream import events as events_module
from callgate.upstream import unclaimed as unclaimed_module
from callgate.upstream.addressing import Address, address, supported_versions
from callgate.upstream.delivery import Delivery
from callgate.upstream.events import EventLog
from callgate.upstream.failures import MALFORMED
from callgate.upstream.restarts import Restarts
from callgate.upstream.stderr import StderrLog
from callgate.upstream.unclaimed import Unclaimed


@given(st.lists(st.tuples(st.integers(1, 4), st.integers(0, 30_000)), max_size=400), st.randoms())
def test_a_replay_is_exactly_what_followed_in_that_stream_or_nothing_at_all(
    added: list[tuple[int, int]], random: object
) -> None:
    log, sent = EventLog(), []
    for number, (stream, size) in enumerate(added):
        data = b"%d:" % number + b"x" * size
        sent.append((stream, log.add(stream, data), data))
    for at, (stream, id, _) in enumerate(sent):
        found = log.after(id)
        rest = [(later, data) for of, later, data in sent[at + 1 :] if of == stream]
        kept = sum(len(data) for _, _, data in sent[at + 1 :]) <= events_module.MAX_BYTES
        if found is not None:
            assert found == (stream, rest)
        else:
            assert not (kept and len(sent) - at <= events_module.MAX_EVENTS)


def test_what_is_remembered_of_ended_streams_does_not_grow() -> None:
    log = EventLog()
    for stream in range(1, 2_000):
        log.add(stream, b"x")
        log.prune(())
    assert log.after("1-1") is None
    assert len(log._last) <= events_module.MAX_EVENTS


@given(st.lists(st.tuples(st.booleans(), st.integers(1, 20_000)), max_size=300))
def test_frames_for_nobody_keep_their_order_and_bound_and_no_request_is_lost_unanswered(
    frames: list[tuple[bool, int]],
) -> None:
    unclaimed = Unclaimed()
    refused: list[int] = []
    for number, (is_request, size) in enumerate(frames):
        gone = unclaimed.add(b"%d:" % number + b"x" * size, number if is_request else None)
        refused += [id for id in gone if isinstance(id, int)]
    taken = unclaimed.take()
    numbers = [int(data.split(b":")[0]) for data in taken]
    assert numbers == sorted(numbers)
    assert len(taken) <= unclaimed_module.MAX_FRAMES
    assert sum(map(len, taken)) <= unclaimed_module.MAX_BYTES
    requests = [number for number, (is_request, _) in enumerate(frames) if is_request]
    assert sorted(refused + [number for number in numbers if frames[number][0]]) == requests
    if refused and taken:
        assert not any(not frames[number][0] for number in numbers if number < max(refused)), (
            "notifications go first"
        )


def test_waiting_times_grow_are_bounded_and_end_with_a_success() -> None:
    clock = ManualClock()
    restarts = Restarts(clock)
    waits = []
    for _ in range(1_000):
        restarts.ended_badly("a")
        waits.append(restarts.wait("a"))
    assert waits[:8] == [0, 0, 1, 2, 4, 8, 16, 30]
    assert waits[-1] == 30
    assert restarts.wait("b") == 0
    clock.advance(29.5)
    assert restarts.wait("a") == 1
    restarts.works("a")
    assert restarts.wait("a") == 0


def test_stderr_becomes_bounded_escaped_lines_with_the_servers_name() -> None:
    lines: list[tuple[str, str]] = []
    clock = ManualClock()
    log = StderrLog("srv", lambda level, line: lines.append((level, line)), clock)
    log.feed(b"half")
    log.feed(b" and half\r\n\n\x1b[31m\xff\n" + b"x" * 100_000)
    log.feed(b"x" * 100_000)
    assert lines == [("info", "srv: half and half"), ("info", "srv: \\x1b[31m�")]
    log.finish()
    assert len(lines[-1][1]) < 1_020
    log.feed(b"n\n" * 1_000)
    assert len(lines) < 110
    clock.advance(60)
    log.feed(b"again\n")
    assert lines[-2][0] == "warning"
    assert "lines of its stderr were left out" in lines[-2][1]
    assert lines[-1] == ("info", "srv: again")


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        (b'{"params":{"progressToken":1,"_meta":{"x":1}}}', Address(progress_token=1)),
        (b'{"params":{"progressToken":true,"requestId":[1]}}', Address()),
        (b'{"params":{"progressToken":1.0}}', Address()),
        (b'{"params":{"requestId":"r"}}', Address(request="r")),
        (
            b'{"params":{"_meta":{"io.modelcontextprotocol/subscriptionId":"s"}}}',
            Address(subscription="s"),
        ),
        (b'{"params":[1]}', Address()),
        (b'{"params":{"_meta":7,"progressToken":"t"}}', Address(progress_token="t")),  # noqa: S106
        (b"{}", Address()),
        (b"\xff", Address()),
        (b'{"params":' + b"[" * 5_000 + b"]" * 5_000 + b"}", Address()),
    ],
)
def test_an_address_is_read_from_what_has_the_right_type_and_never_raises(
    line: bytes, expected: Address
) -> None:
    assert address(line) == expected


@pytest.mark.parametrize(
    ("line", "versions"),
    [
        (b'{"error":{"code":-32022,"data":{"supported":["a","b",7,"\xc3\xbc"]}}}', ("a", "b")),
        (b'{"error":{"data":{"supported":"a"}}}', ()),
        (b'{"error":{"code":1}}', ()),
        (b'{"result":{}}', ()),
        (b'{"error":[]}', ()),
    ],
)
def test_versions_that_an_error_names_are_taken_as_far_as_they_make_sense(
    line: bytes, versions: tuple[str, ...]
) -> None:
    assert supported_versions(line) == versions


@given(st.lists(st.sampled_from(["event", "pause", "resume", "answer", "fail", "cancel"]), max_size=30))
def test_a_sink_gets_everything_once_and_in_order_whatever_pauses_come_between(steps: list[str]) -> None:
    sink, held, sent = RecordingSink(), 0, 0
    delivery = Delivery(sink)

    def on_held(change: int) -> None:
        nonlocal held
        held += change
        assert held >= 0

    delivery.on_held = on_held
    for step in steps:
        done = delivery.done
        if step == "event":
            delivery.event(b"%d" % sent)
            sent += not done
        elif step == "answer":
            delivery.answer(b"%d" % sent)
            sent += not done
        elif step == "fail":
            delivery.fail(MALFORMED)
        else:
            getattr(delivery, step)()
    if "cancel" not in steps:
        delivery.resume()
        assert sink.raw == [b"%d" % number for number in range(sent)]
        assert held == 0
        assert sink.done == delivery.done
    assert sink.raw == [b"%d" % number for number in range(len(sink.raw))]
