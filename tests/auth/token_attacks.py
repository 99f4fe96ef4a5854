"""Ways to get in with a token that nobody issued, as data: name → (token, the code that refuses it).

Each would be let in by some reader that believes what the token says about itself.
"""

import hashlib
import hmac
import json
from typing import Any

from auth_parts import b64, claims, private_key, public_jwk, signed, signed_raw
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

GOOD_CLAIMS = json.dumps(claims())
GOOD_HEADER = '{"alg":"EdDSA","kid":"EdDSA"}'


def by_header(**header: Any) -> str:
    """A token that is signed right, with this header beside `alg` and `kid`."""
    return signed("EdDSA", header)


def unsigned(alg: Any, signature: str = "") -> str:
    return f"{b64(json.dumps({'alg': alg, 'kid': 'RS256'}))}.{b64(GOOD_CLAIMS)}.{signature}"


def hmac_signed(secret: bytes, alg: str = "HS256", kid: str = "RS256") -> str:
    """Signed with what everybody knows, as if it were a shared secret."""
    message = f"{b64(json.dumps({'alg': alg, 'kid': kid}))}.{b64(GOOD_CLAIMS)}"
    return f"{message}.{b64(hmac.new(secret, message.encode(), hashlib.sha256).digest())}"


def relabelled(alg: str, kid: str, by: str) -> str:
    """Signed by the issuer's key for `by`, but saying it was another."""
    return signed_raw(json.dumps({"alg": alg, "kid": kid}), GOOD_CLAIMS, by)


def own_key() -> dict[str, Any]:
    return public_jwk(private_key("EdDSA", 7), "mine")


def by_own_key(**header: Any) -> str:
    head = json.dumps({"alg": "EdDSA", "kid": "EdDSA"} | header)
    return signed_raw(head, GOOD_CLAIMS, "EdDSA", number=7)


_RSA_PUBLIC = private_key("RS256").public_key()
_PEM = _RSA_PUBLIC.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
_DER = _RSA_PUBLIC.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
_JWK = json.dumps(public_jwk(private_key("RS256"), "RS256")).encode()
_GOOD = signed()
_HEAD, _BODY, _SIGNATURE = _GOOD.split(".")


def _respelled(segment: str) -> str:
    """Another spelling of the same bytes: the unused bits of the last letter are not zero."""
    letters = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"
    return segment[:-1] + letters[letters.index(segment[-1]) ^ 1]


