"""Requests whose head says one thing and whose body another, or that only look like what a gate takes.

Each is a POST with exactly the headers given (and Host and Content-Length); none may reach a server, whatever it is
that servers believe: the head or the body.
"""

from base64 import b64encode
from collections.abc import Callable

import msgspec
from msgspec import Struct
from tests.attacks.attack import Target

Headers = list[tuple[str, str]]
VERSION = "io.modelcontextprotocol/protocolVersion"
META = {VERSION: "2026-07-28", "io.modelcontextprotocol/clientCapabilities": {}}
_ERA = "a server, or whoever routes by headers, may believe the one that the gate did not judge by"
_NAME = "policies of whatever stands in between look at the header, servers run the body"
_TYPE = "pages can send such bodies to any host without being asked, and readers may decode them otherwise"
_TWICE = "one reader takes the first, another the last, a third joins them"


class HeadAttack(Struct, frozen=True):
    """`answer` is the HTTP status and the code that must come back, None for a fixed refusal without a frame."""

    name: str
    why: str
    headers: Headers
    body: Callable[[Target], bytes]
    answer: tuple[int, str | None]


def encoded(text: str) -> str:
    """`text` as MCP wants it in a header if it is not plain."""
    return f"=?base64?{b64encode(text.encode()).decode()}?="


def modern_body(tool: str | None = None, version: object = "2026-07-28") -> Callable[[Target], bytes]:
    """The allowed call (or that of `tool`) of 2026-07-28, as a body that would be let through."""

    def build(target: Target) -> bytes:
        meta = {**META, VERSION: version}
        params = {**target.allowed_params, "name": tool or target.allowed_tool, "_meta": meta}
        frame = {"jsonrpc": "2.0", "id": 7, "method": "tools/call", "params": params}
        return msgspec.json.encode(frame)

    return build


def legacy_body(target: Target) -> bytes:
    """The allowed call of the handshake eras."""
    return target.allowed()


USUAL: Headers = [("Content-Type", "application/json"), ("Accept", "application/json, text/event-stream")]
_MODERN = ("MCP-Protocol-Version", "2026-07-28")
_LEGACY = ("MCP-Protocol-Version", "2025-11-25")
_METHOD = ("Mcp-Method", "tools/call")
_NAMED = ("Mcp-Name", "echo")
ROUTED: Headers = [*USUAL, _MODERN, _METHOD, _NAMED]
"""The headers with which the allowed call of 2026-07-28 is let through."""


def _era(name: str, headers: Headers, body: Callable[[Target], bytes], code: str = "WIR070") -> HeadAttack:
    return HeadAttack(name, _ERA, [*USUAL, *headers], body, (400, code))


def _named(name: str, *headers: tuple[str, str], tool: str | None = None) -> HeadAttack:
    return HeadAttack(name, _NAME, [*USUAL, _MODERN, *headers], modern_body(tool), (400, "WIR070"))


def _typed(name: str, *types: str, body: Callable[[Target], bytes] = legacy_body) -> HeadAttack:
    accept = ("Accept", "application/json, text/event-stream")
    answer = (400, None) if len(types) > 1 else (415, "WIR079")
    return HeadAttack(name, _TYPE, [accept, _LEGACY, *(("Content-Type", one) for one in types)], body, answer)


def _multipart(target: Target) -> bytes:
    part = b"--x\r\nContent-Type: application/json\r\n\r\n%b\r\n--x--\r\n"
    return part % target.forbidden()


def _utf_16(target: Target) -> bytes:
    return target.forbidden().decode().encode("utf-16")


def _utf_7(target: Target) -> bytes:
    return target.forbidden().decode().encode("utf-7")


