"""Bytes that one reader decodes and another does not, or not to the same text."""

from tests.attacks.attack import ANY_NODE, EVERYWHERE, ID, Attack

_LENIENT = "lenient decoders replace or skip what is wrong and run the rest"
_NUMBER = "JSON has no such number; Python reads it"
_RANGE = "doubles, decimals and big integers disagree about its value"
_PYTHON = frozenset({"python", "splitlines"})

ENCODINGS: tuple[Attack, ...] = (
    Attack(
        "a byte order mark",
        "some readers skip it, others do not read the frame",
        lambda t: b"\xef\xbb\xbf" + t.forbidden(),
        ((ID, "WIR001"),),
    ),
    Attack(
        "UTF-16, little endian",
        "RFC 4627 let readers guess the encoding",
        lambda t: b"\xff\xfe" + t.forbidden().decode().encode("utf-16-le"),
        ((None, "WIR001"),),
    ),
    Attack(
        "UTF-16, big endian",
        "RFC 4627 let readers guess the encoding",
        lambda t: t.forbidden().decode().encode("utf-16-be"),
        ((None, "WIR001"),),
    ),
    Attack(
        "UTF-32",
        "RFC 4627 let readers guess the encoding",
        lambda t: t.forbidden().decode().encode("utf-32-be"),
        ((None, "WIR001"),),
    ),
    Attack(
        "UTF-7",
        "ASCII that means something else",
        lambda t: t.forbidden().decode().encode("utf-7"),
        ((ID, "DEN011"),),
        EVERYWHERE,
    ),
    Attack(
        "a byte that is not UTF-8",
        _LENIENT,
        lambda t: t.with_argument(b'"\xff"'),
        ((ID, "WIR002"),),
        EVERYWHERE,
    ),
    Attack(
        "overlong UTF-8",
        "a slash or quote for readers that do not check",
        lambda t: t.with_argument(b'"\xc0\xaf\xc0\xa2"'),
        ((ID, "WIR002"),),
        EVERYWHERE,
    ),
    Attack(
        "a surrogate in UTF-8",
        _LENIENT,
        lambda t: t.with_argument(b'"\xed\xa0\x80"'),
        ((ID, "WIR002"),),
        EVERYWHERE,
    ),
    Attack(
        "a surrogate pair in UTF-8",
        "CESU-8, as old databases write it",
        lambda t: t.with_argument(b'"\xed\xa0\xbd\xed\xb8\x80"'),
        ((ID, "WIR002"),),
        EVERYWHERE,
    ),
    Attack(
        "a character cut off",
        _LENIENT,
        lambda t: t.with_argument(b'"\xf0\x9f\x98"'),
        ((ID, "WIR002"),),
        EVERYWHERE,
    ),
    Attack(
        "an escaped lone high surrogate",
        "not a character: decoders keep it, replace it or fail",
        lambda t: t.with_argument(b'"\\ud800"'),
        ((ID, "WIR001"),),
        EVERYWHERE,
    ),
    Attack(
        "an escaped lone low surrogate in a key",
        "not a character: decoders keep it, replace it or fail",
        lambda t: t.with_argument(b'{"\\udfff":1}'),
        ((ID, "WIR001"),),
        EVERYWHERE,
    ),
    Attack(
        "a raw NUL in a string",
        "the end of the text for readers in C",
        lambda t: t.with_argument(b'"\x00"'),
        ((ID, "WIR001"),),
    ),
    Attack(
        "a NUL behind the frame",
        "the end of the text for readers in C",
        lambda t: t.forbidden() + b"\x00",
        ((None, "WIR001"),),
    ),
    Attack(
        "a NUL between tokens",
        "white space for lenient readers",
        lambda t: t.forbidden().replace(b",", b",\x00", 1),
        ((None, "WIR001"),),
    ),
    Attack(
        "a no-break space between tokens",
        "white space for lenient readers",
        lambda t: t.forbidden().replace(b",", b",\xc2\xa0", 1),
        ((None, "WIR001"),),
    ),
    Attack("NaN", _NUMBER, lambda t: t.with_argument(b"NaN"), ((ID, "WIR001"),), _PYTHON),
    Attack("Infinity", _NUMBER, lambda t: t.with_argument(b"Infinity"), ((ID, "WIR001"),), _PYTHON),
    Attack("-Infinity", _NUMBER, lambda t: t.with_argument(b"-Infinity"), ((ID, "WIR001"),), _PYTHON),
    Attack("1e400", _RANGE, lambda t: t.with_argument(b"1e400"), ((ID, "WIR008"),), EVERYWHERE),
    Attack("-1e400", _RANGE, lambda t: t.with_argument(b"-1e400"), ((ID, "WIR008"),), EVERYWHERE),
    Attack("1e-400", _RANGE, lambda t: t.with_argument(b"1e-400"), ((ID, "WIR008"),), EVERYWHERE),
    Attack(
        "an exponent of 20 digits",
        "exact decimals of that size fill the memory",
        lambda t: t.with_argument(b"1e99999999999999999999"),
        ((ID, "WIR008"),),
        EVERYWHERE,
    ),
    Attack(
        "an integer of 5,000 digits",
        "reading it takes quadratic time, and Python refuses",
        lambda t: t.with_argument(b"9" * 5000),
        ((ID, "WIR008"),),
        ANY_NODE,
    ),
    Attack("a leading zero", "octal for some readers", lambda t: t.with_argument(b"010"), ((ID, "WIR001"),)),
    Attack("a capital escape", "no JSON", lambda t: t.with_argument(b'"\\U0041"'), ((ID, "WIR001"),)),
    Attack("a short escape", "no JSON", lambda t: t.with_argument(b'"\\u41"'), ((ID, "WIR001"),)),
    Attack("an escaped newline", "no JSON", lambda t: t.with_argument(b'"\\x0a"'), ((ID, "WIR001"),)),
)
