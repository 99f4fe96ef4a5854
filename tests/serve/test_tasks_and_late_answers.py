"""Tasks belong to who started them, and answers that come late settle the call they answer."""

import json
from typing import Any

import pytest
from serve_play import Desk, Frame, ask, call, failure, modern, modern_call, note, plain, result

from callgate.clock import ManualClock
from callgate.gate.call import Admission
from callgate.serve.judging import Settlement
from callgate.serve.unanswered import MAX_CALLS, Unanswered

STARTED = {"resultType": "task", "taskId": "t-1", "status": "working", "createdAt": "x", "ttlMs": 1}
QUESTIONS = pytest.mark.parametrize("method", ["tasks/get", "tasks/update", "tasks/cancel"])


def begun(desk: Desk, who: str = "ann", tool: str = "echo") -> str:
    """A call that goes on as a task; returns the id that its caller is given."""
    asked = desk.post(modern_call(tool), who)
    desk.server.one().answers(result(1, STARTED))
    task = str(asked.frame["result"]["taskId"])
    assert asked.frame["result"] == {**STARTED, "taskId": task}
    return task


def question(method: str, task: object, id: int = 2) -> tuple[Frame, dict[str, Any]]:
    return modern(method, {"taskId": task}, id), {"mcp_name": task if isinstance(task, str) else None}


@QUESTIONS
def test_a_caller_asks_about_its_own_task_under_the_id_that_it_was_given(method: str) -> None:
    desk = Desk()
    task = begun(desk)
    assert task != "t-1"
    frame, headers = question(method, task)
    asked = desk.post(frame, "ann", **headers)
    sent = desk.server.one()
    assert sent.frame["params"]["taskId"] == "t-1"
    answer = {"resultType": "complete", "taskId": "t-1", "status": "completed", "result": {"content": []}}
    sent.answers(result(2, answer))
    assert asked.frame["result"] == {**answer, "taskId": task}


@QUESTIONS
@pytest.mark.parametrize(
    "whose", ["another caller's", "the server's own id", "no text", "nothing", "changed"]
)
def test_no_other_task_is_known(method: str, whose: str) -> None:
    desk = Desk()
    task = begun(desk)
    given: object = {
        "another caller's": task,
        "the server's own id": "t-1",
        "no text": 1,
        "nothing": None,
        "changed": task.replace("t-1", "t-2"),
    }[whose]
    frame, headers = question(method, given)
    who = "bob" if whose == "another caller's" else "ann"
    if given is None:
        del frame["params"]["taskId"]
    asked = desk.post(frame, who, **headers)
    assert desk.server.taken() == []
    assert asked.status == 400
    told = asked.body if whose != "no text" else b""
    # And nothing tells one reason from another.
    unknown, unknown_headers = question(method, "never")
    assert told in (b"", desk.post(unknown, who, **unknown_headers).body)


def test_the_task_of_a_tool_that_is_hidden_meanwhile_is_unknown() -> None:
    desk = Desk()
    task = begun(desk)
    desk.policy_becomes("default: allow\nhide: [echo]\n")
    frame, headers = question("tasks/get", task)
    asked = desk.post(frame, "ann", **headers)
    assert desk.server.taken() == []
    assert (asked.status, asked.code) == (400, "WIR074")


def test_where_nobody_is_known_tasks_are_as_the_server_made_them() -> None:
    desk = Desk()
    asked = desk.post(modern_call("echo"))
    desk.server.one().answers(result(1, STARTED))
    assert asked.frame["result"]["taskId"] == "t-1"
    frame, headers = question("tasks/get", "t-1")
    desk.post(frame, **headers)
    assert desk.server.one().frame["params"]["taskId"] == "t-1"


def test_a_task_is_recorded_as_one() -> None:
    desk = Desk()
    begun(desk)
    assert desk.records() == ["allow echo", "task echo"]


def test_an_error_about_a_task_passes() -> None:
    desk = Desk()
    frame, headers = question("tasks/get", begun(desk))
    asked = desk.post(frame, "ann", **headers)
    desk.server.one().answers(failure(2, -32602))
    assert asked.frame == failure(2, -32602)


def subscribed(*tasks: object) -> Frame:
    return modern(
        "subscriptions/listen", {"notifications": {"toolsListChanged": True, "taskIds": list(tasks)}}, 3
    )


def told_of(task: str, **more: Any) -> Frame:
    return note("notifications/tasks", {"taskId": task, "status": "completed", **more})


def acknowledged(*tasks: str) -> Frame:
    return note("notifications/subscriptions/acknowledged", {"notifications": {"taskIds": list(tasks)}})


