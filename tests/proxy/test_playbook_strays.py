"""Answers of the server that answer no request it has: nothing comes by that way which the gate would not let by."""

from collections.abc import Callable
from typing import Any

import pytest
from playbook import Playbook, ask, call, failure, listing, refused, result, text, tool

from callgate.wire.envelope import Envelope
from callgate.wire.framing import Oversized

Play = Callable[..., Playbook]

HIDE = "hide: [secret]"
CHECKED = "tools: {echo: {rules: [{validate: {required_args: true}}]}}"
ECHO = tool(
    "echo", inputSchema={"type": "object", "properties": {"text": {"type": "string"}}, "required": ["text"]}
)
LIST_OF_SECRETS = [tool("secret"), tool("a")]


@pytest.mark.parametrize("id", ["1", 2], ids=["as text", "unasked"])
def test_a_list_that_answers_no_open_request_is_filtered_too(play: Play, id: str | int) -> None:
    stage = play(HIDE).handshake().agent_says(ask("tools/list", {}, 1)).server_gets(ask("tools/list", {}, 1))
    stage.server_says(listing(id, LIST_OF_SECRETS)).agent_gets(listing(id, [tool("a")]))


def test_a_second_answer_to_a_list_is_filtered_too(play: Play) -> None:
    stage = play(HIDE).handshake().agent_says(ask("tools/list", {}, 1)).server_gets(ask("tools/list", {}, 1))
    twice = listing(1, LIST_OF_SECRETS)
    stage.server_says(twice, twice).agent_gets(listing(1, [tool("a")]), listing(1, [tool("a")]))


@pytest.mark.parametrize("content", [{"tools": {"secret": 1}}, {"Tools": LIST_OF_SECRETS}])
def test_an_unasked_answer_that_only_some_would_read_as_a_list_is_dropped(play: Play, content: Any) -> None:
    stage = play(HIDE).handshake().server_says(result(7, content)).agent_gets()
    stage.audit_holds("event frame_refused WIR054")
    stage = play("default: deny").handshake().server_says(result(7, content)).agent_gets(result(7, content))


def test_any_other_unasked_answer_passes_as_it_is(play: Play) -> None:
    for answer in (result(7, {"content": []}), result(7, ["tools"]), failure(7, -1)):
        play(HIDE).handshake().server_says(answer).agent_gets(answer)


@pytest.mark.parametrize("id", [1, 9], ids=["asked", "unasked"])
def test_a_list_that_only_a_lenient_reader_can_read_does_not_pass(play: Play, id: int) -> None:
    stage = play(HIDE).handshake().agent_says(ask("tools/list", {}, 1)).server_gets(ask("tools/list", {}, 1))
    stage.server_says(b'{"jsonrpc":"2.0","id":%d,"result":{"tools":[{"name":"secret","x":NaN}]}}' % id)
    stage.agent_gets(*[refused(1, -32603, "WIR055")] * (id == 1))


def question_of(stage: Playbook) -> dict[str, Any]:
    """The gate's own question, which must be all that the server got."""
    (question,) = stage.taken_by_server()
    assert question["method"] == "tools/list"
    return question


def test_an_answer_to_the_gates_own_question_never_reaches_the_agent(play: Play) -> None:
    stage = play(CHECKED).handshake().agent_says(call("echo", {"text": "a"}))
    id = question_of(stage)["id"].encode()
    stage.server_says(b'{"jsonrpc":"2.0","id":"%b","result":{"tools":NaN}}' % id).agent_gets()


def test_a_large_request_of_the_server_answers_no_call_with_the_same_id(play: Play) -> None:
    stage = play().handshake().agent_says(call("echo", {}, 1)).server_gets(call("echo", {}, 1))
    stage.session.server_oversized(Oversized(1 << 30, Envelope("request", 1, "sampling/createMessage")))
    stage.turn().agent_gets()
    stage.server_says(result(1, text("a"))).agent_gets(result(1, text("a")))


def test_an_answer_to_a_call_that_still_waits_is_dropped(play: Play) -> None:
    policy = "tools: {echo: {rules: [{validate: {required_args: true}, rate_limit: 5/minute}]}}"
    early = (
        result(1, text("early")),
        failure(1, -32603),
        b'{"jsonrpc":"2.0","id":1,"result":{"x":NaN}}',
        b'\r{"jsonrpc":"2.0","id":1,"result":{"x":NaN}}',
    )
    for answer in early:
        stage = play(policy).handshake().agent_says(call("echo", {"text": "a"}))
        question = question_of(stage)
        stage.server_says(answer).agent_gets()
        assert any(level == "warning" for level, _ in stage.log)
        # The id is still taken.
        stage.agent_says(call("echo", {"text": "b"})).server_gets().agent_gets(refused(1, -32600, "WIR051"))
        stage.server_says(listing(question["id"], [ECHO])).server_gets(call("echo", {"text": "a"}))
        stage.server_says(result(1, text("a"))).agent_gets(result(1, text("a")))
        assert stage.session.unanswered == 0


def test_a_frame_too_large_to_pass_does_not_answer_a_call_that_still_waits(play: Play) -> None:
    stage = play(CHECKED).handshake().agent_says(call("echo", {"text": "a"}))
    question = question_of(stage)
    stage.session.server_oversized(Oversized(1 << 30, Envelope("response", 1)))
    stage.turn().agent_gets()
    stage.server_says(listing(question["id"], [ECHO])).server_gets(call("echo", {"text": "a"}))


def test_the_drop_of_an_early_answer_is_recorded(play: Play) -> None:
    stage = play(CHECKED).handshake().agent_says(call("echo", {"text": "a"}))
    question_of(stage)
    stage.server_says(result(1, text("early"))).agent_gets().audit_holds("event frame_refused WIR056")