ATTACKS: dict[str, tuple[str, str]] = {
    # the algorithm
    "alg none": (unsigned("none", "AA"), "AUTH006"),
    "alg None": (unsigned("None", "AA"), "AUTH006"),
    "alg NONE": (unsigned("NONE", "AA"), "AUTH006"),
    "alg nOnE": (unsigned("nOnE", "AA"), "AUTH006"),
    "alg none with blank": (unsigned("none ", "AA"), "AUTH006"),
    "alg empty": (unsigned("", "AA"), "AUTH006"),
    "alg null": (unsigned(None, "AA"), "AUTH005"),
    "alg list": (unsigned(["EdDSA", "none"], "AA"), "AUTH005"),
    "alg object": (unsigned({"EdDSA": 1}, "AA"), "AUTH005"),
    "alg zero": (unsigned(0, "AA"), "AUTH005"),
    "no alg": (signed_raw('{"kid":"EdDSA"}', GOOD_CLAIMS), "AUTH005"),
    "alg none without signature": (unsigned("none"), "AUTH005"),
    "good alg without signature": (f"{_HEAD}.{_BODY}.", "AUTH005"),
    "alg in other case": (relabelled("eddsa", "EdDSA", "EdDSA"), "AUTH006"),
    "HS256 with the public key as PEM": (hmac_signed(_PEM), "AUTH006"),
    "HS256 with the public key as DER": (hmac_signed(_DER), "AUTH006"),
    "HS256 with the public key as JWK": (hmac_signed(_JWK), "AUTH006"),
    "HS256 with nothing": (hmac_signed(b""), "AUTH006"),
    "HS384": (hmac_signed(_PEM, "HS384"), "AUTH006"),
    "ES256K": (relabelled("ES256K", "ES256", "ES256"), "AUTH006"),
    "accepted elsewhere, not here": (relabelled("PS256", "RS256", "PS256"), "AUTH006"),
    # keys
    "RSA key for ES256": (relabelled("ES256", "RS256", "RS256"), "AUTH008"),
    "EC key for EdDSA": (relabelled("EdDSA", "ES256", "ES256"), "AUTH008"),
    "EdDSA key for RS256": (relabelled("RS256", "EdDSA", "EdDSA"), "AUTH008"),
    "EdDSA signature under RS256's name": (relabelled("RS256", "RS256", "EdDSA"), "AUTH009"),
    "ES256 signature under EdDSA's name": (relabelled("EdDSA", "EdDSA", "ES256"), "AUTH009"),
    "signature of zeros": (f"{_HEAD}.{_BODY}.{b64(bytes(64))}", "AUTH009"),
    "ECDSA signature of zeros": (
        ".".join((b64(GOOD_HEADER.replace("EdDSA", "ES256")), b64(GOOD_CLAIMS), b64(bytes(64)))),
        "AUTH009",
    ),
    "short signature": (f"{_HEAD}.{_BODY}.{b64(bytes(3))}", "AUTH009"),
    "long signature": (f"{_HEAD}.{_BODY}.{b64(bytes(700))}", "AUTH009"),
    "own key": (by_own_key(), "AUTH009"),
    "own key under jwk": (by_own_key(jwk=own_key()), "AUTH009"),
    "own key under jku": (by_own_key(jku="https://evil.example.com/jwks"), "AUTH009"),
    "own key under x5u": (by_own_key(x5u="https://evil.example.com/cert"), "AUTH009"),
    "own key under x5c": (by_own_key(x5c=[b64(b"cert")]), "AUTH009"),
    "own key under jwk, own kid": (by_own_key(jwk=own_key(), kid="mine"), "AUTH008"),
    "own key under jku, own kid": (by_own_key(jku="http://127.0.0.1/jwks", kid="mine"), "AUTH008"),
    # kid
    "kid path": (by_own_key(kid="../../../../dev/null"), "AUTH008"),
    "kid file": (by_own_key(kid="file:///dev/null"), "AUTH008"),
    "kid URL": (by_own_key(kid="http://127.0.0.1:1/key"), "AUTH008"),
    "kid SQL": (by_own_key(kid="x' UNION SELECT 'AA"), "AUTH008"),
    "kid command": (by_own_key(kid="/x|id"), "AUTH008"),
    "kid empty": (by_own_key(kid=""), "AUTH008"),
    "kid NUL": (by_own_key(kid="EdDSA\x00"), "AUTH008"),
    "kid CRLF": (by_own_key(kid="a\r\nX-Evil: 1"), "AUTH008"),
    "kid other case": (by_own_key(kid="eddsa"), "AUTH008"),
    "kid number": (by_header(kid=0), "AUTH005"),
    "kid list": (by_header(kid=["EdDSA"]), "AUTH005"),
    "kid object": (by_header(kid={}), "AUTH005"),
    "kid long": (by_own_key(kid="k" * 257), "AUTH005"),
    # header
    "crit": (by_header(crit=["exp"]), "AUTH005"),
    "crit empty": (by_header(crit=[]), "AUTH005"),
    "crit unknown": (by_header(crit=["x"], x=1), "AUTH005"),
    "b64 false": (by_header(b64=False, crit=["b64"]), "AUTH005"),
    "b64 true": (by_header(b64=True), "AUTH005"),
    "enc": (by_header(enc="A256GCM"), "AUTH005"),
    "zip": (by_header(zip="DEF"), "AUTH005"),
    "typ logout": (by_header(typ="logout+jwt"), "AUTH005"),
    "typ dpop": (by_header(typ="dpop+jwt"), "AUTH005"),
    "typ event": (by_header(typ="secevent+jwt"), "AUTH005"),
    "typ number": (by_header(typ=1), "AUTH005"),
    "typ null": (by_header(typ=None), "AUTH005"),
    "alg twice": (signed_raw('{"alg":"none","alg":"EdDSA","kid":"EdDSA"}', GOOD_CLAIMS), "AUTH005"),
    "alg twice by an escape": (
        signed_raw('{"\\u0061lg":"none","alg":"EdDSA","kid":"EdDSA"}', GOOD_CLAIMS),
        "AUTH005",
    ),
    "kid twice": (signed_raw('{"alg":"EdDSA","kid":"x","kid":"EdDSA"}', GOOD_CLAIMS), "AUTH005"),
    "header list": (signed_raw("[]", GOOD_CLAIMS), "AUTH005"),
    "header text": (signed_raw('"EdDSA"', GOOD_CLAIMS), "AUTH005"),
    "header empty": (signed_raw(" ", GOOD_CLAIMS), "AUTH005"),
    "header not UTF-8": (signed_raw(b'{"alg":"EdDSA","x":"\xff"}', GOOD_CLAIMS), "AUTH005"),
    "header UTF-16": (signed_raw(GOOD_HEADER.encode("utf-16"), GOOD_CLAIMS), "AUTH005"),
    "header BOM": (signed_raw("\ufeff" + GOOD_HEADER, GOOD_CLAIMS), "AUTH005"),
    # claims
    "aud twice": (
        signed_raw(GOOD_HEADER, GOOD_CLAIMS.replace('"sub"', '"aud":"https://x","sub"')),
        "AUTH005",
    ),
    "sub twice": (signed_raw(GOOD_HEADER, GOOD_CLAIMS.replace('"sub"', '"sub":"root","sub"')), "AUTH005"),
    "a claim twice inside": (signed_raw(GOOD_HEADER, GOOD_CLAIMS[:-1] + ',"x":{"a":1,"a":2}}'), "AUTH005"),
    "exp NaN": (signed_raw(GOOD_HEADER, GOOD_CLAIMS[:-1].replace('"exp"', '"e"') + ',"exp":NaN}'), "AUTH005"),
    "exp Infinity": (
        signed_raw(GOOD_HEADER, GOOD_CLAIMS.replace('"exp"', '"e"')[:-1] + ',"exp":Infinity}'),
        "AUTH005",
    ),
    "exp 1e999": (
        signed_raw(GOOD_HEADER, GOOD_CLAIMS.replace('"exp"', '"e"')[:-1] + ',"exp":1e999}'),
        "AUTH010",
    ),
    "exp 1e9999": (
        signed_raw(GOOD_HEADER, GOOD_CLAIMS.replace('"exp"', '"e"')[:-1] + ',"exp":1e9999}'),
        "AUTH005",
    ),
    "exp endless": (
        signed_raw(GOOD_HEADER, GOOD_CLAIMS.replace('"exp"', '"e"')[:-1] + f',"exp":{"9" * 5000}}}'),
        "AUTH005",
    ),
    "lone surrogate": (signed_raw(GOOD_HEADER, GOOD_CLAIMS[:-1] + ',"x":"\\ud800"}'), "AUTH005"),
    "lone surrogate as a key": (signed_raw(GOOD_HEADER, GOOD_CLAIMS[:-1] + ',"\\udfff":1}'), "AUTH005"),
    "lone surrogate deep inside": (
        signed_raw(GOOD_HEADER, GOOD_CLAIMS[:-1] + ',"x":[[{"y":["\\udfff"]}]]}'),
        "AUTH005",
    ),
    "deep": (signed_raw(GOOD_HEADER, GOOD_CLAIMS[:-1] + f',"x":{"[" * 9}{"]" * 9}}}'), "AUTH005"),
    "very deep": (signed_raw(GOOD_HEADER, GOOD_CLAIMS[:-1] + f',"x":{"[" * 2500}{"]" * 2500}}}'), "AUTH005"),
    "comment": (signed_raw(GOOD_HEADER, GOOD_CLAIMS + "//"), "AUTH005"),
    "two documents": (signed_raw(GOOD_HEADER, GOOD_CLAIMS + GOOD_CLAIMS), "AUTH005"),
    "claims list": (signed_raw(GOOD_HEADER, f"[{GOOD_CLAIMS}]"), "AUTH005"),
    "a token inside a token": (signed_raw(GOOD_HEADER, _GOOD), "AUTH005"),
    # the form
    "one part": (_HEAD, "AUTH005"),
    "two parts": (f"{_HEAD}.{_BODY}", "AUTH005"),
    "four parts": (f"{_GOOD}.AA", "AUTH005"),
    "five parts, as encrypted ones": (f"{_HEAD}.AA.AA.AA.AA", "AUTH005"),
    "no header": (f".{_BODY}.{_SIGNATURE}", "AUTH005"),
    "no claims": (f"{_HEAD}..{_SIGNATURE}", "AUTH005"),
    "dots": ("..", "AUTH005"),
    "padding": (f"{_GOOD}==", "AUTH005"),
    "plain base64": (f"{_HEAD}.{_BODY}.{'+/' * 43}", "AUTH005"),
    "another spelling of the signature": (f"{_HEAD}.{_BODY}.{_respelled(_SIGNATURE)}", "AUTH005"),
    "another spelling of one letter": (f"{_HEAD}.{_BODY}.A", "AUTH005"),
    # the header of the request
    "huge": (f"{_HEAD}.{b64(bytes(9000))}.{_SIGNATURE}", "AUTH002"),
    "two tokens": (f"{_GOOD} {_GOOD}", "AUTH002"),
    "quoted": (f'"{_GOOD}"', "AUTH002"),
    "two in one": (f"{_GOOD},{_GOOD}", "AUTH002"),
    "nothing": ("", "AUTH002"),
    "tab": (f"\t{_GOOD}", "AUTH002"),
    "NUL at the end": (f"{_GOOD}\0", "AUTH002"),
    "not ASCII": (f"{_GOOD}\xe9", "AUTH002"),
    "a refresh token": ("0123456789abcdef", "AUTH005"),
}