SPLIT_ERAS: tuple[HeadAttack, ...] = (
    _era("no header, the body is modern", [], modern_body()),
    _era("an older header, the body is modern", [_LEGACY, _METHOD, _NAMED], modern_body()),
    _era("a modern header, the body is older", [_MODERN, _METHOD, _NAMED], legacy_body, "WIR072"),
    _era("two headers, the older first", [_LEGACY, _MODERN, _METHOD, _NAMED], modern_body()),
    _era("two headers, the modern first", [_MODERN, _LEGACY, _METHOD, _NAMED], modern_body()),
    _era("two headers, both modern", [_MODERN, _MODERN, _METHOD, _NAMED], modern_body()),
    _era("two headers over an older body", [_LEGACY, _MODERN], legacy_body),
    _era(
        "two versions in one header",
        [("MCP-Protocol-Version", "2025-11-25, 2026-07-28"), _METHOD, _NAMED],
        modern_body(),
    ),
    _era("an empty header", [("MCP-Protocol-Version", ""), _METHOD, _NAMED], modern_body()),
    _era(
        "a version of no era",
        [("MCP-Protocol-Version", "x"), _METHOD, _NAMED],
        modern_body(version="x"),
        "-32022",
    ),
    _era(
        "an older version as if it were modern", [_MODERN, _METHOD, _NAMED], modern_body(version="2025-11-25")
    ),
    _era("an older header over a body that names that version", [_LEGACY], modern_body(version="2025-11-25")),
    _era("an older header over a body whose version is null", [_LEGACY], modern_body(version=None)),
    _era("a version that is a number", [_MODERN, _METHOD, _NAMED], modern_body(version=20260728)),
    _era(
        "the version with another dash",
        [("MCP-Protocol-Version", "2026\xad07\xad28"), _METHOD],
        modern_body(),
    ),
)

SPLIT_NAMES: tuple[HeadAttack, ...] = (
    _named("no method in the head", _NAMED),
    _named("no name in the head", _METHOD),
    _named("another method in the head", ("Mcp-Method", "tools/list"), _NAMED),
    _named("a harmless method in the head, a harmful body", ("Mcp-Method", "ping"), _NAMED, tool="rm"),
    _named("the method in capitals", ("Mcp-Method", "TOOLS/CALL"), _NAMED),
    _named("the method encoded", ("Mcp-Method", encoded("tools/call")), _NAMED),
    _named("two methods", _METHOD, _METHOD, _NAMED),
    _named("an allowed name in the head, a forbidden one in the body", _METHOD, _NAMED, tool="rm"),
    _named("a forbidden name in the head, an allowed one in the body", _METHOD, ("Mcp-Name", "rm")),
    _named("two names, the forbidden last", _METHOD, _NAMED, ("Mcp-Name", "rm")),
    _named("two names, the forbidden first", _METHOD, ("Mcp-Name", "rm"), _NAMED, tool="rm"),
    _named("two names that agree", _METHOD, _NAMED, _NAMED),
    _named("two names in one header", _METHOD, ("Mcp-Name", "echo, rm")),
    _named("the name in capitals", _METHOD, ("Mcp-Name", "ECHO")),
    _named("the name in quotes", _METHOD, ("Mcp-Name", '"echo"')),
    _named("the forbidden name encoded", _METHOD, ("Mcp-Name", encoded("rm"))),
    _named("a name that spells its encoding", _METHOD, _NAMED, tool=encoded("echo")),
    _named("an encoding in capitals", _METHOD, ("Mcp-Name", encoded("echo").replace("base64", "BASE64"))),
    _named("an encoding without padding", _METHOD, ("Mcp-Name", encoded("echo").replace("==", ""))),
    _named("an encoding with bits to spare", _METHOD, ("Mcp-Name", "=?base64?ZWNobx==?=")),
    _named("an encoding for URLs", _METHOD, ("Mcp-Name", "=?base64?Pz8_?="), tool="???"),
    _named("an encoding that is no UTF-8", _METHOD, ("Mcp-Name", "=?base64?/w==?="), tool="\xff"),
    _named("an encoding with white space in it", _METHOD, ("Mcp-Name", "=?base64?ZWNo bw==?=")),
    _named("an encoding in an encoding", _METHOD, ("Mcp-Name", encoded(encoded("echo")))),
    _named("the encoding of a mail", _METHOD, ("Mcp-Name", "=?utf-8?B?ZWNobw==?=")),
    _named("half an encoding", _METHOD, ("Mcp-Name", "=?base64?ZWNobw==")),
    _named("the name in percent encoding", _METHOD, ("Mcp-Name", "%65cho")),
    _named("a name beyond ASCII as it is", _METHOD, ("Mcp-Name", "caf\xe9"), tool="caf\xe9"),
    _named(
        "an argument in the head that the body does not have", _METHOD, _NAMED, ("Mcp-Param-Region", "us")
    ),
)

