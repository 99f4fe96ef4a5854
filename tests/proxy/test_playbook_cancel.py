"""Cancellation: of what runs, of what waits, of what nobody knows; and what comes too late."""

from collections.abc import Callable

from playbook import MODERN, Playbook, ask, call, denied, modern_call, note, refused, result, text, tool

Play = Callable[..., Playbook]

ONE_A_MINUTE = "tools: {echo: {rules: [{rate_limit: 1/minute}]}}"
CHECKED = "tools: {echo: {rules: [{validate: {required_args: true}, rate_limit: 1/minute}]}}"


def cancel(id: str | int) -> dict[str, object]:
    return note("notifications/cancelled", {"requestId": id})


def test_a_running_call_that_is_cancelled_stays_charged(play: Play) -> None:
    stage = play(ONE_A_MINUTE).handshake().agent_says(call("echo")).server_gets(call("echo"))
    stage.agent_says(cancel(1)).server_gets(cancel(1)).audit_holds("allow echo", "cancelled echo")
    assert stage.session.unanswered == 0
    stage.agent_says(call("echo", {}, 2)).agent_gets(denied(2, "DEN020", wait=60))


def test_a_late_answer_to_a_cancelled_call_passes_and_settles_nothing_else(play: Play) -> None:
    stage = play().handshake().agent_says(call("a")).server_gets(call("a"))
    stage.agent_says(cancel(1)).server_gets(cancel(1))
    stage.agent_says(call("b", {}, 1)).server_gets().agent_gets(refused(1, -32600, "WIR051"))
    stage.server_says(result(1, text("late"))).agent_gets(result(1, text("late")))
    stage.audit_holds("allow a", "cancelled a", "event frame_refused WIR051")


def test_a_call_cancelled_in_the_turn_it_came_in_is_recorded_in_order(play: Play) -> None:
    stage = play(ONE_A_MINUTE).handshake()
    stage.agent_says(call("echo"), cancel(1)).server_gets(call("echo"), cancel(1))
    stage.audit_holds("allow echo", "cancelled echo")


def test_a_call_cancelled_in_the_turn_in_which_nothing_could_be_sent_has_one_outcome(play: Play) -> None:
    stage = play(ONE_A_MINUTE).handshake()
    stage.agent_says(call("echo"), cancel(1)).server_gets(call("echo"), cancel(1))
    stage.session.not_sent()
    stage.audit_holds("allow echo", "cancelled echo")


def test_a_call_that_waits_for_its_schema_never_runs_once_it_is_cancelled(play: Play) -> None:
    stage = play(CHECKED).handshake().agent_says(call("echo"))
    (question,) = stage.taken_by_server()
    stage.agent_says(cancel(1)).server_gets(cancel(1))
    stage.server_says(result(question["id"], {"tools": [tool("echo")]})).server_gets().agent_gets()
    stage.audit_holds()
    stage.agent_says(call("echo", {}, 2)).server_gets(call("echo", {}, 2))


def test_cancelling_what_nobody_knows_passes(play: Play) -> None:
    stage = play().handshake().agent_says(cancel(77)).server_gets(cancel(77))
    odd = note("notifications/cancelled", {"requestId": True})
    stage.agent_says(odd).server_gets(odd)
    stage.agent_says(note("notifications/cancelled", {})).server_gets(note("notifications/cancelled", {}))


def test_cancelling_a_string_does_not_cancel_the_number(play: Play) -> None:
    stage = play().handshake().agent_says(call("echo", {}, 1)).server_gets(call("echo", {}, 1))
    stage.agent_says(cancel("1")).server_gets(cancel("1")).audit_holds("allow echo")


def test_a_cancelled_request_that_is_never_answered_is_not_waited_for(play: Play) -> None:
    stage = play().handshake()
    stage.agent_says(ask("resources/read", {"uri": "x"}, 1)).server_gets(
        ask("resources/read", {"uri": "x"}, 1)
    )
    stage.agent_says(cancel(1)).server_gets(cancel(1))
    assert stage.session.unanswered == 0


def test_a_cancelled_list_that_is_never_answered_is_not_waited_for(play: Play) -> None:
    stage = play("hide: [rm]").handshake()
    stage.agent_says(ask("tools/list", {}, 1)).server_gets(ask("tools/list", {}, 1))
    stage.agent_says(cancel(1)).server_gets(cancel(1))
    assert stage.session.unanswered == 0


def test_initialize_cannot_be_cancelled(play: Play) -> None:
    opening = ask("initialize", {"protocolVersion": "2025-11-25"}, 0)
    stage = play().agent_says(opening).server_gets(opening)
    stage.agent_says(cancel(0)).server_gets(cancel(0))
    assert stage.session.unanswered == 1
    stage.server_says(result(0, {})).agent_gets(result(0, {}))


def test_cancelling_a_modern_call_leaves_the_others_running(play: Play) -> None:
    calls = [modern_call("a", {}, "x"), modern_call("b", {}, "y")]
    stage = play().agent_says(*calls).server_gets(*calls).agent_says(cancel("x")).server_gets(cancel("x"))
    done = result("y", {"resultType": "complete", **text("b")})
    stage.server_says(done).agent_gets(done).audit_holds("allow a", "allow b", "cancelled a", "ok b")


def test_a_subscription_that_was_cancelled_hears_nothing_more_from_the_gate(play: Play) -> None:
    listen = ask(
        "subscriptions/listen", {"_meta": MODERN, "notifications": {"toolsListChanged": True}}, "sub"
    )
    stage = play("default: deny")
    stage.agent_says(ask("tools/list", {"_meta": MODERN}, 1)).taken_by_server()
    stage.server_says(result(1, {"tools": [tool("rm")]})).taken_by_agent()
    stage.agent_says(listen).server_gets(listen).agent_says(cancel("sub")).server_gets(cancel("sub"))
    stage.policy_becomes("hide: [rm]").agent_gets()
