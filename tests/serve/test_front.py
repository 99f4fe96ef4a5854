"""What is decided from a request's head alone, before a byte of its body is read."""

import pytest
from serve_play import LEGACY_VERSION, MODERN_VERSION, Desk, call, modern_call, plain

from callgate.serve.sealing import Seal, SealedSession

HOST = (b"host", b"localhost")
JSON = (b"content-type", b"application/json")


@pytest.mark.parametrize(
    "content_type",
    [
        None,
        "",
        "text/plain",
        "text/plain; application/json",
        "application/json-seq",
        "application/jsonp",
        "application/x-ndjson",
        "application/vnd.api+json",
        "application/json, text/plain",
        "application/json; charset=utf-16",
        "application/json; charset=utf-7",
        "application/json; charset=iso-8859-1",
        "application/json; charset=utf-8; charset=utf-16",
        "application/json;charset=utf-16;charset=utf-8",
        "application/json; boundary=x",
        "application/json; charset=''utf-8''",
        "multipart/form-data; boundary=application/json",
        "multipart/mixed; type=application/json",
        "application/x-www-form-urlencoded",
        "application /json",
        "*/*",
    ],
)
def test_a_body_that_is_not_said_to_be_json_in_utf_8_is_not_read(content_type: str | None) -> None:
    desk = Desk()
    asked = desk.post(call("echo"), content_type=content_type)
    assert (asked.status, asked.code) == (415, "WIR079")
    assert asked.frame["id"] is None
    assert desk.server.taken() == []


@pytest.mark.parametrize(
    "content_type",
    [
        "application/json",
        "APPLICATION/JSON",
        "application/json;charset=utf-8",
        'application/json ; Charset="UTF-8"',
        "application/json;",
    ],
)
def test_json_is_told_by_its_usual_spellings(content_type: str) -> None:
    desk = Desk()
    desk.post(call("echo"), content_type=content_type)
    assert len(desk.server.taken()) == 1


@pytest.mark.parametrize("coding", ["gzip", "identity, gzip", "x", "deflate"])
def test_a_compressed_body_is_not_read(coding: str) -> None:
    desk = Desk()
    desk.post(call("echo"), content_encoding="Identity")
    assert len(desk.server.taken()) == 1
    asked = desk.post(call("echo"), content_encoding=coding)
    assert (asked.status, asked.code) == (415, "WIR079")
    assert desk.server.taken() == []


def test_two_content_types_are_none() -> None:
    desk = Desk()
    asked = desk.send_items("POST", [HOST, JSON, JSON], b"{}")
    assert (asked.status, asked.code) == (415, "WIR079")


@pytest.mark.parametrize(
    "accept",
    [
        "application/json",
        "text/event-stream",
        "text/html",
        "application/jsonx, text/event-streams",
        "text/*",
        "application/*",
    ],
)
def test_a_client_that_does_not_take_both_forms_of_an_answer_is_told_so(accept: str) -> None:
    desk = Desk()
    asked = desk.post(call("echo"), accept=accept)
    assert (asked.status, asked.code) == (406, "WIR080")
    assert desk.server.taken() == []


@pytest.mark.parametrize(
    "accept",
    [
        None,
        "*/*",
        "application/json, text/event-stream",
        "TEXT/EVENT-STREAM;q=0.1,Application/JSON;q=0.9",
        "application/*, text/*",
        "text/html, */*;q=0.1",
    ],
)
def test_a_client_that_takes_both_is_served(accept: str | None) -> None:
    desk = Desk()
    desk.post(call("echo"), accept=accept)
    assert len(desk.server.taken()) == 1


def test_accept_may_be_spread_over_several_headers() -> None:
    desk = Desk()
    items = [HOST, JSON, (b"accept", b"application/json"), (b"accept", b"text/event-stream")]
    desk.send_items("POST", items, b'{"jsonrpc":"2.0","id":1,"method":"ping"}')
    assert len(desk.server.taken()) == 1


@pytest.mark.parametrize("method", ["PUT", "PATCH", "HEAD"])
def test_other_methods_are_not_allowed(method: str) -> None:
    desk = Desk()
    asked = desk.send_items(method, [HOST, JSON])
    assert asked.status == 405
    assert b"POST" in asked.headers[b"allow"]


