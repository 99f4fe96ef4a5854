"""A policy that is replaced while the session runs."""

from collections.abc import Callable

from playbook import MODERN, Playbook, ask, call, denied, listing, note, result, text, tool

Play = Callable[..., Playbook]

CHANGED = note("notifications/tools/list_changed")


def limited(most: int) -> str:
    return f"tools: {{echo: {{rules: [{{rate_limit: {most}/minute}}]}}}}"


def test_the_next_call_is_judged_by_the_new_policy(play: Play) -> None:
    stage = play().handshake().agent_says(call("echo", {}, 1)).server_gets(call("echo", {}, 1))
    stage.policy_becomes("tools: {echo: {rules: [{action: deny}]}}")
    stage.agent_says(call("echo", {}, 2)).server_gets().agent_gets(denied(2, "DEN001"))
    stage.server_says(result(1, text("x"))).agent_gets(result(1, text("x")))
    assert len({getattr(record, "policy", None) for record in stage.audit.records} - {None}) == 1
    stage.audit_holds("allow echo", "ok echo", "deny echo DEN001", "denied echo")
    assert len({getattr(record, "policy", None) for record in stage.audit.records} - {None}) == 2


def test_what_was_spent_stays_spent_under_the_new_policy(play: Play) -> None:
    stage = play(limited(2)).handshake()
    stage.agent_says(call("echo", {}, 1), call("echo", {}, 2)).taken_by_server()
    stage.policy_becomes(limited(3)).agent_says(call("echo", {}, 3)).server_gets(call("echo", {}, 3))
    stage.agent_says(call("echo", {}, 4)).agent_gets(denied(4, "DEN020", wait=60))
    stage.policy_becomes(limited(1)).agent_says(call("echo", {}, 5)).agent_gets(denied(5, "DEN020", wait=60))


def test_the_agent_is_told_when_it_sees_other_tools(play: Play) -> None:
    stage = play().handshake().listed(tool("rm"), tool("ls"))
    stage.policy_becomes("hide: [rm]").agent_gets(CHANGED)
    stage.agent_says(ask("tools/list", {}, 1)).server_gets(ask("tools/list", {}, 1))
    stage.server_says(listing(1, [tool("rm"), tool("ls")])).agent_gets(listing(1, [tool("ls")]))
    stage.policy_becomes("default: allow").agent_gets(CHANGED)


def test_the_agent_is_not_told_of_changes_that_it_cannot_see(play: Play) -> None:
    stage = play("hide: [other]").handshake().listed(tool("ls"))
    stage.policy_becomes("hide: [more]").agent_gets()
    stage.policy_becomes("{hide: [more], tools: {ls: {rules: [{action: deny}]}}}").agent_gets()


def test_an_agent_that_never_asked_for_the_tools_is_not_told(play: Play) -> None:
    play().handshake().policy_becomes("hide: [rm]").agent_gets()


def test_modern_subscriptions_to_changes_are_told_each_under_its_own_id(play: Play) -> None:
    stage = play()
    request = ask("tools/list", {"_meta": MODERN}, "l")
    stage.agent_says(request).server_gets(request)
    stage.server_says(listing("l", [tool("rm")], ttlMs=0)).agent_gets(listing("l", [tool("rm")], ttlMs=0))
    for id, wanted in (("a", {"toolsListChanged": True}), (2, {"promptsListChanged": True}), ("c", "junk")):
        listen = ask("subscriptions/listen", {"_meta": MODERN, "notifications": wanted}, id)
        stage.agent_says(listen).server_gets(listen)
    key = "io.modelcontextprotocol/subscriptionId"
    stage.policy_becomes("hide: [rm]").agent_gets(
        note("notifications/tools/list_changed", {"_meta": {key: "a"}})
    )
    assert stage.session.unanswered == 0


def test_what_a_subscription_brings_passes_and_its_end_ends_it(play: Play) -> None:
    stage = play()
    listen = ask("subscriptions/listen", {"_meta": MODERN, "notifications": {"toolsListChanged": True}}, 5)
    stage.agent_says(listen).server_gets(listen)
    meta = {"_meta": {"io.modelcontextprotocol/subscriptionId": 5}}
    for method in ("subscriptions/acknowledged", "tools/list_changed", "resources/updated", "tasks"):
        message = note(f"notifications/{method}", {**meta, "uri": "x"})
        stage.server_says(message).agent_gets(message)
    stage.server_says(result(5, {"resultType": "complete"})).agent_gets(result(5, {"resultType": "complete"}))
    stage.policy_becomes("hide: [rm]").agent_gets()


def test_what_a_new_policy_hides_is_filtered_from_a_list_already_asked_for(play: Play) -> None:
    stage = play().handshake().agent_says(ask("tools/list", {}, 1)).server_gets(ask("tools/list", {}, 1))
    stage.policy_becomes("hide: [rm]").agent_gets()
    stage.server_says(listing(1, [tool("rm"), tool("ls")])).agent_gets(listing(1, [tool("ls")]))
