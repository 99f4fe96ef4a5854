"""Keys, tokens, requests and key servers for the tests of authentication. All made here, nothing fixed."""

import base64
import json
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import cache
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import jwt
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from jwt.algorithms import ECAlgorithm, OKPAlgorithm, RSAAlgorithm

from callgate.auth.authenticator import Authenticator
from callgate.clock import ManualClock
from callgate.config.model import AuthConfig, JwtConfig
from callgate.http1.contract import Head, Headers, HttpRefusal

ISSUER = "https://idp.example.com"
AUDIENCE = "https://gate.example.com"
NOW = 1_790_000_000
"""What ManualClock begins with."""


@cache
def _made(kind: str, number: int, bits: int) -> Any:
    if kind == "RSA":
        return rsa.generate_private_key(65537, bits)
    return ec.generate_private_key(ec.SECP256R1()) if kind == "EC" else ed25519.Ed25519PrivateKey.generate()


def rsa_key(number: int = 0, bits: int = 2048) -> rsa.RSAPrivateKey:
    """A key for each number, the same whenever it is asked for."""
    made: rsa.RSAPrivateKey = _made("RSA", number, bits)
    return made


def private_key(algorithm: str, number: int = 0) -> Any:
    """A private key that can sign with `algorithm`."""
    return _made({"EdDSA": "OKP", "ES256": "EC"}.get(algorithm, "RSA"), number, 2048)


def public_jwk(key: Any, kid: str | None, **more: Any) -> dict[str, Any]:
    """The public half of a private key as it stands in a key set."""
    kind: Any = OKPAlgorithm
    if isinstance(key, rsa.RSAPrivateKey):
        kind = RSAAlgorithm
    elif isinstance(key, ec.EllipticCurvePrivateKey):
        kind = ECAlgorithm
    entry: dict[str, Any] = kind.to_jwk(key.public_key(), as_dict=True)
    entry.pop("key_ops", None)
    return entry | ({"kid": kid} if kid is not None else {}) | more


def key_set(*entries: dict[str, Any]) -> bytes:
    return json.dumps({"keys": entries}).encode()


STANDARD_KEYS = ("RS256", "ES256", "EdDSA")


def standard_set() -> bytes:
    """A set with one key for each of the algorithms that are accepted by default; the kid is the algorithm."""
    return key_set(*(public_jwk(private_key(each), each) for each in STANDARD_KEYS))


def claims(**changes: Any) -> dict[str, Any]:
    """Good claims, with changes; a change to ... leaves the claim out."""
    good = {"iss": ISSUER, "aud": AUDIENCE, "sub": "alice", "exp": NOW + 600, "iat": NOW - 10}
    return {name: value for name, value in (good | changes).items() if value is not ...}


def signed(
    algorithm: str = "EdDSA", header: dict[str, Any] | None = None, number: int = 0, **changes: Any
) -> str:
    """A token signed by the issuer."""
    head = {"alg": algorithm, "typ": "JWT", "kid": algorithm} | (header or {})
    return signed_raw(json.dumps(head), json.dumps(claims(**changes)), algorithm, number)


def b64(data: bytes | str) -> str:
    """Base64url without padding."""
    raw = data.encode() if isinstance(data, str) else data
    return base64.urlsafe_b64encode(raw).rstrip(b"=").decode()


def signed_raw(header: bytes | str, payload: bytes | str, algorithm: str = "EdDSA", number: int = 0) -> str:
    """A token with exactly these bytes, with a signature that is right for them."""
    message = f"{b64(header)}.{b64(payload)}"
    signature = jwt.get_algorithm_by_name(algorithm).sign(message.encode(), private_key(algorithm, number))
    return f"{message}.{b64(signature)}"


def request(*headers: tuple[str, str | bytes], path: str = "/git/mcp", method: str = "POST") -> Head:
    """The head of a request with these headers, as a connection hands it over."""
    items = [(k.lower().encode(), v if isinstance(v, bytes) else v.encode("latin-1")) for k, v in headers]
    return Head(method, path, "", Headers(items), "127.0.0.1")


def bearing(token: str, path: str = "/git/mcp") -> Head:
    return request(("Authorization", f"Bearer {token}"), path=path)


def refusal(call: Callable[[], Any]) -> HttpRefusal:
    """What `call` is refused with."""
    try:
        result = call()
    except HttpRefusal as refused:
        return refused
    raise AssertionError(f"let in: {result!r}")


def code_of(refused: HttpRefusal) -> str:
    code: str = json.loads(refused.body)["code"]
    return code


def header_of(refused: HttpRefusal, name: bytes) -> str:
    return Headers(refused.headers).get(name).decode()  # type: ignore[union-attr]


def jwt_config(jwks: str | Path, **changes: Any) -> JwtConfig:
    return JwtConfig(**{"issuer": ISSUER, "audience": AUDIENCE, "jwks": str(jwks)} | changes)


def authenticator(
    folder: Path, document: bytes | None = None, *, resource: str | None = None, **changes: Any
) -> Authenticator:
    """One that accepts tokens signed by the keys of `document` (default: the standard set), at time NOW."""
    file = folder / "jwks.json"
    file.write_bytes(standard_set() if document is None else document)
    return Authenticator(
        AuthConfig(jwt=(jwt_config(file, **changes),), resource=resource), clock=ManualClock()
    )


class KeyServer(ThreadingHTTPServer):
    """Answers every GET with what `answer` says, and counts them. `released` lets waiting answers go on."""

    daemon_threads = True
    answer: Callable[[BaseHTTPRequestHandler], None]

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Answering)
        self.requests: list[str] = []
        self.released = threading.Event()
        self.serve_document(standard_set())

    def url(self, scheme: str = "http", host: str = "127.0.0.1") -> str:
        return f"{scheme}://{host}:{self.server_address[1]}/jwks?x=1"

    def serve_document(self, document: bytes, status: int = 200) -> None:
        def answer(handler: BaseHTTPRequestHandler) -> None:
            handler.send_response(status)
            handler.send_header("Content-Length", str(len(document)))
            handler.end_headers()
            handler.wfile.write(document)

        self.answer = answer

    def serve_raw(self, *pieces: bytes, then_wait: bool = False) -> None:
        """Write these bytes, whatever they are, and close, at once or only when `released`."""

        def answer(handler: BaseHTTPRequestHandler) -> None:
            for piece in pieces:
                handler.wfile.write(piece)
            if then_wait:
                self.released.wait(30)

        self.answer = answer

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A client that gives up is what the tests are about."""


class _Answering(BaseHTTPRequestHandler):
    server: KeyServer

    def do_GET(self) -> None:
        self.server.requests.append(self.path)
        self.server.answer(self)

    def log_message(self, format: str, *args: Any) -> None:
        pass


@contextmanager
def running(server: KeyServer) -> Iterator[KeyServer]:
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    try:
        yield server
    finally:
        server.released.set()
        server.shutdown()
        thread.join()
        server.server_close()
