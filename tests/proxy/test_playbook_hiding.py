"""Hidden tools: absent from every list, and answered exactly as a tool that does not exist."""

import json
from collections.abc import Callable
from typing import Any

import pytest
from playbook import (
    ALIAS_TOKEN,
    MODERN,
    TOKEN,
    Playbook,
    ask,
    call,
    denied,
    encoded,
    failure,
    listing,
    note,
    refused,
    result,
    tool,
)

Play = Callable[..., Playbook]

HIDE = "hide: [secret, 'admin_*']"


def test_hidden_tools_are_absent_from_every_page(play: Play) -> None:
    stage = play(HIDE).handshake()
    first = [tool("a", title="ä", x=[1.0, {"y": None}]), tool("secret"), tool("b")]
    stage.agent_says(ask("tools/list", None, 1)).server_gets(ask("tools/list", None, 1))
    stage.server_says(listing(1, first, nextCursor="p2", more=1))
    stage.agent_gets(listing(1, [first[0], first[2]], nextCursor="p2", more=1))
    second = ask("tools/list", {"cursor": "p2"}, 2)
    stage.agent_says(second).server_gets(second)
    stage.server_says(listing(2, [tool("admin_x"), tool("adminx"), tool("admin_y")]))
    stage.agent_gets(listing(2, [tool("adminx")]))


def test_what_is_not_hidden_keeps_its_bytes(play: Play) -> None:
    stage = play(HIDE).handshake().agent_says(ask("tools/list", {}, 1)).server_gets(ask("tools/list", {}, 1))
    kept = b'{"name":"a", "inputSchema":{"type":"object","minimum":1.0e2},"x":12345678901234567890123}'
    stage.server_says(b'{"jsonrpc":"2.0","id":1,"result":{"tools":[' + kept + b',{"name":"secret"}]}}')
    stage.agent_gets(b'{"jsonrpc":"2.0","id":1,"result":{"tools":[' + kept + b"]}}")


@pytest.mark.parametrize(("given", "bound"), [(None, 30_000), (10, 10), (86_400_000, 30_000), ("x", 30_000)])
def test_a_filtered_modern_list_is_private_and_soon_asked_again(play: Play, given: Any, bound: int) -> None:
    request = ask("tools/list", {"_meta": MODERN}, 1)
    stage = play(HIDE).agent_says(request).server_gets(request)
    caching = {"cacheScope": "public"} if given is None else {"cacheScope": "public", "ttlMs": given}
    stage.server_says(listing(1, [tool("secret"), tool("a")], **caching))
    stage.agent_gets(listing(1, [tool("a")], cacheScope="private", ttlMs=bound))


def test_every_page_of_a_filtered_modern_list_is_private(play: Play) -> None:
    stage = play(HIDE)
    for number in (1, 2):
        request = ask("tools/list", {"_meta": MODERN, "cursor": f"p{number}"}, number)
        stage.agent_says(request).server_gets(request)
        stage.server_says(listing(number, [tool("a")], nextCursor="n", ttlMs=1))
        stage.agent_gets(listing(number, [tool("a")], nextCursor="n", ttlMs=1, cacheScope="private"))


def test_caching_is_left_alone_where_nothing_is_hidden(play: Play) -> None:
    request = ask("tools/list", {"_meta": MODERN}, 1)
    stage = play("default: deny").agent_says(request).server_gets(request)
    answer = encoded(listing(1, [tool("a")], cacheScope="public", ttlMs=86_400_000))
    stage.server_says(answer).agent_gets(answer)


def test_a_legacy_list_gets_no_caching_members(play: Play) -> None:
    stage = play(HIDE).handshake().agent_says(ask("tools/list", {}, 1)).server_gets(ask("tools/list", {}, 1))
    stage.server_says(listing(1, [tool("secret")])).agent_gets(listing(1, []))


def test_a_list_is_filtered_even_if_it_was_cancelled_before_it_came(play: Play) -> None:
    stage = play(HIDE).handshake()
    cancel = note("notifications/cancelled", {"requestId": 1})
    stage.agent_says(ask("tools/list", {}, 1)).server_gets(ask("tools/list", {}, 1))
    stage.agent_says(cancel).server_gets(cancel)
    stage.server_says(listing(1, [tool("secret"), tool("a")])).agent_gets(listing(1, [tool("a")]))


def test_a_list_that_cannot_be_read_is_refused_where_something_is_hidden(play: Play) -> None:
    for policy, hides in ((HIDE, True), ("default: deny", False)):
        stage = play(policy).handshake()
        stage.agent_says(ask("tools/list", {}, 1)).server_gets(ask("tools/list", {}, 1))
        broken = result(1, {"tools": {"secret": {}}})
        stage.server_says(broken).agent_gets(refused(1, -32603, "WIR054") if hides else broken)


def test_an_error_in_place_of_a_list_passes(play: Play) -> None:
    stage = play(HIDE).handshake().agent_says(ask("tools/list", {}, 1)).server_gets(ask("tools/list", {}, 1))
    stage.server_says(failure(1, -32603, "later")).agent_gets(failure(1, -32603, "later"))


def unknown_tool_answer(request: dict[str, Any]) -> dict[str, Any]:
    """What a server of 2025 says of a tool it does not have."""
    return failure(
        request["id"],
        -32602,
        f"Unknown tool: {request['params']['name']}",
        {"tool": request["params"]["name"]},
    )


