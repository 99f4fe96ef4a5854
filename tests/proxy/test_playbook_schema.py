"""Rules that need the tool's own inputSchema: asked for without disturbing the session, denied without it."""

from collections.abc import Callable
from typing import Any

import pytest
from playbook import (
    MODERN,
    TOKEN,
    Playbook,
    ask,
    call,
    denied,
    failure,
    listing,
    modern_call,
    note,
    refused,
    result,
    text,
    tool,
)

Play = Callable[..., Playbook]

CHECKED = "tools: {echo: {rules: [{validate: {required_args: true}}]}}"
STRICT = "tools: {echo: {rules: [{validate: {schema: true}}]}}"
SCHEMA = {"type": "object", "properties": {"text": {"type": "string"}}, "required": ["text"]}
ECHO = tool("echo", inputSchema=SCHEMA)


def asked(stage: Playbook) -> dict[str, Any]:
    """The gate's own question, which must be all that the server got."""
    (question,) = stage.taken_by_server()
    assert question["method"] == "tools/list"
    return question


def test_a_call_waits_for_the_schema_that_the_gate_asks_for(play: Play) -> None:
    stage = play(CHECKED).handshake().agent_says(call("echo", {"text": "a"}))
    question = asked(stage)
    assert question["params"] == {}
    stage.server_says(listing(question["id"], [ECHO])).agent_gets()
    stage.server_gets(call("echo", {"text": "a"})).audit_holds("allow echo")
    stage.server_says(result(1, text("a"))).agent_gets(result(1, text("a")))


def test_a_call_that_lacks_what_the_schema_requires_is_denied(play: Play) -> None:
    stage = play(CHECKED).handshake().agent_says(call("echo", {"txt": "a"}))
    stage.server_says(listing(asked(stage)["id"], [ECHO])).server_gets()
    stage.agent_gets(denied(1, "DEN004", says="`text`"))
    stage.agent_says(call("echo", {"text": None}, 2)).server_gets().agent_gets(denied(2, "DEN004"))


def test_the_whole_schema_is_enforced_where_the_policy_says_so(play: Play) -> None:
    stage = play(STRICT).handshake().agent_says(call("echo", {"text": 5}))
    stage.server_says(listing(asked(stage)["id"], [ECHO])).server_gets().agent_gets(
        denied(1, "DEN005", says="`text`")
    )


def test_a_schema_that_the_agent_has_asked_for_is_not_asked_for_again(play: Play) -> None:
    stage = play(CHECKED).handshake().listed(ECHO)
    stage.agent_says(call("echo", {"text": "a"})).server_gets(call("echo", {"text": "a"}))
    stage.agent_says(call("echo", {}, 2)).server_gets().agent_gets(denied(2, "DEN004"))


def test_the_question_is_put_in_the_agents_era(play: Play) -> None:
    meta = {**MODERN, "io.modelcontextprotocol/clientInfo": {"name": "x"}, "progressToken": 5, "secret": 1}
    stage = play(CHECKED).agent_says(call("echo", {"text": "a"}, 1, _meta=meta))
    assert asked(stage)["params"] == {"_meta": MODERN}


def test_the_id_of_the_question_cannot_be_guessed_and_its_answer_is_not_shown(play: Play) -> None:
    stage = play(CHECKED).handshake().agent_says(call("echo", {"text": "a"}))
    question = asked(stage)
    assert TOKEN in question["id"]
    stage.server_says(listing(question["id"], [ECHO])).agent_gets().taken_by_server()


def test_before_the_handshake_nothing_is_asked_and_the_call_is_denied(play: Play) -> None:
    stage = play(CHECKED).agent_says(call("echo", {"text": "a"})).server_gets()
    stage.agent_gets(denied(1, "DEN008"))


def test_every_page_is_asked_for_before_a_tool_counts_as_absent(play: Play) -> None:
    stage = play(CHECKED).handshake().agent_says(call("echo", {"text": "a"}))
    stage.server_says(listing(asked(stage)["id"], [tool("other")], nextCursor="p2")).agent_gets()
    second = asked(stage)
    assert second["params"] == {"cursor": "p2"}
    stage.server_says(listing(second["id"], [ECHO])).server_gets(call("echo", {"text": "a"}))


def test_a_tool_that_the_server_does_not_list_is_denied_and_not_asked_for_again(play: Play) -> None:
    stage = play(CHECKED).handshake().agent_says(call("echo", {"text": "a"}))
    stage.server_says(listing(asked(stage)["id"], [tool("other")])).server_gets().agent_gets(
        denied(1, "DEN008")
    )
    stage.agent_says(call("echo", {}, 2)).server_gets().agent_gets(denied(2, "DEN008"))


def test_a_list_without_end_is_given_up(play: Play) -> None:
    stage = play(CHECKED).handshake().agent_says(call("echo", {"text": "a"}))
    for page in range(200):
        stage.server_says(listing(asked(stage)["id"], [tool(f"t{page}")], nextCursor="again"))
    stage.server_gets().agent_gets(denied(1, "DEN008"))


