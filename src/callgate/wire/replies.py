"""Frames the gate writes itself, each one line without its newline. Knows nothing of why they are written.

Everything is escaped so that no reader can find a line end inside: U+2028, U+2029 and U+0085 included.
"""

from typing import Any

import msgspec
from msgspec import Raw

from callgate.wire.compact import escape_line_ends
from callgate.wire.envelope import RequestId

DENIAL_META = "callgate/denial"
"""The `_meta` key of a denial's structured form where `structuredContent` belongs to an outputSchema."""

# Decimals are written digit for digit, as numbers.
_encode = msgspec.json.Encoder(decimal_format="number").encode


def json_text(value: Any) -> bytes:
    """`value` as JSON in one line. Decimals are written as numbers, exactly."""
    text = _encode(value)
    return text if text.isascii() else escape_line_ends(text)


def result_reply(id: RequestId, result: Raw | bytes) -> bytes:
    """The response with a result that is JSON already."""
    return b'{"jsonrpc":"2.0","id":%b,"result":%b}' % (json_text(id), bytes(result))


def error_reply(id: RequestId | None, rpc_code: int, message: str, data: Any = None) -> bytes:
    """The response with a JSON-RPC error. `id` None is written as null; `data` None is left out."""
    more = b"" if data is None else b',"data":%b' % json_text(data)
    head = json_text(id), rpc_code, json_text(message), more
    return b'{"jsonrpc":"2.0","id":%b,"error":{"code":%d,"message":%b%b}}' % head


def denial_reply(
    id: RequestId,
    text: str,
    structured: dict[str, Any],
    *,
    modern: bool,
    has_output_schema: bool = False,
) -> bytes:
    """The result of a tool call that was refused: `isError`, a text for the model, `structured` for programs.

    2026-07-28 wants a `resultType`. For a tool with an outputSchema `structured` stands in `_meta` instead:
    MCP says that a tool's structuredContent conforms to its schema, and the official TypeScript client 1.x
    throws on one that does not, even beside `isError`, so that the model would not see the text.
    """
    kind = b'"resultType":"complete",' if modern else b""
    place = (
        b'"_meta":{"' + DENIAL_META.encode() + b'":%b}' if has_output_schema else b'"structuredContent":%b'
    )
    result = b'{%b"content":[{"type":"text","text":%b}],%b,"isError":true}' % (
        kind,
        json_text(text),
        place % json_text(structured),
    )
    return result_reply(id, result)


def tools_list_changed(subscription_id: RequestId | None = None) -> bytes:
    """`notifications/tools/list_changed`; on a 2026-07-28 subscription stream with the id of its request."""
    if subscription_id is None:
        return b'{"jsonrpc":"2.0","method":"notifications/tools/list_changed"}'
    meta = {"io.modelcontextprotocol/subscriptionId": subscription_id}
    return _notification(b"notifications/tools/list_changed", {"_meta": meta})


def request(id: RequestId, method: str, params: dict[str, Any]) -> bytes:
    """A request of the gate's own."""
    head = json_text(id), json_text(method), json_text(params)
    return b'{"jsonrpc":"2.0","id":%b,"method":%b,"params":%b}' % head


def stand_in_call(message: dict[str, Any], name: str) -> bytes:
    """The tools/call `message` with another tool name and no arguments, and everything else as it was.

    A server that does not look at names must not find anything in it to act on.
    """
    params = {**message["params"], "name": name}
    if params.get("arguments"):
        params["arguments"] = {}
    return json_text({**message, "params": params})


def _notification(method: bytes, params: dict[str, Any]) -> bytes:
    return b'{"jsonrpc":"2.0","method":"%b","params":%b}' % (method, json_text(params))
