"""Frames that are not one JSON-RPC request, and still make some server run a tool."""

from tests.attacks.attack import EVERYWHERE, ID, Attack, frame, of

_BATCH = "2025-03-26 had batches; a gate that looks at objects alone overlooks what is in an array"
_VERSION = "lenient servers do not look at it"
_BOTH = "a response for one reader, a request for the other"

ENVELOPES: tuple[Attack, ...] = (
    Attack("a batch of one", _BATCH, lambda t: b"[" + t.forbidden() + b"]", ((None, "WIR003"),), EVERYWHERE),
    Attack(
        "a batch of an allowed and a forbidden call",
        _BATCH,
        lambda t: b"[" + t.allowed(b"1") + b"," + t.forbidden() + b"]",
        ((None, "WIR003"),),
        EVERYWHERE,
    ),
    Attack(
        "a nested batch", _BATCH, lambda t: b"[[" + t.forbidden() + b"]]", ((None, "WIR003"),), EVERYWHERE
    ),
    Attack(
        "a batch with white space",
        _BATCH,
        lambda t: b" \t[ " + t.forbidden() + b" ] ",
        ((None, "WIR003"),),
        EVERYWHERE,
    ),
    Attack("an empty batch", _BATCH, lambda _: b"[]", ((None, "WIR003"),)),
    Attack("a bare number", "no object", lambda _: b"7", ((None, "WIR003"),)),
    Attack("a bare string", "no object", lambda _: b'"tools/call"', ((None, "WIR003"),)),
    Attack("a bare null", "no object", lambda _: b"null", ((None, "WIR003"),)),
    Attack("an empty object", "neither request nor response", lambda _: b"{}", ((None, "WIR009"),)),
    Attack(
        "a call as a notification",
        "servers run it although nobody waits for an answer",
        lambda t: t.forbidden().replace(b'"id":7,', b""),
        ((None, "WIR014"),),
        EVERYWHERE,
    ),
    Attack(
        "an allowed call as a notification",
        "it would be counted by no limit that waits for an answer, and cannot be told why it is refused",
        lambda t: t.allowed().replace(b'"id":7,', b""),
        ((None, "WIR014"),),
    ),
    Attack(
        "a call with a result",
        _BOTH,
        lambda t: t.forbidden()[:-1] + b',"result":{}}',
        ((ID, "WIR009"),),
        EVERYWHERE,
    ),
    Attack(
        "a call with an error",
        _BOTH,
        lambda t: t.forbidden()[:-1] + b',"error":{"code":1,"message":""}}',
        ((ID, "WIR009"),),
        EVERYWHERE,
    ),
    Attack(
        "a result before the method",
        _BOTH,
        lambda t: b'{"result":null,' + t.forbidden()[1:],
        ((ID, "WIR009"),),
        EVERYWHERE,
    ),
    Attack(
        "a response that holds a call",
        "a server that unwraps results",
        lambda t: b'{"jsonrpc":"2.0","id":7,"result":' + t.forbidden() + b"}",
        (),
    ),
    Attack(
        "a request in a request",
        "a server that unwraps params",
        lambda t: frame(b"7", b'"ping"', t.forbidden()),
        ((ID, "result"),),
    ),
    *(
        Attack(
            f"jsonrpc is {label}",
            _VERSION,
            of(lambda t, spelling: t.forbidden().replace(b'"jsonrpc":"2.0",', spelling), spelling),
            ((ID, "WIR009"),),
            EVERYWHERE,
        )
        for label, spelling in (
            ("missing", b""),
            ("1.0", b'"jsonrpc":"1.0",'),
            ("a number", b'"jsonrpc":2.0,'),
            ("null", b'"jsonrpc":null,'),
            ("padded", b'"jsonrpc":"2.0 ",'),
        )
    ),
    Attack(
        "one member too many",
        "an extension the gate does not know may change what the frame means",
        lambda t: t.forbidden()[:-1] + b',"session":"x"}',
        ((ID, "WIR009"),),
        EVERYWHERE,
    ),
    Attack(
        "the method in an array",
        "JavaScript turns it into the same string",
        lambda t: frame(b"7", b'["tools/call"]', t.forbidden_params),
        ((ID, "WIR011"),),
    ),
    Attack(
        "two frames without a newline",
        "streaming parsers read both",
        lambda t: t.allowed(b"1") + t.forbidden(),
        ((None, "WIR001"),),
    ),
    Attack(
        "half a frame",
        "what is missing may come later, from somebody else",
        lambda t: t.forbidden()[:-5],
        ((None, "WIR001"),),
    ),
    Attack(
        "one bracket too many",
        "lenient parsers stop at the end of the value",
        lambda t: t.forbidden() + b"}",
        ((None, "WIR001"),),
    ),
    Attack(
        "a trailing comma",
        "lenient parsers accept it",
        lambda t: t.forbidden()[:-1] + b",}",
        ((None, "WIR001"),),
    ),
    Attack(
        "single quotes",
        "lenient parsers accept them",
        lambda t: t.forbidden().replace(b'"', b"'"),
        ((None, "WIR001"),),
    ),
)