def test_pages_that_each_come_in_time_do_not_make_a_call_wait_longer(play: Play) -> None:
    stage = play(CHECKED).handshake().agent_says(call("echo", {"text": "a"}))
    first = asked(stage)
    stage.pass_time(6).server_says(listing(first["id"], [tool("other")], nextCursor="p2"))
    second = asked(stage)
    stage.pass_time(3.9).agent_gets().pass_time(0.2).agent_gets(denied(1, "DEN008"))
    stage.server_says(listing(second["id"], [ECHO], nextCursor="p3")).server_gets().agent_gets()


def test_a_server_that_refuses_to_list_has_its_checked_tools_denied(play: Play) -> None:
    stage = play(CHECKED).handshake().agent_says(call("echo", {"text": "a"}))
    stage.server_says(failure(asked(stage)["id"], -32601)).server_gets().agent_gets(denied(1, "DEN008"))
    stage.agent_says(call("echo", {"text": "a"}, 2))
    stage.server_says(listing(asked(stage)["id"], [ECHO])).server_gets(call("echo", {"text": "a"}, 2))


@pytest.mark.parametrize("nonsense", [{}, {"tools": 5}, {"tools": [], "Tools": []}, [], "x"])
def test_a_list_that_cannot_be_read_denies(play: Play, nonsense: Any) -> None:
    stage = play(CHECKED).handshake().agent_says(call("echo", {"text": "a"}))
    stage.server_says(result(asked(stage)["id"], nonsense)).server_gets().agent_gets(denied(1, "DEN008"))


def test_a_server_that_does_not_answer_in_time_has_its_checked_tools_denied(play: Play) -> None:
    stage = play(CHECKED).handshake().agent_says(call("echo", {"text": "a"}))
    question = asked(stage)
    stage.pass_time(9.9).agent_gets().pass_time(0.2).agent_gets(denied(1, "DEN008"))
    late = listing(question["id"], [ECHO])
    stage.server_says(late).agent_gets()
    stage.agent_says(call("echo", {"text": "a"}, 2))
    stage.server_says(listing(asked(stage)["id"], [ECHO])).server_gets(call("echo", {"text": "a"}, 2))


def test_everything_else_goes_on_while_a_call_waits(play: Play) -> None:
    stage = play(CHECKED).handshake().agent_says(call("echo", {"text": "a"}, 1))
    question = asked(stage)
    stage.agent_says(call("free", {}, 2), ask("ping", None, 3)).server_gets(
        call("free", {}, 2), ask("ping", None, 3)
    )
    stage.server_says(result(2, text("x")), ask("roots/list", None, 1)).agent_gets(
        result(2, text("x")), ask("roots/list", None, 1)
    )
    stage.agent_says(call("echo", {"text": "b"}, 4)).server_gets()
    stage.agent_says(ask("ping", None, 1)).agent_gets(refused(1, -32600, "WIR051"))
    assert stage.session.unanswered == 3
    stage.server_says(listing(question["id"], [ECHO]))
    stage.server_gets(call("echo", {"text": "a"}, 1), call("echo", {"text": "b"}, 4))


def test_a_change_of_the_servers_tools_makes_the_schema_stale(play: Play) -> None:
    stage = play(CHECKED).handshake().listed(ECHO)
    changed = note("notifications/tools/list_changed")
    stage.server_says(changed).agent_gets(changed).agent_says(call("echo", {"text": "a"}))
    newer = tool("echo", inputSchema={**SCHEMA, "required": ["text", "more"]})
    stage.server_says(listing(asked(stage)["id"], [newer])).agent_gets(denied(1, "DEN004", says="`more`"))


def test_a_change_in_the_middle_of_the_pages_does_not_leave_half_a_list_in_force(play: Play) -> None:
    stage = (
        play(CHECKED)
        .handshake()
        .agent_says(call("other", {"text": "a"}, 1))
        .server_gets(call("other", {"text": "a"}, 1))
    )
    stage.agent_says(call("echo", {"text": "a"}, 2))
    first = asked(stage)
    stage.server_says(listing(first["id"], [ECHO], nextCursor="p2"))
    second = asked(stage)
    changed = note("notifications/tools/list_changed")
    stage.server_says(changed).agent_gets(changed)
    stage.server_says(listing(second["id"], [tool("other")])).server_gets().agent_gets(denied(2, "DEN008"))
    stage.agent_says(call("echo", {"text": "a"}, 3))
    stage.server_says(listing(asked(stage)["id"], [ECHO])).server_gets(call("echo", {"text": "a"}, 3))


