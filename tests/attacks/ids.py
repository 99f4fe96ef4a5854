"""Ids that servers take and gates overlook: the call is judged by its method, whatever its id is."""

from tests.attacks.attack import EVERYWHERE, ID, Answer, Attack

_ODD = (
    "servers run it; for a reader with typed ids it is no request, so it must be refused and not overlooked"
)


def _id(label: str, spelling: bytes, answer: Answer, *, works: bool = True) -> Attack:
    return Attack(
        f"the id is {label}",
        _ODD,
        lambda target: target.forbidden(spelling),
        (answer,),
        EVERYWHERE if works else frozenset(),
    )


IDS: tuple[Attack, ...] = (
    _id("1.0", b"1.0", (None, "WIR010")),
    _id("1e0", b"1e0", (None, "WIR010")),
    _id("1E+2", b"1E+2", (None, "WIR010")),
    _id("7.5", b"7.5", (None, "WIR010")),
    _id("-0.0", b"-0.0", (None, "WIR010")),
    _id("1e400", b"1e400", (None, "WIR008")),
    _id("1e-400", b"1e-400", (None, "WIR008")),
    _id("true", b"true", (None, "WIR010")),
    _id("false", b"false", (None, "WIR010")),
    _id("null", b"null", (None, "WIR010")),
    _id("an object", b"{}", (None, "WIR010")),
    _id("an object with an id", b'{"id":7}', (None, "WIR010")),
    _id("an array", b"[7]", (None, "WIR010")),
    _id("an empty array", b"[]", (None, "WIR010")),
    _id("2^53", b"9007199254740992", (2**53, "WIR010")),
    _id("2^53 + 1", b"9007199254740993", (2**53 + 1, "WIR010")),
    _id("-2^53", b"-9007199254740992", (-(2**53), "WIR010")),
    _id("2^64", b"18446744073709551616", (2**64, "WIR010")),
    _id("of 30 digits", b"1" * 30, (None, "WIR010")),
    _id("of 400 digits", b"1" * 400, (None, "WIR008")),
    _id("of 257 characters", b'"' + b"x" * 257 + b'"', (None, "WIR010")),
    _id("a string with a lone surrogate", b'"\\ud800"', (None, "WIR001"), works=False),
    _id("NaN", b"NaN", (None, "WIR001"), works=False),
    _id("007", b"007", (None, "WIR001"), works=False),
    _id("+7", b"+7", (None, "WIR001"), works=False),
    _id("0x7", b"0x7", (None, "WIR001"), works=False),
    _id("the empty string", b'""', ("", "DEN011")),
    _id("a string of digits", b'"7"', ("7", "DEN011")),
    _id("a string that spells a member", b'"\\",\\"method\\":\\"ping"', ('","method":"ping', "DEN011")),
    _id("a string with line ends", b'"\\r\\n\\u2028"', ("\r\n\u2028", "DEN011")),
    _id("2^53 - 1", b"9007199254740991", (2**53 - 1, "DEN011")),
    _id("-1", b"-1", (-1, "DEN011")),
    _id("-0", b"-0", (0, "DEN011")),
    _id("7 with spaces", b" \r7\t ", (ID, "DEN011"), works=False),
)