@pytest.mark.parametrize("version", [MODERN_VERSION, "2099-01-01", "DRAFT"])
def test_the_modern_era_has_no_get_and_no_delete(version: str) -> None:
    desk = Desk()
    for asked in (desk.get(mcp_protocol_version=version), desk.delete(mcp_protocol_version=version)):
        assert asked.status == 405
        assert asked.headers[b"allow"] == b"POST"
    assert desk.server.taken() == []


@pytest.mark.parametrize("method", ["GET", "DELETE"])
@pytest.mark.parametrize("second", [MODERN_VERSION, LEGACY_VERSION])
def test_two_versions_are_refused_also_without_a_body(method: str, second: str) -> None:
    desk = Desk()
    items = [HOST, (b"mcp-protocol-version", LEGACY_VERSION.encode())]
    asked = desk.send_items(method, [*items, (b"mcp-protocol-version", second.encode())])
    assert (asked.status, asked.code) == (400, "WIR070")
    assert desk.server.taken() == []


def test_a_gate_that_ends_takes_nothing_more_and_says_when_to_come_back() -> None:
    desk = Desk()
    desk.accepts = False
    for asked in (desk.post(call("echo")), desk.get(), desk.delete()):
        assert asked.status == 503
        assert asked.headers[b"retry-after"] == b"1"


@pytest.mark.parametrize(
    "host", ["evil.example", "localhost.evil.example", "127.0.0.1.nip.io", "0x7f.1", "[::]"]
)
def test_a_name_that_is_not_the_gates_own_is_misdirected(host: str) -> None:
    desk = Desk()
    asked = desk.send_items("POST", [(b"host", host.encode()), JSON], b"{}")
    assert asked.status == 421
    assert host.encode() not in asked.body


@pytest.mark.parametrize(
    "origin", ["https://evil.example", "null", "http://localhost.evil.example", "file://"]
)
def test_a_page_that_is_not_trusted_is_forbidden(origin: str) -> None:
    desk = Desk()
    asked = desk.post(call("echo"), origin=origin)
    assert asked.status == 403
    assert origin.encode() not in asked.body or origin == "null"
    assert b"access-control-allow-origin" not in asked.headers
    assert desk.server.taken() == []


@pytest.mark.parametrize(
    ("given", "taken"),
    [
        ("12", "12"),
        ("a b", "a b"),
        ("x" * 1024, "x" * 1024),
        ("x" * 1025, None),
        ("", None),
        (None, None),
    ],
)
def test_the_last_event_is_named_to_the_server_if_it_can_be_one(given: str | None, taken: str | None) -> None:
    desk = Desk()
    desk.get(last_event_id=given)
    assert desk.server.one().last_event_id == taken


def test_two_last_events_are_none() -> None:
    desk = Desk()
    desk.send_items("GET", [HOST, (b"last-event-id", b"1"), (b"last-event-id", b"2")])
    assert desk.server.one().last_event_id is None


def test_nothing_of_the_callers_own_goes_on_but_the_trace() -> None:
    desk = Desk()
    trace = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
    desk.post(
        modern_call("echo"),
        authorization="Bearer secret-of-the-caller",
        cookie="a=secret-of-the-caller",
        x_forwarded_for="1.2.3.4",
        forwarded="for=1.2.3.4",
        traceparent=trace,
    )
    route = desk.server.one().route
    assert route.trace == ((b"traceparent", trace.encode()),)
    assert "secret" not in repr(route)


def test_a_refusal_by_the_head_is_counted() -> None:
    desk = Desk()
    desk.post(call("echo"), content_type="text/plain")
    assert desk.observer.notes == [("refused", "srv", "WIR079")]


# Sessions, as the front and the posts see them.


def test_a_session_belongs_to_the_caller_who_began_it() -> None:
    desk = Desk()
    token = desk.begin_session(who="ann")
    desk.post(call("echo"), "ann", mcp_session_id=token)
    desk.server.one().answers(plain())
    for who in ("bob", None):
        for asked in (
            desk.post(call("echo"), who, mcp_session_id=token),
            desk.get(who, mcp_session_id=token),
            desk.delete(who, mcp_session_id=token),
        ):
            assert (asked.status, asked.code) == (404, "WIR077")
    assert desk.server.taken() == []


