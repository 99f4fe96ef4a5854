"""Children are started late, watched, bounded and ended; what they write or do not read hurts nobody else."""

import gc
import os
import signal
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import uvloop
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
from callgate.upstream.contract import Route
from callgate.upstream.stdio import StdioUpstream


@pytest.fixture
def bench() -> Iterator[Bench]:
    uvloop.new_event_loop().close()  # its first loop keeps descriptors for all others
    gc.collect()  # nor may what others left behind count
    before = set(os.listdir("/proc/self/fd"))
    with bench_on_a_loop() as bench:
        yield bench
    assert not set(os.listdir("/proc/self/fd")) - before, "descriptors leaked"


def advance(bench: Bench, seconds: float) -> None:
    assert isinstance(bench.clock, ManualClock)
    bench.clock.advance(seconds)


def hostile(bench: Bench, behaviour: str, **settings: Any) -> StdioUpstream:
    """A server of `hostile_server.py` after the handshake."""
    upstream = bench.upstream(sys.executable, SUPPORT / "hostile_server.py", behaviour, **settings)
    bench.initialize(upstream)
    return upstream


def echo(bench: Bench, upstream: StdioUpstream) -> RecordingSink:
    sink = bench.call(upstream, LEGACY, "echo", text="hi")
    bench.wait(sink)
    return sink


def alive(pid: int) -> bool:
    try:
        with open(f"/proc/{pid}/stat") as file:
            return file.read().rsplit(")", 1)[1].split()[0] != "Z"
    except OSError:
        return False


@pytest.mark.parametrize("route", [LEGACY, MODERN])
def test_a_command_that_is_not_there_fails_without_having_run(bench: Bench, route: Any) -> None:
    upstream = bench.upstream("/secret/place/nothing")
    sink = bench.request(upstream, route, "initialize" if route is LEGACY else "tools/list")
    assert not sink.done
    bench.wait(sink)
    assert sink.failure is not None
    assert (sink.failure.kind, sink.code, sink.failure.ran) == ("unreachable", "UPS040", False)
    assert "secret" not in sink.failure.text
    assert "no such file or directory" in sink.failure.text
    assert bench.logged("no such file or directory: `/secret/place/nothing` [UPS040]")
    bench.settle(upstream)


def test_an_argument_that_no_process_can_be_given_fails_without_having_run(bench: Bench) -> None:
    upstream = bench.upstream("echo", "a\0b")
    sink = bench.initialize(upstream)
    assert sink.failure is not None
    assert (sink.code, sink.failure.ran) == ("UPS040", False)


def test_a_server_that_ends_at_once_is_not_started_for_ever_and_its_words_go_to_the_log_alone(
    bench: Bench,
) -> None:
    upstream = bench.python("import sys; print('token=s3cret \\x1b[2J', file=sys.stderr); sys.exit(7)")
    for _ in range(3):
        sink = bench.initialize(upstream)
        assert sink.failure is not None
        assert (sink.failure.kind, sink.code) == ("closed", "UPS041")
        assert sink.failure.text == "the server ended: exit status 7"
    assert ("info", "srv: token=s3cret \\x1b[2J") in bench.log
    assert bench.logged("exit status 7; it said last: token=s3cret")
    waits = []
    for _ in range(8):
        sink = bench.initialize(upstream)
        assert sink.failure is not None
        assert sink.code == "UPS049"
        assert sink.failure.ran is False
        waits.append(sink.failure.retry_after)
        advance(bench, sink.failure.retry_after or 0)
        sink = bench.initialize(upstream)
        assert sink.code == "UPS041"
    assert waits == [1, 2, 4, 8, 16, 30, 30, 30]


