"""Calls that are judged: allowed, denied, limited; multi-round trips, tasks, tools with an outputSchema."""

from collections.abc import Callable
from typing import Any

import pytest
from playbook import (
    MODERN,
    Playbook,
    ask,
    call,
    denied,
    failure,
    listing,
    modern_call,
    note,
    result,
    text,
    tool,
)

Play = Callable[..., Playbook]

DENY_RM = "tools: {rm: {rules: [{name: no-rm, action: deny, reason: Never.}]}}"
TWO_A_MINUTE = "tools: {echo: {rules: [{rate_limit: 2/minute}]}}"
SMALL_ONLY = """
tools:
  pay:
    rules:
      - rate_limit: 3/minute
        validate: {args: {amount: {type: integer, maximum: 10}}}
"""


def test_an_allowed_call_and_its_answer_pass(play: Play) -> None:
    stage = play(DENY_RM).handshake()
    stage.agent_says(call("echo", {"text": "hi"})).server_gets(call("echo", {"text": "hi"}))
    stage.server_says(result(1, text("hi"))).agent_gets(result(1, text("hi")))
    stage.audit_holds("allow echo", "ok echo")


def test_a_denied_call_is_answered_with_the_reason_and_never_reaches_the_server(play: Play) -> None:
    stage = play(DENY_RM).handshake().agent_says(call("rm", {"path": "/"})).server_gets()
    stage.agent_gets(denied(1, "DEN001", rule="no-rm", says="Never."))
    stage.audit_holds("deny rm DEN001", "denied rm")


def test_a_denial_has_the_form_of_its_era(play: Play) -> None:
    stage = play(DENY_RM).agent_says(modern_call("rm", {}, 1), call("rm", {}, 2))
    modern, legacy = stage.taken_by_agent()
    assert modern["result"].pop("resultType") == "complete"
    assert modern["result"] == legacy["result"]


def test_a_limited_call_says_how_long_to_wait_and_passes_after_that(play: Play) -> None:
    stage = play(TWO_A_MINUTE).handshake()
    stage.agent_says(call("echo", {}, 1), call("echo", {}, 2)).server_gets(
        call("echo", {}, 1), call("echo", {}, 2)
    )
    stage.pass_time(10).agent_says(call("echo", {}, 3)).server_gets()
    stage.agent_gets(denied(3, "DEN020", says="rate limit 2 in", wait=50))
    stage.pass_time(50).agent_says(call("echo", {}, 4)).server_gets(call("echo", {}, 4))


def test_a_call_that_failed_at_the_server_stays_charged(play: Play) -> None:
    stage = play(TWO_A_MINUTE).handshake().agent_says(call("echo", {}, 1), call("echo", {}, 2))
    stage.taken_by_server()
    stage.server_says(failure(1, -32602), result(2, {**text("no"), "isError": True})).taken_by_agent()
    stage.agent_says(call("echo", {}, 3)).agent_gets(denied(3, "DEN020", wait=60))
    stage.audit_holds(
        "allow echo", "allow echo", "rpc_error echo", "tool_error echo", "deny echo DEN020", "denied echo"
    )


def test_a_call_whose_bytes_could_not_be_sent_gives_back_what_it_took(play: Play) -> None:
    stage = play("tools: {echo: {rules: [{rate_limit: 1/minute}]}}").handshake()
    stage.agent_says(call("echo", {}, 1)).server_gets(call("echo", {}, 1))
    stage.session.not_sent()
    stage.agent_says(call("echo", {}, 2)).server_gets(call("echo", {}, 2))
    stage.audit_holds("allow echo", "not_forwarded echo", "allow echo")


def test_every_round_of_a_multi_round_trip_is_judged_and_charged(play: Play) -> None:
    stage = play(SMALL_ONLY).agent_says(modern_call("pay", {"amount": 5}, 1))
    stage.server_gets(modern_call("pay", {"amount": 5}, 1))
    more: dict[str, Any] = {
        "resultType": "input_required",
        "inputRequests": {"sure": {"method": "elicitation/create", "params": {}}},
        "requestState": "opaque",
    }
    stage.server_says(result(1, more)).agent_gets(result(1, more))
    answers = {"inputResponses": {"sure": {"action": "accept"}}, "requestState": "opaque"}

    stage.agent_says(modern_call("pay", {"amount": 500}, 2, **answers)).server_gets()
    stage.agent_gets(denied(2, "DEN005"))

    retry = modern_call("pay", {"amount": 5}, 3, **answers)
    stage.agent_says(retry).server_gets(retry)
    stage.server_says(result(3, {"resultType": "complete", **text("paid")})).taken_by_agent()
    stage.audit_holds(
        "allow pay", "input_required pay", "deny pay DEN005", "denied pay", "allow pay", "ok pay"
    )
    third = modern_call("pay", {"amount": 1}, 4)
    stage.agent_says(third).server_gets(third)
    stage.agent_says(modern_call("pay", {"amount": 1}, 5)).agent_gets(denied(5, "DEN020", wait=60))


def test_a_round_cannot_name_another_tool_unseen(play: Play) -> None:
    stage = play(DENY_RM).agent_says(modern_call("ls", {}, 1)).server_gets(modern_call("ls", {}, 1))
    more = {"resultType": "input_required", "requestState": "s"}
    stage.server_says(result(1, more)).agent_gets(result(1, more))
    stage.agent_says(modern_call("rm", {}, 2, requestState="s")).server_gets().agent_gets(denied(2, "DEN001"))


