"""Objects whose members two readers see differently: keys twice, and keys that only look or fold alike."""

from collections.abc import Callable

from tests.attacks.attack import EVERYWHERE, ID, Attack, Target, frame, of

FOLDING = frozenset({"python", "splitlines"})


def _replaced(old: bytes, new: Callable[[Target], bytes]) -> Callable[[Target], bytes]:
    """The allowed call with `old` replaced: what a reader sees who prefers the other spelling is forbidden."""
    return lambda target: target.allowed().replace(old, new(target), 1)


def _name(before: bytes) -> Callable[[Target], bytes]:
    return _replaced(b'"name":', lambda target: before % target.forbidden_tool.encode() + b',"name":')


def _last(key: bytes) -> Callable[[Target], bytes]:
    """The allowed call with a second name behind the arguments."""
    return lambda target: target.allowed()[:-2] + b",%b:" % key + _json(target.forbidden_tool) + b"}}"


def _json(text: str) -> bytes:
    return b'"' + text.encode() + b'"'


_TWICE = (
    "most readers take the last of two equal keys, some the first; the judged one must be the executed one"
)
_ALIKE = "readers that ignore case or compatibility forms see one key where others see two"

KEYS: tuple[Attack, ...] = (
    Attack("name twice, the forbidden last", _TWICE, _last(b'"name"'), ((ID, "WIR004"),), EVERYWHERE),
    Attack("name twice, the forbidden first", _TWICE, _name(b'"name":"%b"'), ((ID, "WIR004"),)),
    Attack(
        "name twice through an escape",
        "equal after decoding only",
        _last(b'"\\u006eame"'),
        ((ID, "WIR004"),),
        EVERYWHERE,
    ),
    Attack(
        "name twice, all of it escaped in upper case",
        "equal after decoding only",
        _last(b'"\\u006E\\u0061\\u006D\\u0065"'),
        ((ID, "WIR004"),),
        EVERYWHERE,
    ),
    Attack(
        "params twice",
        _TWICE,
        lambda target: target.allowed()[:-1] + b',"params":' + target.forbidden_params + b"}",
        ((ID, "WIR004"),),
        EVERYWHERE,
    ),
    Attack(
        "params twice through an escape",
        _TWICE,
        lambda target: target.allowed()[:-1] + b',"p\\u0061rams":' + target.forbidden_params + b"}",
        ((ID, "WIR004"),),
        EVERYWHERE,
    ),
    Attack(
        "method twice",
        "a ping for one reader, a call for the other",
        lambda target: frame(b"7", b'"ping","method":"tools/call"', target.forbidden_params),
        ((ID, "WIR004"),),
        EVERYWHERE,
    ),
    Attack(
        "id twice",
        "answered under one id, awaited under the other",
        lambda target: target.forbidden(b'7,"id":8'),
        ((None, "WIR004"),),
        EVERYWHERE,
    ),
    Attack(
        "jsonrpc twice",
        _TWICE,
        lambda target: b'{"jsonrpc":"1.0",' + target.forbidden()[1:],
        ((ID, "WIR004"),),
        EVERYWHERE,
    ),
    Attack(
        "arguments twice",
        _TWICE,
        lambda target: target.allowed()[:-2] + b',"arguments":{"text":"second"}}}',
        ((ID, "WIR004"),),
    ),
    Attack(
        "an argument twice",
        _TWICE,
        lambda target: target.forbidden(params=b'{"name":"x","arguments":{"a":1,"a":2}}'),
        ((ID, "WIR004"),),
    ),
    Attack(
        "an argument twice, deep inside, in a list",
        _TWICE,
        lambda target: target.with_argument(b'[[{"k":[{"a":1,"\\u0061":1}]}]]'),
        ((ID, "WIR004"),),
        EVERYWHERE,
    ),
    Attack(
        "a key of _meta twice",
        _TWICE,
        lambda target: target.with_member(b'"_meta":{"a":1,"a":2}'),
        ((ID, "WIR004"),),
        EVERYWHERE,
    ),
    Attack("NAME beside name", _ALIKE, _last(b'"NAME"'), ((ID, "WIR005"),), FOLDING),
    Attack("Name beside name, through an escape", _ALIKE, _last(b'"\\u004eame"'), ((ID, "WIR005"),), FOLDING),
    Attack("full-width name beside name", _ALIKE, _last('"\uff4eame"'.encode()), ((ID, "WIR005"),)),
    Attack(
        "ARGUMENTS beside arguments",
        _ALIKE,
        lambda target: target.forbidden(params=target.forbidden_params[:-1] + b',"ARGUMENTS":{}}'),
        ((ID, "WIR005"),),
        FOLDING,
    ),
    Attack(
        "an argument beside its capitals",
        _ALIKE,
        lambda target: target.with_argument(b'1,"X":2'),
        ((ID, "WIR005"),),
        EVERYWHERE,
    ),
    *(
        Attack(
            f"an argument beside its double: {label}",
            _ALIKE,
            of(lambda target, pair: target.with_argument(b'{"%b":1,"%b":2}' % pair), pair),
            ((ID, "WIR005"),),
            EVERYWHERE,
        )
        for label, pair in (
            ("long s", (b"pass", "pa\u017fs".encode())),
            ("Kelvin sign", (b"k", "\u212a".encode())),
            ("dotless i", (b"id", "\u0131d".encode())),
            ("ligature", (b"file", "\ufb01le".encode())),
            ("combining mark", ("\u00e9".encode(), "e\u0301".encode())),
            ("sharp s", (b"ss", "\u00df".encode())),
        )
    ),
    Attack(
        "NAME instead of name",
        "a call without a name for the gate, with one for readers that ignore case",
        lambda target: target.forbidden().replace(b'"name"', b'"NAME"', 1),
        ((ID, "WIR013"),),
        FOLDING,
    ),
    Attack(
        "METHOD instead of method",
        "no method for the gate, one for readers that ignore case",
        lambda target: target.forbidden().replace(b'"method"', b'"METHOD"', 1),
        ((ID, "WIR009"),),
        FOLDING,
    ),
    Attack(
        "Params beside the params of a ping",
        _ALIKE,
        lambda target: frame(b"7", b'"ping"', b"{}")[:-1] + b',"Params":' + target.forbidden_params + b"}",
        ((ID, "WIR005"),),
    ),
    Attack(
        "Method beside the method of a ping",
        _ALIKE,
        lambda target: frame(b"7", b'"ping","Method":"tools/call"', target.forbidden_params),
        ((ID, "WIR009"),),
        FOLDING,
    ),
    Attack(
        "method behind a NUL in its key",
        "readers in C end the key at the NUL",
        lambda target: frame(b"7", b'"ping","method\\u0000":"tools/call"', target.forbidden_params),
        ((ID, "WIR009"),),
    ),
    Attack(
        "__proto__ in params",
        "careless JavaScript merges it into the object",
        lambda target: frame(b"7", b'"tools/call"', b'{"__proto__":' + target.forbidden_params + b"}"),
        ((ID, "WIR013"),),
    ),
)
