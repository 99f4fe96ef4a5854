"""Lists without hidden tools, and hidden tools that answer as unknown ones: nothing observable may differ."""

from typing import Any

import pytest
from serve_play import Client, Desk, Frame, ask, call, failure, modern, modern_call, plain, result, tool

HIDING = "default: allow\nhide: [secret, 'hidden-*']\n"
NAMES = ["echo", "secret", "hidden-1"]
TOOLS = [tool(name) for name in NAMES]
ERAS = pytest.mark.parametrize("era", ["modern", "legacy"])


def listing(era: str, params: Frame | None = None, id: str | int = 1) -> Frame:
    return modern("tools/list", params or {}, id) if era == "modern" else ask("tools/list", params or {}, id)


def listed(era: str, tools: list[Frame], id: str | int = 1, **more: Any) -> Frame:
    kind = {"resultType": "complete"} if era == "modern" else {}
    return result(id, {**kind, "tools": tools, **more})


def shown(asked: Client) -> list[str]:
    return [one["name"] for one in asked.frames[-1]["result"]["tools"]]


@ERAS
@pytest.mark.parametrize("stream", [False, True])
def test_hidden_tools_are_in_no_list(era: str, stream: bool) -> None:
    desk = Desk(HIDING)
    asked = desk.post(listing(era))
    sent = desk.server.one()
    if stream:
        sent.streams().event(listed(era, TOOLS)).closed()
    else:
        sent.answers(listed(era, TOOLS))
    assert shown(asked) == ["echo"]


def test_a_filtered_list_is_the_callers_own_and_soon_stale() -> None:
    desk = Desk(HIDING)
    asked = desk.post(listing("modern"))
    desk.server.one().answers(listed("modern", TOOLS, ttlMs=3_600_000, cacheScope="public"))
    assert asked.frame["result"]["cacheScope"] == "private"
    assert asked.frame["result"]["ttlMs"] == 30_000


@ERAS
def test_a_list_of_which_nothing_is_hidden_passes_byte_by_byte(era: str) -> None:
    desk = Desk()
    asked = desk.post(listing(era))
    answer = (
        b'{"jsonrpc" : "2.0","id":1,"result":{"tools":[{"name":"secret","x":1.0}],"resultType":"complete"}}'
    )
    desk.server.one().answers(answer)
    assert asked.body == answer


@pytest.mark.parametrize(
    "said",
    [
        b'{"jsonrpc":"2.0","id":1,"result":{"resultType":"complete","tools":{"secret":{"name":"secret"}}}}',
        b'{"jsonrpc":"2.0","id":1,"result":{"resultType":"complete","tools":"secret"}}',
        b'{"jsonrpc":"2.0","id":1,"result":{"resultType":"complete","tools":[{"name":"secret"}],"tools":null}}',
        b'{"jsonrpc":"2.0","id":1,"result":{"resultType":"complete","tools":[["secret"]]}}',
    ],
)
def test_a_list_that_cannot_be_read_is_not_shown_where_something_is_hidden(said: bytes) -> None:
    desk = Desk(HIDING)
    asked = desk.post(listing("modern"))
    desk.server.one().answers(said)
    assert b"secret" not in asked.body
    assert asked.frame["id"] == 1


@ERAS
def test_lists_in_odd_places_hide_as_much(era: str) -> None:
    desk = Desk(HIDING)
    asked = desk.post(modern_call("echo") if era == "modern" else call("echo"))
    sent = desk.server.one().streams()
    sent.event(listed(era, TOOLS, 99)).event(listed(era, TOOLS, "1")).event(plain())
    sent.event(listed(era, TOOLS)).event(
        b'[{"jsonrpc":"2.0","id":99,"result":{"tools":[{"name":"secret"}]}}]'
    )
    sent.closed()
    assert b"secret" not in asked.body
    assert b"hidden-1" not in asked.body


@ERAS
def test_what_is_hidden_changes_with_the_policy(era: str) -> None:
    desk = Desk(HIDING)
    desk.policy_becomes("default: allow\nhide: [echo]\n")
    asked = desk.post(listing(era))
    desk.server.one().answers(listed(era, TOOLS))
    assert shown(asked) == ["secret", "hidden-1"]


# Hidden is unknown.


def unknown(sent: Any, era: str) -> None:
    """The server answers as servers answer for a tool that they do not have."""
    name = sent.frame["params"]["name"]
    sent.answers(failure(sent.frame["id"], -32602, f"Unknown tool: {name}"), 400 if era == "modern" else 200)


