"""What the gate must leave alone, in both directions and both eras."""

from collections.abc import Callable
from typing import Any

import pytest
from playbook import (
    MODERN,
    Playbook,
    ask,
    call,
    denied,
    encoded,
    failure,
    modern_call,
    note,
    refused,
    result,
    text,
)

Play = Callable[..., Playbook]

LEGACY_REQUESTS: list[tuple[str, dict[str, Any] | None, Any]] = [
    ("ping", None, {}),
    ("resources/list", {"cursor": "2"}, {"resources": []}),
    ("resources/templates/list", {}, {"resourceTemplates": []}),
    ("resources/read", {"uri": "file:///a"}, {"contents": [{"uri": "file:///a", "blob": "AAEC"}]}),
    ("resources/subscribe", {"uri": "file:///a"}, {}),
    ("resources/unsubscribe", {"uri": "file:///a"}, {}),
    ("prompts/list", {}, {"prompts": [{"name": "p"}], "nextCursor": "x"}),
    ("prompts/get", {"name": "p", "arguments": {"a": "b"}}, {"messages": []}),
    (
        "completion/complete",
        {"ref": {"type": "ref/prompt", "name": "p"}, "argument": {"name": "a", "value": ""}},
        {"completion": {"values": ["x"], "hasMore": False}},
    ),
    ("logging/setLevel", {"level": "debug"}, {}),
    ("tasks/get", {"taskId": "t"}, {"taskId": "t", "status": "working"}),
    ("tasks/result", {"taskId": "t"}, text("done")),
    ("tasks/list", {}, {"tasks": []}),
    ("tasks/cancel", {"taskId": "t"}, {"taskId": "t", "status": "cancelled"}),
]
MODERN_REQUESTS: list[tuple[str, dict[str, Any], Any]] = [
    ("server/discover", {}, {"supportedVersions": ["2026-07-28"], "capabilities": {}}),
    ("resources/list", {}, {"resources": [], "ttlMs": 5, "cacheScope": "public"}),
    ("resources/templates/list", {}, {"resourceTemplates": []}),
    ("resources/read", {"uri": "file:///a"}, {"contents": []}),
    ("prompts/list", {}, {"prompts": []}),
    ("prompts/get", {"name": "p"}, {"inputRequests": {"a": {}}, "resultType": "input_required"}),
    ("completion/complete", {"ref": {"type": "ref/prompt", "name": "p"}}, {"completion": {"values": []}}),
    ("tasks/get", {"taskId": "t"}, {"resultType": "task", "taskId": "t", "status": "working"}),
    ("tasks/update", {"taskId": "t", "inputResponses": {"a": {"x": 1}}}, {"resultType": "complete"}),
    ("tasks/cancel", {"taskId": "t"}, {"resultType": "complete"}),
]


@pytest.mark.parametrize(("method", "params", "answer"), LEGACY_REQUESTS, ids=lambda value: str(value)[:30])
def test_every_legacy_request_and_its_answer_pass(
    play: Play, method: str, params: dict[str, Any] | None, answer: Any
) -> None:
    stage = play("default: deny").handshake()
    stage.agent_says(ask(method, params, 7)).server_gets(ask(method, params, 7))
    line = encoded(result(7, answer))
    stage.server_says(line).agent_gets(line).audit_holds()


@pytest.mark.parametrize(("method", "params", "answer"), MODERN_REQUESTS, ids=lambda value: str(value)[:30])
def test_every_modern_request_and_its_answer_pass(
    play: Play, method: str, params: dict[str, Any], answer: Any
) -> None:
    request = ask(method, {**params, "_meta": MODERN}, "r-1")
    line = encoded(result("r-1", answer))
    stage = play("default: deny").agent_says(request).server_gets(request)
    stage.server_says(line).agent_gets(line).audit_holds()