TYPES: tuple[HeadAttack, ...] = (
    HeadAttack("no type", _TYPE, [("Accept", "*/*"), _LEGACY], legacy_body, (415, "WIR079")),
    _typed("text", "text/plain"),
    _typed("a form", "application/x-www-form-urlencoded"),
    _typed("a form of parts", "multipart/form-data; boundary=x", body=_multipart),
    _typed("parts that name JSON", 'multipart/related; boundary=x; type="application/json"', body=_multipart),
    _typed("text that names JSON", "text/plain; x=application/json"),
    _typed("UTF-16", "application/json; charset=utf-16", body=_utf_16),
    _typed("UTF-7", "application/json; charset=utf-7", body=_utf_7),
    _typed("Latin-1", "application/json; charset=iso-8859-1"),
    _typed("two encodings", "application/json; charset=utf-8; charset=utf-7", body=_utf_7),
    _typed("an encoding in quotes", 'application/json; charset="utf-16"', body=_utf_16),
    _typed("another parameter", "application/json; profile=x"),
    _typed("lines of JSON", "application/x-ndjson"),
    _typed("a sequence of JSON", "application/json-seq"),
    _typed("a kind of JSON", "application/vnd.mcp+json"),
    _typed("two types in one header", "application/json, text/plain"),
    _typed("two headers", "application/json", "application/json"),
    _typed("two headers, the other first", "text/plain", "application/json"),
    HeadAttack(
        "a compressed body",
        "what was judged must be what is decoded",
        [*USUAL, _LEGACY, ("Content-Encoding", "gzip")],
        legacy_body,
        (415, "WIR079"),
    ),
    HeadAttack(
        "a compressed body of no compression",
        "what was judged must be what is decoded",
        [*USUAL, _LEGACY, ("Content-Encoding", "identity, gzip")],
        legacy_body,
        (415, "WIR079"),
    ),
    *(
        HeadAttack(
            f"an answer as {accept}",
            "a client that cannot take the answer must not have caused anything",
            [("Content-Type", "application/json"), ("Accept", accept), _LEGACY],
            legacy_body,
            (406, "WIR080"),
        )
        for accept in (
            "text/html",
            "application/json",
            "text/event-stream",
            "application/jsonp, text/event-stream",
        )
    ),
)

ELSEWHERE: tuple[HeadAttack, ...] = tuple(
    HeadAttack(
        f"{name} {value}",
        "a page's browser was led to the gate by a name that is not the gate's, or by a page that is none of it",
        [*USUAL, _LEGACY, (name, value)],
        legacy_body,
        (status, None),
    )
    for name, value, status in (
        ("Host", "evil.example", 421),
        ("Host", "127.0.0.1.evil.example", 421),
        ("Host", "localhost.evil.example:8722", 421),
        ("Host", "0x7f000001", 421),
        ("Host", "2130706433", 421),
        ("Host", "[::ffff:127.0.0.1%25eth0]", 400),
        ("Host", "user@localhost", 400),
        ("Host", "localhost, evil.example", 400),
        ("Host", "", 400),
        ("Origin", "http://evil.example", 403),
        ("Origin", "null", 403),
        ("Origin", "http://localhost.evil.example", 403),
        ("Origin", "http://127.0.0.1@evil.example", 403),
        ("Origin", "chrome-extension://abcdefgh", 403),
        ("Sec-Fetch-Site", "cross-site", 403),
    )
)

HEADS: tuple[HeadAttack, ...] = (*SPLIT_ERAS, *SPLIT_NAMES, *TYPES, *ELSEWHERE)