def everything(asked: Client) -> tuple[Any, ...]:
    """All that the agent can see of an answer."""
    return asked.status, asked.headers, asked.content_type, asked.body, asked.ended, asked.aborted


@ERAS
@pytest.mark.parametrize("policy", [HIDING, "default: deny\nhide: [secret]\ntools:\n  echo: {rules: []}\n"])
@pytest.mark.parametrize(
    "headers", [{}, {"mcp_param_region": "eu"}, {"last_event_id": "1"}], ids=["plain", "param", "event"]
)
def test_a_hidden_tool_is_answered_as_an_unknown_one_to_the_byte(
    era: str, policy: str, headers: dict[str, str]
) -> None:
    answers = []
    for name in ("secret", "absent"):
        desk = Desk(policy)
        frame = (modern_call if era == "modern" else call)(name, {"secret": "argument"})
        asked = desk.post(frame, **headers)
        for sent in desk.server.taken():
            if sent.frame["method"] == "tools/list":
                sent.answers(listed(era, TOOLS, sent.frame["id"]))
        for sent in desk.server.taken():
            assert sent.frame["params"]["name"] != "secret"
            assert name == "absent" or sent.frame["params"]["arguments"] == {}
            unknown(sent, era)
        answers.append(tuple(str(part).replace(name, "NAME") for part in everything(asked)))
    assert answers[0] == answers[1]


@ERAS
def test_the_stand_in_of_a_hidden_tool_is_never_shown_whatever_the_server_does(era: str) -> None:
    desk = Desk(HIDING)
    asked = desk.post((modern_call if era == "modern" else call)("secret"))
    sent = desk.server.one().streams()
    alias = sent.frame["params"]["name"]
    assert "secret" not in alias
    said = {"jsonrpc": "2.0", "method": "notifications/message", "params": {"data": f"no tool {alias}"}}
    sent.event(said).event(failure(1, -32602, f"Unknown tool: {alias}")).event(said).closed()
    assert alias not in asked.body.decode()
    assert asked.frames[1]["error"]["message"] == "Unknown tool: secret"
    # Also where it belongs to nobody.
    listening = desk.get()
    desk.server.one().streams().event(said)
    assert listening.frame["params"]["data"] == "no tool secret"


@ERAS
def test_a_hidden_tool_is_recorded_as_denied_and_charged_as_if_it_were_unknown(era: str) -> None:
    desk = Desk(HIDING)
    desk.post((modern_call if era == "modern" else call)("secret"))
    unknown(desk.server.one(), era)
    (decided, ended) = desk.records()
    assert decided.startswith("deny secret ")
    assert ended == "rpc_error secret"


@ERAS
def test_an_audit_that_fails_makes_no_difference_between_hidden_and_unknown(era: str) -> None:
    answers = []
    for name in ("secret", "absent"):
        desk = Desk(HIDING)
        desk.audit.failing = True
        asked = desk.post((modern_call if era == "modern" else call)(name))
        assert desk.server.taken() == []
        answers.append(tuple(str(part).replace(name, "NAME") for part in everything(asked)))
    assert answers[0] == answers[1]


RULES = ("validate: {schema: true}", "rate_limit: 1/hour", "action: deny")


@pytest.mark.parametrize("child", [False, True])
@pytest.mark.parametrize("pattern", ["secret", "'*'"])
@pytest.mark.parametrize("rule", RULES)
def test_no_rule_makes_a_difference_between_hidden_and_unknown(rule: str, pattern: str, child: bool) -> None:
    """A rule on a hidden tool itself says nothing; a rule on all tools says the same of both."""
    policy = f"default: allow\nhide: [secret]\ntools:\n  {pattern}: {{rules: [{{{rule}}}]}}\n"
    answers = []
    for name in ("secret", "absent"):
        desk = Desk(policy, child=child)
        told: list[Any] = []
        for id in (1, 2):
            asked = desk.post(modern_call(name, {"text": "x"}, id))
            while desk.server.waiting:
                for sent in desk.server.taken():
                    if sent.frame["method"] == "tools/list":
                        offered = [tool("secret", outputSchema={"type": "object"}), tool("echo")]
                        sent.answers(listed("modern", offered, sent.frame["id"]))
                    else:
                        unknown(sent, "modern")
            told.append([str(part).replace(name, "NAME") for part in everything(asked)])
        answers.append(told)
    assert answers[0] == answers[1]