def test_a_caller_follows_its_own_tasks_under_the_ids_that_it_was_given() -> None:
    desk = Desk()
    task = begun(desk)
    listening = desk.post(subscribed(task), "ann")
    sent = desk.server.one()
    assert sent.frame["params"]["notifications"] == {"toolsListChanged": True, "taskIds": ["t-1"]}
    changed = note("notifications/tools/list_changed")
    sent.streams().event(acknowledged("t-1")).event(told_of("t-1", result={"x": 1.0})).event(changed)
    assert listening.frames == [acknowledged(task), told_of(task, result={"x": 1.0}), changed]


def test_what_a_server_tells_of_other_tasks_is_dropped() -> None:
    desk = Desk()
    task = begun(desk)
    listening = desk.post(subscribed(task), "ann")
    sent = desk.server.one().streams()
    sent.event(told_of("t-2")).event(acknowledged("t-1", "t-2")).event(note("notifications/tasks"))
    sent.event(note("notifications/tasks", {"taskId": ["t-1"]}))
    assert listening.frames == []
    assert not listening.ended
    sent.event(told_of("t-1"))
    assert listening.frames == [told_of(task)]


@pytest.mark.parametrize("whose", ["another caller's", "the server's own id", "no text", "one of two"])
def test_nobody_follows_the_task_of_another(whose: str) -> None:
    desk = Desk()
    task = begun(desk)
    own = begun(desk, "bob")
    wanted: dict[str, list[object]] = {
        "another caller's": [task],
        "the server's own id": ["t-1"],
        "no text": [1],
        "one of two": [own, task],
    }
    asked = desk.post(subscribed(*wanted[whose]), "bob")
    assert desk.server.taken() == []
    assert (asked.status, asked.code) == (400, "WIR074")


def test_a_subscription_to_no_task_passes_as_it_is() -> None:
    desk = Desk()
    frame = modern("subscriptions/listen", {"notifications": {"toolsListChanged": True}}, 3)
    listening = desk.post(frame, "ann")
    sent = desk.server.one()
    assert sent.frame == frame
    ready = note("notifications/subscriptions/acknowledged", {"notifications": {"toolsListChanged": True}})
    sent.streams().event(ready)
    assert listening.frames == [ready]


# The handshake eras: the same servers, and perhaps the same tasks.

RELATED = "io.modelcontextprotocol/related-task"
HANDSHAKE_QUESTIONS = pytest.mark.parametrize(
    "method", ["tasks/get", "tasks/result", "tasks/cancel", "tasks/update"]
)


def begun_before(desk: Desk, who: str = "ann") -> str:
    """A call of a handshake era that goes on as a task; returns the id that its caller is given."""
    asked = desk.post(call("echo"), who)
    desk.server.one().answers(result(1, {"task": {"taskId": "t-1", "status": "working"}, "x": 1.0}))
    task = str(asked.frame["result"]["task"]["taskId"])
    assert asked.frame["result"] == {"task": {"taskId": task, "status": "working"}, "x": 1.0}
    return task


@HANDSHAKE_QUESTIONS
@pytest.mark.parametrize("begin", [begun, begun_before])
def test_a_handshake_caller_asks_about_its_own_task_only(method: str, begin: Any) -> None:
    desk = Desk()
    task = begin(desk)
    assert task != "t-1"
    for given, who in ((task, "bob"), ("t-1", "ann"), ("t-1", "bob"), (None, "bob"), (["t-1"], "bob")):
        refused = desk.post(ask(method, {"taskId": given}), who)
        assert (refused.status, refused.code) == (200, "WIR074")
    desk.post(note(method, {"taskId": "t-1"}), "bob")
    assert desk.server.taken() == []
    asked = desk.post(ask(method, {"taskId": task}, 2), "ann")
    sent = desk.server.one()
    assert sent.frame["params"] == {"taskId": "t-1"}
    sent.answers(result(2, {"taskId": "t-1", "status": "working"}))
    assert asked.frame["result"] == {"taskId": task, "status": "working"}


def test_the_result_of_a_task_names_it_as_its_caller_does() -> None:
    desk = Desk()
    task = begun_before(desk)
    asked = desk.post(ask("tasks/result", {"taskId": task}, 2), "ann")
    desk.server.one().answers(result(2, {"content": [], "_meta": {RELATED: {"taskId": "t-1"}, "y": 1.0}}))
    assert asked.frame["result"] == {"content": [], "_meta": {RELATED: {"taskId": task}, "y": 1.0}}


def test_nobody_is_shown_the_list_of_everybodys_tasks() -> None:
    desk = Desk()
    asked = desk.post(ask("tasks/list"), "ann")
    assert desk.server.taken() == []
    assert (asked.frame["error"]["code"], asked.code) == (-32601, "WIR050")
    # One who is nobody in particular has nobody to be kept from.
    desk.post(ask("tasks/list"))
    assert desk.server.one().frame["method"] == "tasks/list"