def _forged(token: str) -> dict[str, str]:
    middle = len(token) // 2
    return {
        "the server's own": "upstream-1",
        "longer": token + "A",
        "shorter": token[:-1],
        "padded": token + "=",
        "in the other case": token.swapcase(),
        "changed in the middle": token[:middle]
        + ("A" if token[middle] != "A" else "B")
        + token[middle + 1 :],
        "twice": token * 2,
        "beyond ASCII": "\xe9" + token,
        "huge": "x" * 5000,
        "tiny": "A",
        "noughts": "A" * len(token),
        "of another gate": Seal(b"t" * 32).session(SealedSession("l", "upstream-1", 1), "srv", "anonymous"),
        "of another server": Seal(b"s" * 32).session(SealedSession("l", "upstream-1", 1), "git", "anonymous"),
        "of another caller": Seal(b"s" * 32).session(SealedSession("l", "upstream-1", 1), "srv", "key:ann"),
    }


@pytest.mark.parametrize("forgery", _forged("x"))
def test_a_session_id_that_was_not_given_to_this_caller_for_this_server_is_unknown(forgery: str) -> None:
    desk = Desk()
    token = _forged(desk.begin_session())[forgery]
    for asked in (
        desk.post(call("echo"), mcp_session_id=token),
        desk.get(mcp_session_id=token),
        desk.delete(mcp_session_id=token),
    ):
        assert (asked.status, asked.code) == (404, "WIR077")
    assert desk.server.taken() == []


def test_two_session_ids_are_refused() -> None:
    desk = Desk()
    token = desk.begin_session().encode()
    items = [HOST, JSON, (b"mcp-session-id", token), (b"mcp-session-id", token)]
    for method, body in (
        ("POST", b'{"jsonrpc":"2.0","id":1,"method":"ping"}'),
        ("GET", b""),
        ("DELETE", b""),
    ):
        asked = desk.send_items(method, items, body)
        assert (asked.status, asked.code) == (400, "WIR076")
    assert desk.server.taken() == []


def test_a_child_is_reached_in_a_session_only() -> None:
    desk = Desk(child=True)
    for asked in (desk.post(call("echo")), desk.get(), desk.delete()):
        assert (asked.status, asked.code) == (400, "WIR078")
    assert desk.server.taken() == []
    token = desk.begin_session(session=None)
    desk.post(call("echo"), mcp_session_id=token)
    assert desk.server.one().route.session is None


def test_the_session_of_a_child_is_unknown_to_another_process() -> None:
    desk = Desk(child=True)
    token = desk.begin_session(session=None)
    desk.shared.home = "another"
    assert desk.post(call("echo"), mcp_session_id=token).status == 404


def test_every_session_has_limits_of_its_own() -> None:
    desk = Desk("default: deny\ntools:\n  echo: {rules: [{rate_limit: 1/hour}]}\n")
    first, second = desk.begin_session(), desk.begin_session()
    desk.post(call("echo"), mcp_session_id=first)
    desk.post(call("echo"), mcp_session_id=second)
    assert len(desk.server.taken()) == 2
    assert desk.post(call("echo", id=2), mcp_session_id=first).frame["result"]["isError"]


def test_a_server_without_sessions_gives_none_out() -> None:
    desk = Desk()
    asked = desk.post(b'{"jsonrpc":"2.0","id":1,"method":"initialize","params":{}}')
    desk.server.one().answers({"jsonrpc": "2.0", "id": 1, "result": {}})
    assert b"mcp-session-id" not in asked.headers


def test_a_failed_initialize_begins_no_session() -> None:
    desk = Desk()
    asked = desk.post(b'{"jsonrpc":"2.0","id":1,"method":"initialize","params":{}}')
    desk.server.one().answers({"jsonrpc": "2.0", "id": 1, "error": {"code": 1, "message": ""}}, 400, "s")
    assert b"mcp-session-id" not in asked.headers