def test_a_call_that_becomes_a_task_is_recorded_as_one_and_its_traffic_passes(play: Play) -> None:
    stage = play(DENY_RM).agent_says(modern_call("slow")).server_gets(modern_call("slow"))
    task = {"resultType": "task", "taskId": "t-9", "status": "working", "ttlMs": None}
    stage.server_says(result(1, task)).agent_gets(result(1, task)).audit_holds("allow slow", "task slow")
    outcome = stage.audit.records[-1]
    assert getattr(outcome, "task", None) == "t-9"
    for number, method in enumerate(("tasks/get", "tasks/update", "tasks/cancel"), 2):
        request = ask(method, {"taskId": "t-9", "_meta": MODERN}, number)
        stage.agent_says(request).server_gets(request)
        stage.server_says(result(number, task)).agent_gets(result(number, task))
    stage.audit_holds()


def test_a_call_that_asks_to_be_a_task_is_judged_like_any_other(play: Play) -> None:
    stage = play(DENY_RM).handshake()
    stage.agent_says(call("rm", {}, 1, task={"ttl": 5})).server_gets().agent_gets(denied(1, "DEN001"))
    wanted = call("ls", {}, 2, task={"ttl": 5})
    stage.agent_says(wanted).server_gets(wanted)


def test_a_denial_satisfies_the_tools_output_schema(play: Play) -> None:
    schema = {
        "type": "object",
        "properties": {
            "rows": {"type": "array"},
            "count": {"type": "integer"},
            "unit": {"enum": ["C", "F"]},
            "where": {"type": "object", "properties": {"lat": {"type": "number"}}, "required": ["lat"]},
        },
        "required": ["rows", "count", "unit", "where"],
    }
    stage = play(DENY_RM).handshake().listed(tool("rm", outputSchema=schema))
    (answer,) = stage.agent_says(call("rm")).taken_by_agent()
    content = answer["result"]["structuredContent"]
    assert content == {
        "rows": [],
        "count": 0,
        "unit": "C",
        "where": {"lat": 0},
        "code": "DEN001",
        "rule": "no-rm",
        "reason": "Never.",
    }
    assert answer["result"]["isError"] is True


def test_a_denial_that_cannot_satisfy_the_output_schema_keeps_its_text_and_moves_the_rest(
    play: Play,
) -> None:
    schema = {"type": "object", "properties": {"a": {"type": "string"}}, "additionalProperties": False}
    stage = play(DENY_RM).handshake().listed(tool("rm", outputSchema=schema))
    (answer,) = stage.agent_says(call("rm")).taken_by_agent()
    assert "structuredContent" not in answer["result"]
    assert answer["result"]["_meta"]["callgate/denial"]["code"] == "DEN001"
    assert answer["result"]["content"][0]["text"] == "denied by policy: Never."


@pytest.mark.parametrize("schema", [True, [], "x", {"type": "nonsense"}, {"$ref": "http://localhost/x"}])
def test_an_output_schema_that_is_nonsense_does_not_swallow_the_denial(play: Play, schema: Any) -> None:
    stage = play(DENY_RM).handshake().listed(tool("rm", outputSchema=schema))
    (answer,) = stage.agent_says(call("rm")).taken_by_agent()
    assert answer["result"]["isError"] is True
    assert answer["result"]["content"][0]["text"] == "denied by policy: Never."


def test_a_denial_fits_what_the_agent_was_shown_last_until_it_asks_again(play: Play) -> None:
    schema = {"type": "object", "properties": {"n": {"type": "integer"}}, "required": ["n"]}
    stage = play(DENY_RM).handshake().listed(tool("rm", outputSchema=schema))
    changed = note("notifications/tools/list_changed")
    stage.server_says(changed).agent_gets(changed)
    (answer,) = stage.agent_says(call("rm")).taken_by_agent()
    assert answer["result"]["structuredContent"]["n"] == 0
    stage.listed(tool("rm"))
    (answer,) = stage.agent_says(call("rm", {}, 2)).taken_by_agent()
    assert "n" not in answer["result"]["structuredContent"]


def test_allowed_and_denied_calls_of_one_turn_do_not_disturb_each_other(play: Play) -> None:
    stage = play(DENY_RM).handshake()
    stage.agent_says(call("rm", {}, 1), call("a", {}, 2), call("rm", {}, 3), call("b", {}, 4))
    stage.server_gets(call("a", {}, 2), call("b", {}, 4))
    stage.agent_gets(denied(1, "DEN001"), denied(3, "DEN001"))
    stage.server_says(result(4, text("b")), result(2, text("a")))
    stage.agent_gets(result(4, text("b")), result(2, text("a")))
    stage.audit_holds(
        "deny rm DEN001", "denied rm", "allow a", "deny rm DEN001", "denied rm", "allow b", "ok b", "ok a"
    )


def test_a_list_without_hidden_tools_is_not_touched(play: Play) -> None:
    stage = (
        play(DENY_RM).handshake().agent_says(ask("tools/list", {}, 1)).server_gets(ask("tools/list", {}, 1))
    )
    answer = listing(1, [tool("rm", title="x"), tool("ls")], nextCursor="n", extra=[1.0])
    stage.server_says(answer).agent_gets(answer)