def test_lists_of_agent_and_gate_that_overlap_do_not_spoil_each_other(play: Play) -> None:
    stage = play(CHECKED).handshake()
    stage.agent_says(ask("tools/list", {}, "a1")).taken_by_server()
    stage.server_says(listing("a1", [ECHO], nextCursor="p2")).taken_by_agent()
    stage.agent_says(call("late", {})).taken_by_server()
    stage.policy_becomes("tools: {'*': {rules: [{validate: {required_args: true}}]}}")
    stage.agent_says(call("late", {}, 2))
    question = asked(stage)
    stage.server_says(listing(question["id"], [ECHO], nextCursor="p2"))
    second = asked(stage)
    stage.agent_says(ask("tools/list", {"cursor": "p2"}, "a2")).taken_by_server()
    stage.server_says(listing("a2", [tool("late")])).taken_by_agent()
    stage.server_says(listing(second["id"], [tool("late")])).server_gets(call("late", {}, 2))
    stage.agent_says(call("echo", {"text": "x"}, 3)).server_gets(call("echo", {"text": "x"}, 3))


def test_a_tool_listed_twice_has_no_schema_to_trust(play: Play) -> None:
    stage = play(CHECKED).handshake().listed(ECHO, tool("echo"))
    stage.agent_says(call("echo", {"text": "a"})).server_gets().agent_gets(denied(1, "DEN008"))


@pytest.mark.parametrize("schema", [None, 5, {"type": "object", "required": "text"}, {"$ref": "http://x/y"}])
def test_a_schema_that_is_nonsense_denies(play: Play, schema: Any) -> None:
    stage = play(STRICT).handshake().listed(tool("echo", inputSchema=schema))
    (answer,) = stage.agent_says(call("echo", {"text": "a"})).server_gets().taken_by_agent()
    assert answer["result"]["structuredContent"]["code"] in ("DEN008", "DEN009")


def test_calls_that_wait_are_answered_when_the_server_ends(play: Play) -> None:
    stage = play(CHECKED).handshake().agent_says(call("echo", {"text": "a"}))
    asked(stage)
    stage.server_ends().agent_gets(refused(1, -32603, "UPS003"))
    stage.pass_time(60).agent_gets().server_gets().audit_holds()


def test_no_more_calls_wait_than_the_gate_can_keep(play: Play) -> None:
    stage = play(CHECKED).handshake()
    stage.agent_says(*(call("echo", {"text": "a"}, number) for number in range(1_000)))
    question = asked(stage)
    stage.agent_says(call("echo", {"text": "a"}, 1_000)).agent_gets(denied(1_000, "DEN008"))
    stage.server_says(listing(question["id"], [ECHO]))
    assert len(stage.taken_by_server()) == 1_000


def test_the_policy_in_force_when_the_schema_comes_is_the_one_that_judges(play: Play) -> None:
    stage = play(CHECKED).handshake().agent_says(call("echo", {"text": "a"}))
    question = asked(stage)
    stage.policy_becomes("tools: {echo: {rules: [{action: deny, reason: Closed.}]}}")
    stage.server_says(listing(question["id"], [ECHO])).server_gets().agent_gets(denied(1, "DEN001"))


def test_a_hidden_tool_that_is_listed_is_checked_as_one_that_is_not(play: Play) -> None:
    policy = "{hide: [echo], tools: {'*': {rules: [{validate: {required_args: true}}]}}}"
    answers = []
    for name in ("echo", "nosuch"):
        stage = play(policy).handshake().listed(ECHO)
        (answer,) = stage.agent_says(call(name)).server_gets().taken_by_agent()
        answers.append(str(answer).replace(name, "NAME"))
    assert answers[0] == answers[1]


def test_a_hidden_tools_output_schema_does_not_shape_its_denial(play: Play) -> None:
    policy = "{hide: [echo], default: deny}"
    schema = {"type": "object", "properties": {"n": {"type": "integer"}}, "required": ["n"]}
    answers = []
    for name in ("echo", "nosuch"):
        stage = play(policy).handshake().listed(tool("echo", outputSchema=schema))
        (answer,) = stage.agent_says(call(name)).server_gets().taken_by_agent()
        answers.append(str(answer).replace(name, "NAME"))
    assert answers[0] == answers[1]


def test_the_question_is_asked_for_a_modern_call_before_anything_else(play: Play) -> None:
    stage = play(CHECKED).agent_says(modern_call("echo", {"text": "a"}))
    stage.server_says(listing(asked(stage)["id"], [ECHO], ttlMs=0, cacheScope="public"))
    stage.server_gets(modern_call("echo", {"text": "a"}))


def test_the_ids_of_the_gates_own_questions_are_taken(play: Play) -> None:
    stage = play(CHECKED).handshake().agent_says(call("echo", {"text": "a"}))
    question = asked(stage)
    mine = question["id"]
    for request in (ask("resources/list", {}, mine), call("free", {}, mine)):
        stage.agent_says(request).server_gets().agent_gets(refused(mine, -32600, "WIR051"))
    stage.server_says(listing(mine, [ECHO])).server_gets(call("echo", {"text": "a"}))


def test_a_call_that_waits_is_told_apart_from_one_under_way(play: Play) -> None:
    stage = play(CHECKED).handshake().agent_says(call("echo", {"text": "a"}))
    assert stage.session.parked == 1
    stage.server_says(listing(asked(stage)["id"], [ECHO])).server_gets(call("echo", {"text": "a"}))
    assert (stage.session.parked, stage.session.unanswered) == (0, 1)