@pytest.mark.parametrize("meta", [{}, {"_meta": MODERN}], ids=["legacy", "modern"])
def test_a_hidden_tool_is_answered_as_one_that_does_not_exist(play: Play, meta: dict[str, Any]) -> None:
    answers = []
    for name in ("secret", "nosuch"):
        stage = play(HIDE)
        (request,) = stage.agent_says(call(name, {"a": [1.5]}, 1, **meta)).taken_by_server()
        # What is meant for a hidden tool is none of the server's business.
        arguments = {} if name == "secret" else {"a": [1.5]}
        assert {**request["params"], "name": name} == {"name": name, "arguments": arguments, **meta}
        assert request["params"]["name"] != "secret"
        (answer,) = stage.server_says(unknown_tool_answer(request)).taken_by_agent()
        answers.append(json.dumps(answer).replace(name, "NAME"))
    assert answers[0] == answers[1]


def test_the_name_that_stands_for_a_hidden_tool_cannot_be_guessed_and_is_never_shown(play: Play) -> None:
    stage = play(HIDE).handshake()
    (first,) = stage.agent_says(call("secret", {}, 1)).taken_by_server()
    (second,) = stage.agent_says(call("admin_x", {}, 2)).taken_by_server()
    assert first["params"]["name"] != second["params"]["name"]
    assert ALIAS_TOKEN in first["params"]["name"]
    stage.server_says(unknown_tool_answer(first)).agent_gets(unknown_tool_answer(call("secret", {}, 1)))
    stage.server_says(unknown_tool_answer(second)).agent_gets(unknown_tool_answer(call("admin_x", {}, 2)))


def test_a_hidden_call_is_recorded_as_a_denial_that_says_hidden(play: Play) -> None:
    stage = play(HIDE).handshake().agent_says(call("secret"))
    (request,) = stage.taken_by_server()
    stage.audit_holds("deny secret DEN013")
    stage.server_says(unknown_tool_answer(request)).taken_by_agent()
    stage.audit_holds("rpc_error secret")


def test_under_default_deny_a_hidden_tool_is_denied_as_an_unknown_one_is(play: Play) -> None:
    policy = "{default: deny, hide: [secret], tools: {secret: {rules: [{action: allow}]}, ok: {rules: []}}}"
    answers = []
    for name in ("secret", "nosuch"):
        stage = play(policy).handshake().agent_says(call(name)).server_gets()
        (answer,) = stage.taken_by_agent()
        denied(1, "DEN011")(answer)
        answers.append(json.dumps(answer).replace(name, "NAME"))
    assert answers[0] == answers[1]


def test_a_deny_rule_for_a_hidden_tool_does_not_give_it_away(play: Play) -> None:
    policy = "{hide: [secret], tools: {secret: {rules: [{action: deny, reason: known}]}}}"
    (request,) = play(policy).handshake().agent_says(call("secret")).taken_by_server()
    assert request["params"]["name"] != "secret"


def test_a_limit_on_everything_counts_hidden_and_unknown_names_alike(play: Play) -> None:
    policy = "{hide: [secret], tools: {'*': {rules: [{rate_limit: 1/minute}]}}}"
    stage = play(policy).handshake()
    stage.agent_says(call("nosuch", {}, 1)).server_gets(call("nosuch", {}, 1))
    stage.agent_says(call("secret", {}, 2)).server_gets().agent_gets(denied(2, "DEN020", wait=60))


def test_logs_of_the_server_do_not_show_the_name_that_stands_for_a_hidden_tool(play: Play) -> None:
    stage = play(HIDE).handshake()
    (request,) = stage.agent_says(call("secret")).taken_by_server()
    alias = request["params"]["name"]
    shown = note("notifications/message", {"level": "error", "data": f"no tool {alias}"})
    stage.server_says(shown)
    stage.agent_gets(note("notifications/message", {"level": "error", "data": "no tool secret"}))


def test_a_hidden_call_is_answered_as_an_unknown_one_however_many_are_under_way(play: Play) -> None:
    stage = play(HIDE).handshake()
    requests = stage.agent_says(*(call("secret", {}, number) for number in range(3_000))).taken_by_server()
    for request in requests:
        stage.server_says(unknown_tool_answer(request))
        stage.agent_gets(unknown_tool_answer(call("secret", {}, request["id"])))


def test_a_late_answer_to_a_cancelled_hidden_call_does_not_show_the_name_that_stood_for_it(
    play: Play,
) -> None:
    stage = play(HIDE).handshake()
    requests = []
    for number in range(1_100):
        stage.agent_says(call("secret", {}, number), note("notifications/cancelled", {"requestId": number}))
        requests.append(stage.taken_by_server()[0])
    for request in requests:
        stage.server_says(unknown_tool_answer(request))
        stage.agent_gets(unknown_tool_answer(call("secret", {}, request["id"])))


def test_a_name_too_old_to_be_remembered_is_shown_as_no_name_of_the_gates(play: Play) -> None:
    stage = play(HIDE).handshake()
    aliases = []
    for number in range(1_001):
        (request,) = stage.agent_says(call("secret", {}, number)).taken_by_server()
        aliases.append(request["params"]["name"])
        stage.server_says(result(number, {})).agent_gets(result(number, {}))
    stage.server_says(
        note("notifications/message", {"data": f"{aliases[0]} {aliases[1]} unknown-x-{ALIAS_TOKEN}"})
    )
    stage.agent_gets(note("notifications/message", {"data": "unknown secret unknown-x-unknown"}))


def test_a_name_that_stands_for_a_hidden_tool_says_nothing_of_the_gates_own_requests(play: Play) -> None:
    stage = play("{hide: [secret], tools: {echo: {rules: [{validate: {required_args: true}}]}}}").handshake()
    (request,) = stage.agent_says(call("secret", {}, 1)).taken_by_server()
    (question,) = stage.agent_says(call("echo", {}, 2)).taken_by_server()
    assert ALIAS_TOKEN in request["params"]["name"]
    assert TOKEN not in request["params"]["name"]
    assert ALIAS_TOKEN not in question["id"]
