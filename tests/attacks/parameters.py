"""Params, arguments and `_meta` in forms that lenient servers take."""

from tests.attacks.attack import EVERYWHERE, ID, Attack, frame, of

_FORM = "lenient servers unpack it, and a policy about arguments has nothing to look at"
_META = "what a frame says of its era must not change how it is judged"
_VERSION = b'"io.modelcontextprotocol/protocolVersion"'

PARAMETERS: tuple[Attack, ...] = (
    *(
        Attack(
            f"params are {spelling.decode()}",
            _FORM,
            of(lambda _, s: frame(b"7", b'"tools/call"', s), spelling),
            ((ID, "WIR012"),),
        )
        for spelling in (b'["rm",{}]', b"null", b'"rm"', b"0", b"true")
    ),
    Attack(
        "no params", _FORM, lambda _: b'{"jsonrpc":"2.0","id":7,"method":"tools/call"}', ((ID, "WIR013"),)
    ),
    *(
        Attack(
            f"arguments are {spelling.decode()}",
            _FORM,
            of(
                lambda t, s: frame(
                    b"7", b'"tools/call"', b'{"name":"%b","arguments":%b}' % (t.allowed_tool.encode(), s)
                ),
                spelling,
            ),
            ((ID, "WIR013"),),
        )
        for spelling in (b'"{}"', b"[]", b'[{"text":"x"}]', b"0", b"false")
    ),
    Attack(
        "forbidden, arguments null",
        _FORM,
        lambda t: t.forbidden(params=b'{"name":"%b","arguments":null}' % t.forbidden_tool.encode()),
        ((ID, "DEN011"),),
        EVERYWHERE,
    ),
    *(
        Attack(
            f"_meta {label}",
            _META,
            of(lambda t, s: t.with_member(b'"_meta":' + s), spelling),
            ((ID, "DEN011"),),
            EVERYWHERE,
        )
        for label, spelling in (
            ("null", b"null"),
            ("an array", b"[]"),
            ("claims the modern era", b"{" + _VERSION + b':"2026-07-28"}'),
            ("claims an era to come", b"{" + _VERSION + b':"9999-01-01"}'),
            ("has a version that is no string", b"{" + _VERSION + b":[1]}"),
            ("has no version but capabilities", b'{"io.modelcontextprotocol/clientCapabilities":{}}'),
            ("has a progress token of every type", b'{"progressToken":{"a":[null,true]}}'),
            ("names another tool", b'{"name":"echo","tool":"echo","method":"ping"}'),
        )
    ),
    Attack(
        "a call as a task",
        "it runs later and is asked about under another method",
        lambda t: t.with_member(b'"task":{"ttl":60000}'),
        ((ID, "DEN011"),),
        EVERYWHERE,
    ),
    Attack(
        "the retry of a multi-round trip that never began",
        "every retry is judged again",
        lambda t: t.with_member(b'"requestState":"x","inputResponses":{}'),
        ((ID, "DEN011"),),
        EVERYWHERE,
    ),
    Attack(
        "a second name under tool and toolname",
        "servers of other protocols read those",
        lambda t: t.allowed().replace(
            b'"name":', b'"tool":"%b","toolname":"%b","name":' % ((t.forbidden_tool.encode(),) * 2), 1
        ),
        ((ID, "result"),),
        passes=lambda t: ({**t.allowed_params, "tool": t.forbidden_tool, "toolname": t.forbidden_tool},),
    ),
)
