"""What is known of a server's tools: asked for when a call needs it, over the route of whoever needs it."""

import pytest
from serve_play import (
    META,
    Client,
    Desk,
    Frame,
    Sent,
    ask,
    call,
    complete,
    failure,
    headers_for,
    line,
    modern,
    modern_call,
    plain,
    result,
)

VALIDATED = "default: deny\ntools:\n  echo: {rules: [{validate: {schema: true}}]}\n"
SCHEMA = {"type": "object", "properties": {"text": {"type": "string"}}, "required": ["text"]}
ROUTED = {
    "type": "object",
    "properties": {
        "region": {"type": "string", "x-mcp-header": "Region"},
        "count": {"type": "integer", "x-mcp-header": "Count"},
    },
}


def tools(id: str | int, schema: Frame | None = None, **more: object) -> Frame:
    listed = {"name": "echo", "inputSchema": SCHEMA if schema is None else schema}
    return result(id, {"resultType": "complete", "tools": [listed], **more})


def listing(desk: Desk) -> Sent:
    """The gate's own question for the list."""
    sent = desk.server.one()
    assert sent.frame["method"] == "tools/list"
    return sent


def passed(desk: Desk, asked: Client, id: str | int = 1) -> None:
    sent = desk.server.one()
    assert sent.frame["params"]["name"] == "echo"
    sent.answers(complete(id))
    assert asked.frame == complete(id)


def test_a_call_waits_for_its_tools_schema_and_others_wait_with_it() -> None:
    desk = Desk(VALIDATED)
    right = desk.post(modern_call("echo", {"text": "x"}), "ann")
    wrong = desk.post(modern_call("echo", {"text": 5}, 2), "bob")
    sent = listing(desk)
    assert sent.route.lane == "key:ann"
    assert sent.frame["params"]["_meta"] == META
    sent.answers(tools(sent.frame["id"]))
    passed(desk, right)
    assert wrong.frame["result"]["isError"]
    # Known now, for everybody.
    again = desk.post(modern_call("echo", {"text": "y"}, 3), "carol")
    passed(desk, again, 3)


def test_the_question_is_the_same_whatever_the_agent_says_that_it_can_do() -> None:
    desk = Desk(VALIDATED)
    frame = modern_call("echo", {"text": "x"})
    frame["params"]["_meta"] = {**META, "io.modelcontextprotocol/clientCapabilities": 5}
    desk.post(frame, "bob", traceparent=f"00-{'1' * 32}-{'2' * 16}-01")
    sent = listing(desk)
    assert sent.frame["params"]["_meta"] == META
    assert sent.route.trace == ()


@pytest.mark.parametrize("wait", ["meanwhile", "after"])
def test_an_asker_that_cannot_get_the_list_keeps_it_from_nobody_else(wait: str) -> None:
    desk = Desk(VALIDATED)
    refused = desk.post(modern_call("echo", {"text": "x"}), "bob")
    theirs = listing(desk)
    if wait == "after":
        theirs.fails()
    asked = desk.post(modern_call("echo", {"text": "y"}, 2), "ann")
    if wait != "after":
        assert desk.server.taken() == []
        theirs.fails()
    assert refused.frame["result"]["isError"]
    sent = listing(desk)
    assert sent.route.lane == "key:ann"
    sent.answers(tools(sent.frame["id"]))
    passed(desk, asked, 2)


def test_one_caller_is_one_asker_whichever_of_its_sessions_it_asks_in() -> None:
    desk = Desk(VALIDATED)
    tokens = [desk.begin_session(who="bob") for _ in range(2)]
    desk.post(call("echo", {"text": "x"}), "bob", mcp_session_id=tokens[0])
    listing(desk).fails()
    assert desk.post(call("echo", {"text": "x"}), "bob", mcp_session_id=tokens[1]).frame["result"]["isError"]
    assert desk.server.taken() == []