def test_a_task_that_an_answer_begins_late_is_its_callers_too() -> None:
    desk = Desk()
    token = desk.begin_session(who="ann")
    desk.post(call("echo", id=7), "ann", mcp_session_id=token)
    desk.server.one().streams().event(b"", "0").closed()
    listening = desk.get("ann", mcp_session_id=token)
    desk.server.one().streams().event(result(7, {"task": {"taskId": "t-1"}}))
    task = listening.frame["result"]["task"]["taskId"]
    desk.post(ask("tasks/get", {"taskId": task}), "ann", mcp_session_id=token)
    assert desk.server.one().frame["params"] == {"taskId": "t-1"}


# Late answers.


def left(desk: Desk, id: int, token: str) -> None:
    """A call whose stream ends before its answer."""
    desk.post(call("echo", id=id), mcp_session_id=token)
    desk.server.one().streams().event(b"", "0").closed()


def test_late_answers_settle_their_own_calls_each_once() -> None:
    desk = Desk()
    token = desk.begin_session()
    for id in (1, 2):
        left(desk, id, token)
    desk.get(mcp_session_id=token)
    stream = desk.server.one().streams()
    stream.event(failure(2, -32000)).event(plain(2)).event(plain(3))
    assert desk.records() == ["allow echo", "allow echo", "rpc_error echo"]
    desk.shared.unanswered.end()
    assert desk.records() == ["unknown echo"]


def test_an_id_that_is_used_again_gives_the_first_call_up() -> None:
    desk = Desk()
    token = desk.begin_session()
    left(desk, 1, token)
    left(desk, 1, token)
    assert desk.records() == ["allow echo", "allow echo", "unknown echo"]


def test_calls_that_wait_for_late_answers_are_bounded() -> None:
    clock = ManualClock()
    settled: list[Settlement] = []
    waiting = Unanswered(clock, settled.append)
    for id in range(MAX_CALLS + 3):
        waiting.wait(("srv", "lane", id), Admission(str(id), "echo", 0, 0))
    assert len(waiting) == MAX_CALLS
    assert [(one.admission.decision_id, one.status) for one in settled] == [
        (str(id), "unknown") for id in range(3)
    ]
    assert waiting.take(("srv", "lane", 2)) is None
    assert waiting.take(("srv", "lane", "3")) is None
    assert waiting.take(("srv", "lane", 3)) is not None


def test_a_list_under_the_id_of_a_call_that_waits_is_filtered_too() -> None:
    desk = Desk("default: allow\nhide: [secret]\n")
    # A server without sessions: both clients are one to the gate.
    desk.post(call("echo", id=7))
    desk.server.one().streams().event(b"", "0").closed()
    listening = desk.get()
    listed = [{"name": name, "inputSchema": {"type": "object"}} for name in ("echo", "secret")]
    desk.server.one().streams().event(result(7, {"tools": listed}), "1")
    assert [tool["name"] for tool in listening.frame["result"]["tools"]] == ["echo"]


def test_the_server_may_go_on_for_a_while_after_its_client_has_gone() -> None:
    desk = Desk(timeout=30.0)
    asked = desk.post(call("echo"))
    sent = desk.server.one().streams()
    asked.goes()
    desk.pass_time(29)
    desk.shared.unanswered.expire()
    assert [sent.cancelled] == [False]
    desk.pass_time(1)
    desk.shared.unanswered.expire()
    assert sent.cancelled
    assert desk.records() == ["allow echo", "unknown echo"]
    sent.event(plain())
    assert desk.records() == []


def test_an_answer_for_a_client_that_has_gone_still_counts_if_it_comes_in_time() -> None:
    desk = Desk(timeout=30.0)
    asked = desk.post(call("echo"))
    sent = desk.server.one().streams()
    asked.goes()
    sent.event(plain()).closed()
    desk.pass_time(31)
    desk.shared.unanswered.expire()
    assert not sent.cancelled
    assert desk.records() == ["allow echo", "ok echo"]


def test_a_late_list_is_filtered() -> None:
    desk = Desk("default: allow\nhide: [secret]\n")
    token = desk.begin_session()
    desk.post({"jsonrpc": "2.0", "id": 4, "method": "tools/list"}, mcp_session_id=token)
    desk.server.one().streams().event(b"", "0").fails()
    listening = desk.get(mcp_session_id=token, last_event_id="0")
    listed = [{"name": name, "inputSchema": {"type": "object"}} for name in ("echo", "secret")]
    desk.server.one().streams().event(result(4, {"tools": listed}), "1")
    assert "secret" not in json.dumps(listening.frames)