def test_the_gates_own_secrets_are_not_in_a_childs_environment(
    bench: Bench, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("CALLGATE_STATE_PASSWORD", "s3cret")
    code = "import os, sys; print(dict(os.environ), os.getcwd(), file=sys.stderr); input()"
    upstream = bench.python(code, env={"GITHUB_TOKEN": "given"}, cwd=str(tmp_path))
    bench.call(upstream, LEGACY, "x")
    bench.request(upstream, LEGACY, "initialize")
    bench.until(lambda: bench.logged("GITHUB_TOKEN"))
    assert not bench.logged("s3cret")
    assert bench.logged(str(tmp_path))
    assert bench.logged("'PATH'")


def test_a_flood_on_stderr_is_bounded_in_the_log_and_stops_nobody(bench: Bench) -> None:
    code = """
import sys, json
print("x" * 5000, file=sys.stderr)
for n in range(5000): print("line", n, file=sys.stderr)
message = json.loads(input())
print(json.dumps({"jsonrpc": "2.0", "id": message["id"], "result": {}}))
"""
    upstream = bench.python(code)
    assert bench.initialize(upstream).is_closed
    bench.settle(upstream)
    lines = [line for _, line in bench.log if "line" in line or "xxx" in line]
    assert len(lines) < 150
    assert max(len(line) for line in lines) < 1_100
    assert any("lines of its stderr were left out" in line for _, line in bench.log)


def test_a_session_without_use_is_ended_and_one_in_use_is_not(bench: Bench) -> None:
    upstream = puppet(bench, "legacy", idle=100, timeout=10_000)
    chatty, stuck, works, listens = (
        another(LEGACY, lane) for lane in ("chatty", "stuck", "works", "listens")
    )
    pids = {}
    for route in (chatty, stuck, works, listens):
        bench.initialize(upstream, route)
        bench.wait(who := bench.call(upstream, route, "x"))
        pids[route.lane] = who.result["pid"]
    bench.call(upstream, stuck, "hold")
    working = bench.call(upstream, works, "hold", meta={"progressToken": "t"})
    listener = bench.listen(upstream, listens)
    bench.turns()
    upstream.sweep()
    advance(bench, 99)
    upstream.sweep()
    assert upstream.children == 4
    # The words of a child that nobody uses do not keep it alive; of one that works for somebody they do.
    for lane in ("chatty", "works"):
        os.kill(pids[lane], signal.SIGUSR1)
    bench.until(lambda: sum("chatted" in line for _, line in bench.log) == 2 and bool(working.events))
    advance(bench, 2)
    upstream.sweep()
    bench.until(lambda: upstream.children == 2)
    for route in (chatty, stuck):
        bench.wait(gone := bench.call(upstream, route, "x"))
        assert gone.code == "UPS047"
    assert not working.done
    assert not listener.done


def test_when_all_children_are_taken_the_longest_idle_one_makes_room(bench: Bench) -> None:
    upstream = puppet(bench, "legacy", max_children=2)
    first, second, third = (another(LEGACY, lane) for lane in "abc")
    bench.initialize(upstream, first)
    bench.initialize(upstream, second)
    held = bench.call(upstream, first, "hold")
    bench.wait(bench.call(upstream, second, "x"))
    bench.initialize(upstream, third)
    bench.wait(gone := bench.call(upstream, second, "x"))
    assert gone.code == "UPS047"
    assert not held.done
    bench.call(upstream, third, "hold")
    refused = bench.initialize(upstream, second)
    assert refused.failure is not None
    assert (refused.failure.kind, refused.code, refused.failure.ran) == ("busy", "UPS046", False)


def owned(owner: str, lane: str) -> Route:
    return structs.replace(LEGACY, lane=f"{owner}-{lane}", owner=owner)


def test_a_callers_new_sessions_end_its_own_and_no_others(bench: Bench) -> None:
    upstream = puppet(bench, "legacy", max_children=3)
    bench.initialize(upstream, ann := owned("ann", "1"))
    advance(bench, 5)
    for lane in "12345":
        bench.initialize(upstream, owned("bob", lane))
    bench.wait(still := bench.call(upstream, ann, "x"))
    assert still.result
    bench.wait(gone := bench.call(upstream, owned("bob", "1"), "x"))
    assert gone.code == "UPS047"


def test_who_has_no_session_gets_one_of_who_has_many(bench: Bench) -> None:
    upstream = puppet(bench, "legacy", max_children=3)
    for lane in "123":
        bench.initialize(upstream, owned("bob", lane))
    for caller in ("ann", "carol"):
        assert bench.initialize(upstream, owned(caller, "1")).failure is None
    # Everybody has one now, and nobody's is to be had.
    refused = bench.initialize(upstream, owned("dave", "1"))
    assert refused.failure is not None
    assert (refused.failure.kind, refused.code) == ("busy", "UPS046")
    advance(bench, 60)
    assert bench.initialize(upstream, owned("dave", "1")).failure is None


def test_no_more_requests_are_in_flight_than_allowed(bench: Bench) -> None:
    upstream = puppet(bench, "modern", max_in_flight=3)
    sinks = [bench.call(upstream, MODERN, "hold") for _ in range(4)]
    bench.wait(sinks[3])
    assert sinks[3].failure is not None
    assert (sinks[3].failure.kind, sinks[3].failure.ran) == ("busy", False)
    sinks[0].handle.cancel()
    bench.wait(bench.call(upstream, MODERN, "x"))


def test_a_child_that_does_not_read_is_busy_in_the_end_and_hurts_nobody_else(bench: Bench) -> None:
    upstream = puppet(bench, "legacy")
    bench.initialize(upstream)
    bench.initialize(upstream, other := another(LEGACY, "other"))
    bench.wait(bench.call(upstream, LEGACY, "sleep"))
    sinks = [bench.call(upstream, LEGACY, "x", text="x" * 400_000) for _ in range(6)]
    bench.turns()
    refused = [sink for sink in sinks if sink.failure]
    assert 2 <= len(refused) <= 4
    assert all(sink.failure and (sink.failure.kind, sink.failure.ran) == ("busy", False) for sink in refused)
    started = time.monotonic()
    bench.wait(bench.call(upstream, other, "x"))
    assert time.monotonic() - started < 20
    bench.wait(bench.end(upstream))
    bench.until(lambda: upstream.children == 1)


def test_a_child_that_closes_its_input_still_answers_what_it_has_read(bench: Bench) -> None:
    upstream = puppet(bench, "legacy")
    bench.initialize(upstream)
    last = bench.call(upstream, LEGACY, "deaf")
    bench.wait(last)
    # The next frame finds out; it has not run.
    unread = bench.call(upstream, LEGACY, "x")
    bench.wait(unread)
    assert unread.failure is not None
    assert (unread.code, unread.failure.ran) == ("UPS041", False)
    bench.wait(late := bench.call(upstream, LEGACY, "x"))
    assert late.code == "UPS047"
    bench.settle(upstream)


def test_a_child_that_closes_its_output_is_over(bench: Bench) -> None:
    upstream = hostile(bench, "closes_stdout")
    sink = echo(bench, upstream)
    assert sink.failure is not None
    assert (sink.code, sink.failure.text) == ("UPS041", "the server closed its output")
    bench.settle(upstream)


def test_a_child_that_exits_in_a_call_is_over(bench: Bench) -> None:
    sink = echo(bench, hostile(bench, "exits"))
    assert sink.failure is not None
    assert (sink.code, sink.failure.text) == ("UPS041", "the server ended: exit status 7")


def test_an_answer_without_a_newline_before_the_end_is_an_answer(bench: Bench) -> None:
    assert echo(bench, hostile(bench, "no_newline")).result


def test_an_answer_that_is_too_large_is_refused_and_the_child_lives_on(bench: Bench) -> None:
    upstream = hostile(bench, "huge_line", max_response=1 << 20)
    sink = echo(bench, upstream)
    assert sink.failure is not None
    assert (sink.failure.kind, sink.code, sink.failure.ran) == ("too_large", "UPS043", True)
    bench.wait(again := bench.request(upstream, LEGACY, "ping"))
    assert again.result == {}


@pytest.mark.parametrize(
    "behaviour", ["garbage", "storm", "carriage_returns", "answers_unknown_ids", "answers_under_other_types"]
)
def test_whatever_a_child_writes_beside_its_answer_the_answer_arrives(bench: Bench, behaviour: str) -> None:
    upstream = hostile(bench, behaviour)
    sink = echo(bench, upstream)
    assert [message for message in sink.messages if "result" in message][-1]["id"] == bench.next_id
    bench.wait(again := bench.request(upstream, LEGACY, "ping"))
    assert again.done


def test_a_line_that_some_would_take_for_the_answer_ends_the_request(bench: Bench) -> None:
    upstream = puppet(bench, "legacy")
    bench.initialize(upstream)
    sink = bench.call(upstream, LEGACY, "say", lines=['{"jsonrpc":"2.0","id":@ID@,"result":{"x":NaN}}'])
    bench.wait(sink)
    assert sink.failure is not None
    assert (sink.failure.kind, sink.code, sink.failure.ran) == ("malformed", "UPS044", True)


def test_a_server_that_writes_first_is_heard(bench: Bench) -> None:
    upstream = bench.upstream(sys.executable, SUPPORT / "hostile_server.py", "writes_first")
    sink = bench.initialize(upstream)
    assert [message.get("method") for message in sink.messages[:4]] == ["notifications/message"] * 3 + [
        "roots/list"
    ]


def test_a_slow_client_makes_the_child_wait_and_loses_nothing(bench: Bench) -> None:
    upstream = puppet(bench, "legacy")
    bench.initialize(upstream)
    lines = [
        rpc("notifications/progress", progressToken=1, progress=n, message="x" * 10_000) for n in range(400)
    ]
    sink = bench.call(upstream, LEGACY, "say", meta={"progressToken": 1}, lines=[*lines, ANSWER])
    bench.until(lambda: bool(sink.events))
    sink.handle.pause()
    taken = len(sink.events)
    bench.pass_time(1)
    assert len(sink.events) == taken
    assert not bench.logged("said"), "the child should have had to wait"
    sink.handle.resume()
    bench.wait(sink)
    assert [message["params"]["progress"] for message in sink.messages[:-1]] == list(range(400))


def test_a_slow_client_that_goes_away_lets_the_child_go_on(bench: Bench) -> None:
    upstream = puppet(bench, "modern")
    token = {"progressToken": 1}
    line = '{"jsonrpc":"2.0","method":"notifications/progress","params":{"progressToken":@TOKEN@,"x":"%s"}}'
    sink = bench.call(upstream, MODERN, "say", meta=token, lines=[line % ("x" * 10_000)] * 400)
    sink.handle.pause()
    bench.turns(2000)
    sink.handle.cancel()
    bench.wait(bench.call(upstream, MODERN, "x"))
    assert not sink.events


def test_a_flood_of_frames_for_nobody_does_not_grow(bench: Bench) -> None:
    upstream = hostile(bench, "floods")
    sink = bench.call(upstream, LEGACY, "echo", text="x")
    bench.until(lambda: len(sink.events) > 1000)
    sink.handle.cancel()
    sink.raw.clear()
    sink.events.clear()
    bench.turns(500)
    assert not sink.events
    bench.wait(bench.end(upstream))
    bench.settle(upstream)


def test_answers_for_a_child_that_asks_and_never_reads_do_not_pile_up(bench: Bench) -> None:
    code = """
import json, os
ask = b'{"jsonrpc":"2.0","id":"s","method":"roots/list"}\\n' * 500
id = json.loads(input())["id"]
os.write(1, b'{"jsonrpc":"2.0","id":%d,"result":{"resultType":"complete"}}\\n' % id)
for _ in range(100): os.write(1, ask)
os.write(2, b"asked\\n")
import time; time.sleep(60)
"""
    upstream = bench.python(code)
    bench.call(upstream, MODERN, "x")
    bench.until(lambda: bench.logged("asked"))
    (lane,) = upstream._children
    child = lane.child
    assert child is not None
    bench.until(lambda: child.waiting > 1 << 20)
    bench.pass_time(0.3)
    assert child.waiting < 1 << 21


@pytest.mark.parametrize("victim", ["pid", "keeper"])
def test_whoever_of_a_child_is_killed_nothing_of_it_is_left(bench: Bench, victim: str) -> None:
    upstream = puppet(bench, "legacy")
    bench.initialize(upstream)
    bench.wait(who := bench.call(upstream, LEGACY, "x"))
    held = bench.call(upstream, LEGACY, "hold")
    os.kill(who.result[victim], signal.SIGKILL)
    bench.wait(held)
    assert held.code == "UPS041"
    bench.settle(upstream)
    bench.until(lambda: not alive(who.result["pid"]))


def test_children_and_sessions_survive_a_killed_nursery_and_new_ones_can_be_started(bench: Bench) -> None:
    upstream = puppet(bench, "legacy")
    bench.initialize(upstream)
    os.kill(bench.spawner.pid, signal.SIGKILL)
    os.waitid(os.P_PID, bench.spawner.pid, os.WEXITED | os.WNOWAIT)
    bench.wait(bench.call(upstream, LEGACY, "x"))
    assert bench.initialize(upstream, another(LEGACY, "two")).is_closed


def test_closing_ends_everything_and_may_be_done_twice(bench: Bench) -> None:
    upstream = puppet(bench, "modern")
    bench.wait(who := bench.call(upstream, MODERN, "x"))
    held, unsent = bench.call(upstream, MODERN, "hold"), bench.call(upstream, another(MODERN, "bob"), "x")
    upstream.close()
    upstream.close()
    assert (held.code, unsent.code) == ("UPS041", "UPS041")
    assert unsent.failure is not None
    assert unsent.failure.ran is False
    bench.wait(late := bench.call(upstream, MODERN, "x"))
    assert late.failure is not None
    assert (late.code, late.failure.ran) == ("UPS041", False)
    bench.spawner.close()
    assert not alive(who.result["pid"])


def test_many_sessions_come_and_go_without_leaving_descriptors_or_processes(bench: Bench) -> None:
    upstream = bench.upstream("cat", max_children=30)
    before = len(os.listdir("/proc/self/fd"))
    for turn in range(3):
        for lane in range(20):
            bench.request(upstream, another(LEGACY, f"{turn}-{lane}"), "initialize")
        bench.turns()
        for lane in range(20):
            bench.end(upstream, another(LEGACY, f"{turn}-{lane}"))
        bench.settle(upstream)
    assert len(os.listdir("/proc/self/fd")) == before
