"""Other names for `tools/call`, and other spellings of the tool's name."""

import msgspec
from tests.attacks.attack import EVERYWHERE, ID, Attack, frame, of

_OTHER = "a server may know it by that name; what is not a method of MCP is refused"
_SAME = "the same name after decoding"
_TOOL = "a server that normalises names runs the forbidden tool"


def _method(spelling: str, code: str) -> Attack:
    return Attack(
        f"the method {spelling!a}",
        _OTHER,
        lambda t: frame(b"7", msgspec.json.encode(spelling), t.forbidden_params),
        ((ID, code),),
    )


METHODS: tuple[Attack, ...] = (
    *(
        _method(spelling, "WIR050")
        for spelling in (
            "Tools/Call",
            "TOOLS/CALL",
            "tools/call/",
            "/tools/call",
            "tools//call",
            "tools/./call",
            " tools/call",
            "tools/call ",
            "tools/execute",
            "tools/run",
            "tools.call",
            "tools\\call",
            "tools%2Fcall",
            "call_tool",
            "tool/call",
            "rpc.call",
            "$/tools/call",
            "sampling/createMessage",
            "notifications/tools/call",
            "notifications/initialized",
            "notifications/cancelled",
        )
    ),
    *(
        _method(spelling, "WIR011")
        for spelling in (
            "",
            "tools/call\x00",
            "tools/call\n",
            "tools/call\u200b",
            "\ufefftools/call",
            "\uff54ools/call",
            "tools\u2215call",
            "tools/c\u0430ll",
            "x" * 129,
        )
    ),
    Attack(
        "the method with escapes",
        _SAME,
        lambda t: frame(b"7", b'"\\u0074ools\\/\\u0063all"', t.forbidden_params),
        ((ID, "DEN011"),),
        EVERYWHERE,
    ),
    Attack(
        "an unknown notification",
        _OTHER,
        lambda t: b'{"jsonrpc":"2.0","method":"tools/execute","params":' + t.forbidden_params + b"}",
        (),
    ),
    Attack(
        "a request of the server's kind from the agent",
        "it is not the agent's to ask",
        lambda _: frame(b"7", b'"elicitation/create"', b"{}"),
        ((ID, "WIR050"),),
    ),
    Attack(
        "the tool's name with escapes",
        _SAME,
        lambda t: t.named(b'"' + b"".join(b"\\u%04x" % ord(c) for c in t.forbidden_tool) + b'"'),
        ((ID, "DEN011"),),
        EVERYWHERE,
    ),
    *(
        Attack(
            f"the tool's name {label}",
            _TOOL,
            of(lambda t, spell: t.named(msgspec.json.encode(spell(t.forbidden_tool))), spell),
            ((ID, code),),
        )
        for label, spell, code in (
            ("in capitals", str.upper, "DEN011"),
            ("capitalised", str.capitalize, "DEN011"),
            ("in full-width letters", lambda name: "".join(_wide(c) for c in name), "DEN011"),
            ("with a space behind", lambda name: name + " ", "DEN011"),
            ("with a space before", lambda name: " " + name, "DEN011"),
            ("as a path", lambda name: "./" + name, "DEN011"),
            ("as another path", lambda name: "echo/../" + name, "DEN011"),
            ("behind a server's name", lambda name: "server__" + name, "DEN011"),
            ("behind a glob", lambda _: "*", "DEN011"),
            ("with a zero-width space", lambda name: name[0] + "\u200b" + name[1:], "WIR013"),
            ("with a soft hyphen", lambda name: name[0] + "\u00ad" + name[1:], "WIR013"),
            ("with a newline behind", lambda name: name + "\n", "WIR013"),
            ("with a NUL behind", lambda name: name + "\x00", "WIR013"),
            ("with a no-break space", lambda name: name + "\u00a0", "WIR013"),
            ("with an override of direction", lambda name: "\u202e" + name[::-1], "WIR013"),
            ("with a variation selector", lambda name: name + "\ufe0f", "DEN011"),
            ("with a combining mark", lambda name: name + "\u034f", "DEN011"),
            ("of 257 characters", lambda name: name.ljust(257, "x"), "WIR013"),
        )
    ),
    *(
        Attack(
            f"the tool's name is {spelling.decode()}",
            "no name",
            of(lambda t, s: t.named(s), spelling),
            ((ID, "WIR013"),),
        )
        for spelling in (b"null", b"0", b"true", b'""', b"{}", b'["rm"]')
    ),
)


def _wide(character: str) -> str:
    return chr(ord(character) + 0xFEE0) if "!" <= character <= "~" else character