@pytest.mark.parametrize(
    ("method", "params", "answer"),
    [
        ("sampling/createMessage", {"messages": [], "maxTokens": 5}, {"role": "assistant", "model": "m"}),
        ("elicitation/create", {"message": "?", "requestedSchema": {}}, {"action": "accept", "content": {}}),
        ("roots/list", None, {"roots": [{"uri": "file:///x"}]}),
        ("ping", None, {}),
        ("tasks/get", {"taskId": "t"}, {"taskId": "t", "status": "working"}),
    ],
)
def test_what_the_server_asks_of_the_agent_passes_with_its_answer(
    play: Play, method: str, params: dict[str, Any] | None, answer: Any
) -> None:
    stage = play("default: deny").handshake()
    question = encoded(ask(method, params, 0))
    stage.server_says(question).agent_gets(question)
    stage.agent_says(result(0, answer)).server_gets(result(0, answer)).audit_holds()


def test_a_server_may_use_an_id_that_the_agent_uses_too(play: Play) -> None:
    stage = play().handshake().agent_says(call("echo", {}, 1)).server_gets(call("echo", {}, 1))
    stage.server_says(ask("roots/list", None, 1)).agent_gets(ask("roots/list", None, 1))
    stage.agent_says(failure(1, -32601)).server_gets(failure(1, -32601))
    stage.server_says(result(1, text("done"))).agent_gets(result(1, text("done")))
    stage.audit_holds("allow echo", "ok echo")


def test_the_refused_answer_to_a_server_is_given_in_the_agents_place(play: Play) -> None:
    stage = play().handshake()
    stage.server_says(ask("roots/list", None, 5)).agent_gets(ask("roots/list", None, 5))
    stage.agent_says(b'{"jsonrpc":"2.0","id":5,"result":{"roots":[],"Roots":[]}}')
    (answer,) = stage.taken_by_server()
    assert answer["id"] == 5
    assert "error" in answer


@pytest.mark.parametrize(
    "message",
    [
        note("notifications/progress", {"progressToken": "t", "progress": 0.5, "total": 1, "message": "…"}),
        note("notifications/message", {"level": "info", "data": {"any": [1, None]}}),
        note("notifications/resources/updated", {"uri": "file:///a"}),
        note("notifications/resources/list_changed"),
        note("notifications/prompts/list_changed"),
        note("notifications/tools/list_changed"),
        note("notifications/cancelled", {"requestId": 3}),
        note("notifications/elicitation/complete", {"elicitationId": "e"}),
        note("notifications/tasks", {"taskId": "t", "status": "completed", "result": {}}),
        note("notifications/vendor/unheard-of", {"x": 1}),
    ],
    ids=lambda message: message["method"],
)
def test_what_the_server_tells_the_agent_passes_to_the_byte(play: Play, message: dict[str, Any]) -> None:
    spaced = encoded(message).replace(b",", b" , ").replace(b":{", b"\t: {")
    play("{default: deny, hide: [rm]}").server_says(spaced).agent_gets(spaced).audit_holds()


@pytest.mark.parametrize(
    "message",
    [
        note("notifications/progress", {"progressToken": 4, "progress": 1}),
        note("notifications/roots/list_changed"),
        note("notifications/cancelled", {"requestId": 99, "reason": "bored"}),
        note("notifications/tasks/status", {"taskId": "t", "status": "working"}),
    ],
    ids=lambda message: message["method"],
)
def test_what_the_agent_tells_the_server_passes(play: Play, message: dict[str, Any]) -> None:
    play("default: deny").handshake().agent_says(message).server_gets(message).audit_holds()


def test_an_answer_keeps_every_byte_that_the_server_wrote(play: Play) -> None:
    line = (
        b'{"id" : 1,"result":{"content":[], "n":1.0,"big":12345678901234567890123,"s":"\\u00e9","x":null} }'
    )
    play().agent_says(call("echo")).server_gets(call("echo")).server_says(line).agent_gets(line)