def test_an_asker_whose_server_is_silent_holds_others_up_for_two_seconds_at_most() -> None:
    desk = Desk(VALIDATED)
    desk.post(modern_call("echo", {"text": "x"}), "bob")
    silent = listing(desk)
    asked = desk.post(modern_call("echo", {"text": "y"}, 2), "ann")
    desk.pass_time(2)
    sent = listing(desk)
    sent.answers(tools(sent.frame["id"]))
    assert silent.cancelled
    calls = {sent.frame["id"]: sent for sent in desk.server.taken()}
    calls[2].answers(complete(2))
    assert asked.frame == complete(2)
    # What it says now counts no more.
    silent.answers(tools(silent.frame["id"], {"type": "object", "properties": {"text": {"type": "integer"}}}))
    desk.post(modern_call("echo", {"text": "z"}, 3), "ann")
    assert desk.server.one().frame["method"] == "tools/call"


def test_no_question_that_fails_keeps_an_old_list_in_force() -> None:
    desk = Desk(VALIDATED)
    desk.post(modern_call("echo", {"text": "x"}), "ann")
    first = listing(desk)
    first.answers(tools(first.frame["id"]))
    desk.server.one().answers(complete())
    desk.pass_time(61)
    late = desk.post(modern_call("echo", {"text": "x"}, 2), "bob")
    listing(desk).fails()
    assert late.frame["result"]["isError"]
    desk.post(modern_call("echo", {"text": "x"}, 3), "ann")
    sent = listing(desk)
    changed = {"type": "object", "properties": {"text": {"type": "integer"}}}
    sent.answers(tools(sent.frame["id"], changed))
    assert desk.server.taken() == []
    passed(desk, desk.post(modern_call("echo", {"text": 5}, 4), "ann"), 4)


def test_the_question_says_nothing_of_the_agent_that_it_need_not() -> None:
    desk = Desk(VALIDATED)
    meta = {**META, "progressToken": 1, "io.modelcontextprotocol/clientInfo": {"name": "x"}, "private": 1}
    frame = modern_call("echo", {"text": "x"})
    frame["params"]["_meta"] = meta
    desk.post(frame)
    assert listing(desk).frame["params"] == {"_meta": META}


def test_all_pages_are_asked_for() -> None:
    desk = Desk(VALIDATED)
    asked = desk.post(call("echo", {"text": "x"}))
    first = listing(desk)
    assert first.frame["params"] == {}
    first.answers(result(first.frame["id"], {"tools": [], "nextCursor": "2"}))
    second = listing(desk)
    assert second.frame["params"] == {"cursor": "2"}
    assert second.frame["id"] != first.frame["id"]
    second.answers(tools(second.frame["id"]))
    passed(desk, asked)


def test_pages_without_end_are_not_followed_for_ever() -> None:
    desk = Desk(VALIDATED)
    asked = desk.post(call("echo", {"text": "x"}))
    for page in range(200):
        sent = listing(desk)
        sent.answers(result(sent.frame["id"], {"tools": [], "nextCursor": str(page)}))
    assert desk.server.taken() == []
    assert asked.frame["result"]["isError"]


@pytest.mark.parametrize("how", ["fails", "status", "error", "garbage", "wrong id", "silent"])
def test_a_list_that_cannot_be_had_denies_what_needs_it_and_is_not_asked_for_again_at_once(how: str) -> None:
    desk = Desk(VALIDATED)
    asked = desk.post(modern_call("echo", {"text": "x"}))
    sent = listing(desk)
    if how == "fails":
        sent.fails()
    elif how == "status":
        sent.says(500)
    elif how == "error":
        sent.answers(failure(sent.frame["id"], -32601))
    elif how == "garbage":
        sent.answers(result(sent.frame["id"], {"tools": 7}))
    elif how == "wrong id":
        sent.answers(tools("another"))
    else:
        desk.pass_time(10)
        assert sent.cancelled
    assert asked.frame["result"]["isError"]
    assert desk.post(modern_call("echo", {"text": "x"}, 2)).frame["result"]["isError"]
    assert desk.server.taken() == []
    desk.pass_time(6)
    desk.post(modern_call("echo", {"text": "x"}, 3))
    listing(desk)


def test_a_list_grows_old() -> None:
    desk = Desk(VALIDATED)
    desk.post(modern_call("echo", {"text": "x"}))
    first = listing(desk)
    first.answers(tools(first.frame["id"]))
    desk.server.one().answers(complete())
    desk.pass_time(59)
    desk.post(modern_call("echo", {"text": "x"}, 2))
    assert desk.server.one().frame["method"] == "tools/call"
    desk.pass_time(2)
    desk.post(modern_call("echo", {"text": "x"}, 3))
    listing(desk)


