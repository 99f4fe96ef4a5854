"""Frames that exhaust a reader: too deep, too many members, too long."""

from tests.attacks.attack import ID, Attack, frame

_DEPTH = "recursive readers run out of stack, and what they did not read they do not judge"
_LENGTH = "a frame that is not kept must still be answered, under its id wherever that stands"
_DENSE = "a value of two bytes costs a hundred once it is read, and everybody waits meanwhile"
_MANY = "comparing every key with every other takes quadratic time"

LONG = 20 << 20
"""More than the gate takes, in bytes."""


def _padded(head: bytes, tail: bytes) -> bytes:
    return head + b'"x":"' + b"a" * LONG + b'"' + tail


def _depth(levels: int) -> bytes:
    return b"[" * levels + b"]" * levels


def _keys(prefix: bytes) -> bytes:
    return b"{" + b",".join(b'"%b%d":0' % (prefix, number) for number in range(100_000)) + b"}"


def _many(value: bytes, count: int) -> bytes:
    return b"[" + b",".join([value] * count) + b"]"


SIZES: tuple[Attack, ...] = (
    Attack("65 levels", _DEPTH, lambda t: t.with_argument(_depth(62)), ((ID, "WIR006"),)),
    Attack("10,000 levels", _DEPTH, lambda t: t.with_argument(_depth(10_000)), ((ID, "WIR006"),)),
    Attack(
        "10,000 levels of objects",
        _DEPTH,
        lambda t: t.with_argument(b'{"a":' * 10_000 + b"0" + b"}" * 10_000),
        ((ID, "WIR006"),),
    ),
    Attack(
        "10,000 levels outside",
        _DEPTH,
        lambda t: b"[" * 10_000 + t.forbidden() + b"]" * 10_000,
        ((None, "WIR006"),),
    ),
    Attack("brackets that never close", _DEPTH, lambda _: b"[" * 100_000, ((None, "WIR006"),)),
    Attack("100,000 keys", _MANY, lambda t: t.with_argument(_keys(b"k")), ((ID, "DEN011"),)),
    Attack(
        "100,000 keys that are not ASCII",
        _MANY,
        lambda t: t.with_argument(_keys("\u00e4".encode())),
        ((ID, "WIR016"),),
        heavy=True,
    ),
    *(
        Attack(f"15 MB of {label}", _DENSE, build, ((id, "WIR017"),), heavy=True)
        for label, build, id in (
            ("empty objects", lambda t: t.with_argument(_many(b"{}", 5_000_000)), None),
            ("numbers", lambda t: t.with_argument(_many(b"1", 7_500_000)), ID),
            ("escaped quotes and numbers", lambda t: t.with_argument(_many(b'"\\"",1', 2_000_000)), None),
        )
    ),
    Attack(
        "200,001 values",
        _DENSE,
        lambda t: t.with_argument(_many(b"1", 200_001)),
        ((ID, "WIR017"),),
    ),
    Attack(
        "a text of a million commas and brackets",
        "what stands in a text is not a value",
        lambda t: t.with_argument(b'"\\"' + b",[{" * 333_333 + b'\\\\"'),
        ((ID, "DEN011"),),
    ),
    Attack(
        "a method of 100,000 characters",
        _LENGTH,
        lambda _: frame(b"7", b'"' + b"x" * 100_000 + b'"', b"{}"),
        ((ID, "WIR011"),),
    ),
    Attack(
        "an id of 100,000 characters",
        _LENGTH,
        lambda t: t.forbidden(b'"' + b"x" * 100_000 + b'"'),
        ((None, "WIR010"),),
    ),
    *(
        Attack(f"20 MiB, {label}", _LENGTH, build, (answer,), heavy=True)
        for label, build, answer in (
            (
                "the id at the head",
                lambda _: _padded(b'{"jsonrpc":"2.0","id":7,"method":"tools/call","params":{', b"}}"),
                (ID, "WIR007"),
            ),
            (
                "the id in the middle",
                lambda _: (
                    _padded(b'{"params":{', b'},"id":7,"z":{') + _padded(b"", b'},"method":"tools/call"}')
                ),
                (ID, "WIR007"),
            ),
            (
                "the id at the end",
                lambda _: _padded(b'{"method":"tools/call","params":{', b'},"id":7}'),
                (ID, "WIR007"),
            ),
            (
                "another id inside",
                lambda _: _padded(b'{"params":{"id":8,', b'},"method":"tools/call","id":7}'),
                (ID, "WIR007"),
            ),
            (
                "two ids",
                lambda _: _padded(b'{"id":7,"params":{', b'},"method":"tools/call","id":8}'),
                (None, "WIR007"),
            ),
            ("a string that never ends", lambda _: b'{"id":7,"x":"' + b"a" * LONG, (None, "WIR007")),
            ("white space", lambda t: t.forbidden() + b" " * LONG, (ID, "WIR007")),
            ("brackets", lambda _: b"[" * LONG, (None, "WIR007")),
        )
    ),
    Attack(
        "12 MiB that can be read",
        "a large frame is judged as any other",
        lambda t: t.with_argument(b'"' + b"a" * (12 << 20) + b'"'),
        ((ID, "DEN011"),),
        heavy=True,
    ),
)