def test_an_answer_to_nobody_and_a_line_that_is_no_message_pass_as_they_are(play: Play) -> None:
    stage = play()
    for line in (encoded(result("nobody", {})), b"Listening on stdio", encoded(failure(None, -32700))):
        stage.server_says(line).agent_gets(line)


@pytest.mark.parametrize("method", ["tools/run", "x/y", "sampling/createMessage", "notifications/progress"])
def test_a_request_outside_the_protocol_is_refused_with_an_answer(play: Play, method: str) -> None:
    stage = play().handshake().agent_says(ask(method, {}, 8)).server_gets()
    stage.agent_gets(refused(8, -32601, "WIR050")).audit_holds("event frame_refused WIR050")


@pytest.mark.parametrize("method", ["tools/list", "resources/read", "notifications/x", "ping"])
def test_a_notification_outside_the_protocol_goes_nowhere(play: Play, method: str) -> None:
    play().handshake().agent_says(note(method, {})).server_gets().agent_gets().audit_holds(
        "event frame_refused WIR050"
    )


def test_methods_that_the_policy_names_pass(play: Play) -> None:
    stage = play("{default: deny, allow_methods: ['vendor/*']}")
    stage.agent_says(ask("vendor/stats", {"a": 1}, 1)).server_gets(ask("vendor/stats", {"a": 1}, 1))
    stage.server_says(result(1, {"n": 1})).agent_gets(result(1, {"n": 1}))
    stage.agent_says(note("vendor/bye")).server_gets(note("vendor/bye"))
    stage.agent_says(ask("other/stats", {}, 2)).agent_gets(refused(2, -32601, "WIR050"))


def test_an_id_in_use_belongs_to_its_request_until_it_is_answered(play: Play) -> None:
    stage = play().handshake().agent_says(call("a", {}, 4)).server_gets(call("a", {}, 4))
    stage.agent_says(ask("tools/list", {}, 4)).server_gets().agent_gets(refused(4, -32600, "WIR051"))
    stage.agent_says(call("b", {}, 4)).server_gets().agent_gets(refused(4, -32600, "WIR051"))
    stage.agent_says(call("b", {}, "4")).server_gets(call("b", {}, "4"))
    stage.server_says(result(4, text("a"))).agent_gets(result(4, text("a")))
    stage.agent_says(call("c", {}, 4)).server_gets(call("c", {}, 4))


def test_frames_of_both_eras_keep_their_order_within_a_turn(play: Play) -> None:
    frames = [modern_call("a", {}, 1), ask("prompts/list", {"_meta": MODERN}, 2), modern_call("b", {}, 3)]
    play().agent_says(*frames).server_gets(*frames)


def test_more_open_requests_than_the_gate_can_follow_are_refused(play: Play) -> None:
    stage = play()
    stage.agent_says(*(ask("ping", None, number) for number in range(10_000))).taken_by_server()
    stage.agent_says(ask("ping", None, 10_000)).server_gets().agent_gets(refused(10_000, -32600, "WIR052"))
    stage.agent_says(call("echo", {}, 10_001)).server_gets().agent_gets(refused(10_001, -32600, "WIR052"))
    stage.server_says(result(0, {})).agent_gets(result(0, {}))
    stage.agent_says(ask("ping", None, 10_002)).server_gets(ask("ping", None, 10_002))


def test_every_open_request_is_answered_when_the_server_ends(play: Play) -> None:
    stage = play("tools: {echo: {rules: [{rate_limit: 1/minute}]}}").handshake()
    stage.agent_says(call("echo", {}, 1), ask("ping", None, 2)).taken_by_server()
    stage.server_ends().agent_gets(refused(1, -32603, "UPS003"), refused(2, -32603, "UPS003"))
    stage.audit_holds("allow echo", "unknown echo")
    stage.agent_says(call("echo", {}, 3)).agent_gets(denied(3, "DEN020", wait=60))
    assert stage.session.unanswered == 0