@pytest.mark.parametrize("where", ["a call's stream", "a listening stream"])
def test_a_list_that_changed_is_asked_for_again(where: str) -> None:
    desk = Desk(VALIDATED)
    changed: Frame = {"jsonrpc": "2.0", "method": "notifications/tools/list_changed"}
    first = desk.post(call("echo", {"text": "x"}))
    sent = listing(desk)
    sent.answers(tools(sent.frame["id"]))
    stream = desk.server.one().streams()
    if where == "a listening stream":
        stream.event(plain()).closed()
        listening = desk.get()
        desk.server.one().streams().event(changed)
        assert listening.frames == [changed]
    else:
        stream.event(changed)
        assert first.frames == [changed]
    desk.post(call("echo", {"text": "x"}, 2))
    listing(desk)


def test_a_list_that_passes_is_learned() -> None:
    desk = Desk(VALIDATED)
    desk.post(modern("tools/list"))
    desk.server.one().answers(tools(1))
    desk.post(modern_call("echo", {"text": "x"}, 2))
    assert desk.server.one().frame["method"] == "tools/call"


def test_half_a_list_that_passes_is_not_taken_for_all_of_it() -> None:
    desk = Desk(VALIDATED)
    desk.post(modern("tools/list", {"cursor": "2"}))
    desk.server.one().answers(tools(1))
    desk.post(modern_call("echo", {"text": "x"}, 2))
    listing(desk)


def test_the_eras_are_not_mixed() -> None:
    desk = Desk(VALIDATED)
    desk.post(ask("tools/list"))
    desk.server.one().answers(tools(1))
    desk.post(modern_call("echo", {"text": "x"}, 2))
    assert listing(desk).route.era == "modern"


def test_a_client_that_goes_while_its_call_waits_has_called_nothing() -> None:
    desk = Desk(VALIDATED)
    asked = desk.post(modern_call("echo", {"text": "x"}))
    sent = listing(desk)
    asked.goes()
    sent.answers(tools(sent.frame["id"]))
    assert desk.server.taken() == []
    assert desk.records() == []


# Mcp-Param-*: what stands in a header must be what was judged.


def routed(desk: Desk, arguments: Frame, **headers: str) -> Client:
    desk.guarded.tools["modern"].learn([])
    desk.guarded.tools["modern"].outdated()
    asked = desk.post(modern_call("echo", arguments), **headers)
    sent = listing(desk)
    sent.answers(tools(sent.frame["id"], ROUTED))
    return asked


def test_parameters_in_headers_are_held_against_the_schema_before_anything_is_judged() -> None:
    desk = Desk()
    asked = routed(desk, {"region": "eu"}, mcp_param_region="us")
    assert (asked.status, asked.code) == (400, "WIR070")
    assert asked.frame["error"]["code"] == -32020
    assert desk.server.taken() == []
    assert desk.records() == []


@pytest.mark.parametrize("spelled", ["eu", "=?base64?ZXU=?="])
def test_parameters_in_headers_that_say_the_same_pass_and_others_do_not(spelled: str) -> None:
    desk = Desk()
    routed(desk, {"region": "eu"}, mcp_param_region=spelled, mcp_param_other="x")
    headers = desk.server.one().route.param_headers
    assert headers is not None
    assert [name for name, _ in headers] == [b"mcp-param-region"]


def test_a_parameter_in_two_headers_is_refused() -> None:
    desk = Desk()
    desk.post(modern("tools/list"))
    desk.server.one().answers(tools(1, ROUTED))
    frame = modern_call("echo", {"region": "eu"})

    items = [(b"host", b"localhost"), *((k.encode(), v.encode()) for k, v in headers_for(frame).items() if v)]
    twice = [*items, (b"mcp-param-region", b"eu"), (b"mcp-param-region", b"eu")]
    asked = desk.send_items("POST", twice, line(frame))
    assert (asked.status, asked.code) == (400, "WIR070")


def test_parameters_in_headers_that_cannot_be_held_against_anything_are_refused() -> None:
    desk = Desk()
    asked = desk.post(modern_call("echo", {"region": "eu"}), mcp_param_region="eu")
    listing(desk).fails()
    assert (asked.status, asked.code) == (400, "WIR070")
    assert desk.server.taken() == []
