"""What the documentation says of refused frames."""

from callgate.codes.page import CodePage

CODES: dict[str, CodePage] = {
    "WIR001": CodePage(
        "not JSON",
        "A line from the agent is not one complete JSON text. Whatever a lenient server would make of "
        "it, the gate cannot know, so it is answered with -32700 and not forwarded. NaN, Infinity, a "
        "byte order mark and lone surrogates are not JSON either.",
        "Send one JSON object a line, as RFC 8259 writes it, without line breaks inside.",
    ),
    "WIR002": CodePage(
        "not UTF-8",
        "A line from the agent holds bytes that are not UTF-8. Servers replace such bytes each in its "
        "own way, so the text that is judged would not be the text that is used.",
        "Encode frames as UTF-8.",
    ),
    "WIR003": CodePage(
        "not one object",
        "A frame is a JSON array or a bare value. Batches existed in the MCP revision 2025-03-26 alone;"
        " every later one removed them.",
        "Send each message as an object on a line of its own.",
    ),
    "WIR004": CodePage(
        "a key occurs twice",
        "An object in the frame holds one key twice. Decoders differ on which one counts, so what is "
        "judged might not be what is executed.",
        "Send each key once. If the frame came from an agent you trust, look for what built it by hand.",
    ),
    "WIR005": CodePage(
        "keys look alike",
        "An object in the frame holds two keys that differ only in letter case or in a compatible "
        "Unicode form, such as `name` and `NAME`. Servers that ignore case take either for the other.",
        "Rename one of the keys. A tool whose arguments need both cannot be called through the gate.",
    ),
    "WIR006": CodePage(
        "nested too deep",
        "The frame nests objects or arrays deeper than 64 levels. Such frames exhaust the stack of some"
        " decoders.",
        "Send flatter arguments, or the nested part as a string if the tool accepts that.",
    ),
    "WIR007": CodePage(
        "frame too large",
        "The frame is longer than the gate reads. It was not kept, only scanned for the id under which "
        "it is answered.",
        "Send less in one call, or raise the frame bound of the gate if its tools need such calls.",
    ),
    "WIR008": CodePage(
        "number out of range",
        "A number in the frame is beyond what a double can hold, so close to zero that a double loses "
        "it, or spelled with an absurd length or exponent. Servers would read different values.",
        "Send the number as a string if the tool accepts that, or round it.",
    ),
    "WIR009": CodePage(
        "not a JSON-RPC frame",
        'The member `jsonrpc` is not "2.0", a member does not belong in a JSON-RPC frame, or `method` '
        "stands together with `result` or `error`. Servers disagree on what such a frame is.",
        "Send `jsonrpc`, `id`, `method` and `params`, and nothing beside them.",
    ),
    "WIR010": CodePage(
        "odd id",
        "The id of a frame is neither a string of at most 256 characters nor an integer between -(2^53 "
        "- 1) and 2^53 - 1. Some servers answer other ids, some take the frame for a notification and "
        "run it unanswered.",
        "Use small integers or short strings as ids.",
    ),
    "WIR011": CodePage(
        "odd method",
        "The member `method` is not a string of 1 to 128 printable ASCII characters.",
        "Send one of the methods of MCP.",
    ),
    "WIR012": CodePage(
        "params is not an object",
        "The member `params` is an array, a bare value or null. MCP has named parameters only.",
        "Send an object, or leave `params` out.",
    ),
    "WIR013": CodePage(
        "malformed tools/call",
        "A `tools/call` does not name a tool with a printable string of 1 to 256 characters, or its "
        "`arguments` is not an object. It cannot be judged, so it is not forwarded.",
        "Send `params.name` as listed by `tools/list`, and `params.arguments` as an object.",
    ),
    "WIR014": CodePage(
        "tools/call without an id",
        "A `tools/call` came as a notification. Some servers run it all the same, and nobody would "
        "learn the result.",
        "Send tool calls as requests, with an id.",
    ),
    "WIR015": CodePage(
        "malformed response",
        "A frame without `method` must be a response with either `result` or `error`, the latter an object.",
        "Send one of the two.",
    ),
    "WIR016": CodePage(
        "keys too long to compare",
        "An object in the frame holds a key with characters beyond ASCII that is longer than 256 "
        "characters, or all such keys of the frame together hold more than 262,144. To tell whether two "
        "keys look alike, their Unicode forms have to be worked out; a frame made for it could keep the "
        "gate busy for minutes.",
        "Send long texts as values. Keys in plain ASCII may be of any length.",
    ),
    "WIR017": CodePage(
        "too many values",
        "The frame holds more than 200,000 values: members of objects and elements of arrays, of whatever depth. Once "
        "they are read, each costs far more memory and time than its few bytes, and other callers would wait for it. "
        "The frame is refused before it is read. How long its texts are does not matter here.",
        "Send less in one call, or a large table as one text, such as CSV, if the tool accepts that.",
    ),
}
