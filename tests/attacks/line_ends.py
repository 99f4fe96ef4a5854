"""One line for the gate, several for a server that ends lines elsewhere too."""

from collections.abc import Callable

from tests.attacks.attack import EVERYWHERE, ID, Attack, Target, frame

CR_READERS = frozenset({"python", "splitlines", "readline"})


def _inside_ping(before: bytes, after: bytes) -> Callable[[Target], bytes]:
    return lambda target: frame(b"1", b'"ping"', b'{"x":' + before + target.forbidden() + after + b"}")


def _behind_allowed(between: bytes) -> Callable[[Target], bytes]:
    return lambda target: target.allowed(b"1") + between + target.forbidden()


LINE_ENDS: tuple[Attack, ...] = (
    Attack(
        "a call in a ping between carriage returns",
        "a raw CR is white space in JSON and the end of a line for Python and node:readline",
        _inside_ping(b"\r", b"\r"),
        ((1, "result"),),
        CR_READERS,
    ),
    Attack(
        "a call in a ping between CR, tab and space",
        "the same with other white space around it",
        _inside_ping(b" \t\r ", b" \r\t "),
        ((1, "result"),),
        CR_READERS,
    ),
    Attack(
        "a call in a ping between line feeds",
        "the line feed ends a frame for everybody: three frames, of which one is a call",
        _inside_ping(b"\n", b"\n"),
        ((None, "WIR001"), (ID, "DEN011"), (None, "WIR001")),
        EVERYWHERE,
    ),
    Attack(
        "a call behind an allowed call and a CR",
        "two frames in one line; the second must not ride on the first",
        _behind_allowed(b"\r"),
        ((None, "WIR001"),),
        CR_READERS,
    ),
    *(
        Attack(
            f"a call behind an allowed call and {label}",
            "the character ends a line for str.splitlines and some in JavaScript, and is no white space in JSON",
            _behind_allowed(character),
            ((None, "WIR001"),),
            readers,
        )
        for label, character, readers in (
            ("U+2028", b"\xe2\x80\xa8", frozenset({"splitlines"})),
            ("U+2029", b"\xe2\x80\xa9", frozenset({"splitlines"})),
            ("U+0085", b"\xc2\x85", frozenset({"splitlines"})),
            ("a vertical tab", b"\x0b", frozenset({"splitlines"})),
            ("a form feed", b"\x0c", frozenset({"splitlines"})),
            ("a record separator", b"\x1e", frozenset({"splitlines"})),
        )
    ),
    Attack(
        "a call behind CR and LF",
        "CRLF is a usual line end: two frames, each judged",
        _behind_allowed(b"\r\n"),
        ((1, "result"), (ID, "DEN011")),
        EVERYWHERE,
        lambda target: (target.allowed_params,),
    ),
    Attack(
        "a call in a string behind a raw CR",
        "a control character in a string is no JSON, but ends a line for lenient readers",
        lambda target: frame(
            b"1", b'"ping"', b'{"x":"\r' + target.forbidden().replace(b'"', b'\\"') + b'\r"}'
        ),
        ((1, "WIR001"),),
    ),
    Attack(
        "a call that leaves its string behind a raw CR",
        "the same with quotes that are not escaped",
        lambda target: frame(b"1", b'"ping"', b'{"x":"\r' + target.forbidden() + b'\r"}'),
        ((1, "WIR001"),),
        CR_READERS,
    ),
    Attack(
        "a call behind a leading CR",
        "white space before a frame must not hide what it is",
        lambda target: b"\r\r" + target.forbidden(),
        ((ID, "DEN011"),),
        EVERYWHERE,
    ),
    Attack(
        "an escaped line feed and a call in a string",
        "a gate that unescapes on the way makes two lines of it",
        lambda target: frame(
            b"1", b'"ping"', b'{"x":"\\n' + target.forbidden().replace(b'"', b'\\"') + b'\\u000a"}'
        ),
        ((1, "result"),),
    ),
    Attack(
        "a call in a comment",
        "lenient readers skip comments",
        lambda target: b"/*" + target.allowed(b"1") + b"*/" + target.forbidden(),
        ((None, "WIR001"),),
    ),
    Attack(
        "a call in the framing of the language server protocol",
        "headers before the body, as another protocol frames its messages",
        lambda target: b"Content-Length: %d\r\n\r\n" % len(target.forbidden()) + target.forbidden(),
        ((None, "WIR001"), (ID, "DEN011")),
        EVERYWHERE,
    ),
    Attack(
        "a call in the framing of server-sent events",
        "a lenient reader may strip the prefix",
        lambda target: b"data: " + target.forbidden(),
        ((None, "WIR001"),),
    ),
)
