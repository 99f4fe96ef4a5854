"""The table of methods against the SDK's; the gate's own frames against the SDK's models."""

import json
from decimal import Decimal
from typing import Any

import pytest
from mcp_types import CallToolResult, jsonrpc, methods
from wire_frames import LINE_ENDS, call, exact, read

from callgate.codes.wire import CODES
from callgate.wire import replies
from callgate.wire.server import read_server_frame
from callgate.wire.vocabulary import METHODS, Treatment, is_modern, treatment

META = {"io.modelcontextprotocol/protocolVersion": "2026-07-28"}


@pytest.mark.parametrize(
    ("table", "kind", "directions"),
    [
        (methods.CLIENT_REQUESTS, "request", ("to_server", "both")),
        (methods.CLIENT_NOTIFICATIONS, "notification", ("to_server", "both")),
        (methods.SERVER_REQUESTS, "request", ("to_client", "both")),
        (methods.SERVER_NOTIFICATIONS, "notification", ("to_client", "both")),
    ],
)
def test_every_method_of_the_specification_has_a_row(
    table: Any, kind: str, directions: tuple[str, ...]
) -> None:
    for name, version in table:
        row = METHODS[name]
        assert (row.kind, row.direction in directions) == (kind, True)
        assert ("modern" if version == "2026-07-28" else "legacy") in row.eras


def test_what_is_not_in_the_table_or_comes_in_the_wrong_kind_is_refused() -> None:
    assert treatment("tools/call") is Treatment.JUDGE
    assert treatment("notifications/cancelled", notification=True) is Treatment.CANCEL
    for name in (
        "tools/callx",
        "Tools/Call",
        "tools/call ",
        "sampling/createMessage",
        "notifications/cancelled",
    ):
        assert treatment(name) is Treatment.REFUSE
    assert treatment("tasks/update", notification=True) is Treatment.REFUSE


def test_only_tools_call_is_judged_and_only_methods_from_clients_are_treated() -> None:
    assert [row.name for row in METHODS.values() if row.treatment is Treatment.JUDGE] == ["tools/call"]
    for row in METHODS.values():
        assert (row.treatment is Treatment.REFUSE) == (row.direction == "to_client")


def test_a_request_tells_its_era() -> None:
    assert is_modern({"_meta": META})
    assert not is_modern(None)
    assert not is_modern({"_meta": 5})


@pytest.mark.parametrize("modern", [True, False])
@pytest.mark.parametrize("has_output_schema", [True, False])
def test_a_denial_is_a_tool_result_in_both_eras(modern: bool, has_output_schema: bool) -> None:
    structured = {"code": "LIM001", "rule": "r\u2028", "reason": "no", "retry_after": 5}
    reply = replies.denial_reply(
        "a\r", "no\n", structured, modern=modern, has_output_schema=has_output_schema
    )
    frame = json.loads(reply)
    version = "2026-07-28" if modern else "2025-11-25"
    result = methods.parse_server_result("tools/call", version, frame["result"])
    assert isinstance(result, CallToolResult)
    assert result.is_error
    assert (result.structured_content is None) is has_output_schema
    where = (
        frame["result"]["_meta"][replies.DENIAL_META]
        if has_output_schema
        else frame["result"]["structuredContent"]
    )
    assert where == structured
    assert frame["id"] == "a\r"
    assert ("resultType" in frame["result"]) is modern
    assert not any(end in reply for end in LINE_ENDS)


def test_the_gates_own_frames_are_read_by_the_sdk() -> None:
    for reply in (
        replies.error_reply(None, -32700, 'not "JSON"\u0085', {"code": "WIR001"}),
        replies.error_reply(7, -32600, "no"),
        replies.tools_list_changed(),
        replies.tools_list_changed("sub"),
        replies.request("gate-1", "tools/list", {"_meta": META}),
        replies.result_reply(1, b'{"tools":[]}'),
    ):
        jsonrpc.jsonrpc_message_adapter.validate_json(reply)
        assert read_server_frame(reply).kind != "garbage"


def test_a_stand_in_for_a_hidden_call_carries_no_arguments_and_keeps_every_other_value() -> None:
    frame = read(call(arguments={"a": 0.1, "b": 10**30}))
    message = {**frame.message, "params": {**frame.message["params"], "_meta": {"d": Decimal("1E+2")}}}
    assert exact(replies.stand_in_call(message, "other"))["params"] == {
        "name": "other",
        "arguments": {},
        "_meta": {"d": 100},
    }
    assert message["params"]["name"] == "echo"


def test_every_code_has_a_page() -> None:
    import pathlib
    import re

    import callgate.wire

    sources = pathlib.Path(callgate.wire.__path__[0]).glob("*.py")
    used = {code for source in sources for code in re.findall(r'"(WIR\d{3})"', source.read_text())}
    assert used == set(CODES)
