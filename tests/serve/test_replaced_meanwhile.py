"""What is replaced while a request or a stream is under way holds for the rest of it."""

from typing import Any

from serve_play import LEGACY_VERSION, Client, Desk, call, headers_for, line, plain

from callgate.config.model import ServerConfig
from callgate.http1.contract import Head, Headers, HttpRefusal
from callgate.principal import Principal
from callgate.serve.revoking import AT_ONCE, Revoking
from callgate.serve.shared import Guarded

FRAME = call("echo", {"text": "x" * 50})


def begun(desk: Desk, who: str = "ann") -> Head:
    """A call whose head was let in and whose body has not come."""
    items = [(name.encode(), value.encode()) for name, value in headers_for(FRAME).items() if value]
    head = Head(
        "POST", "/srv/mcp", "", Headers([(b"host", b"localhost"), (b"x-who", who.encode()), *items]), "::1"
    )
    desk.front.head(head)
    return head


def completed(desk: Desk, head: Head) -> Client:
    client = Client(desk.loop)
    desk.front.handle(head, line(FRAME), client)
    desk.loop.run()
    return client


def other(desk: Desk, policy: Any = None, **config: Any) -> Guarded:
    """Another server of the same name and path."""
    old = desk.guarded
    made = ServerConfig(name="srv", policy="p.yaml", url="http://127.0.0.1:1/mcp", **config)
    return Guarded(made, policy or old.policy, desk.server, desk.clock, desk.loop, "b29e7f3c")  # type: ignore[arg-type]


class Revokes:
    """Authentication that lets in whoever it did not hear a bad word of."""

    def __init__(self) -> None:
        self.bad: dict[str, int] = {}
        self.expires_at: float | None = None

    def identify(self, head: Head) -> Principal:
        who = (head.headers.get(b"x-who") or b"").decode()
        if who in self.bad:
            raise HttpRefusal(self.bad[who])
        return Principal(f"key:{who}", True, {}, self.expires_at)


def test_a_credential_that_was_revoked_before_the_body_was_whole_lets_nobody_in() -> None:
    desk = Desk()
    desk.front.authenticator = authentication = Revokes()
    ann, bob = begun(desk, "ann"), begun(desk, "bob")
    authentication.bad["ann"] = 401
    desk.front.turn += 1
    assert completed(desk, ann).status == 401
    assert desk.server.taken() == []
    completed(desk, bob)
    assert len(desk.server.taken()) == 1


def test_a_credential_that_ended_before_the_body_was_whole_is_asked_for_again() -> None:
    desk = Desk()
    desk.front.authenticator = authentication = Revokes()
    authentication.expires_at = desk.clock.wall_ns() / 1e9 + 5
    early, late = begun(desk), begun(desk)
    desk.pass_time(4)
    completed(desk, early)
    assert len(desk.server.taken()) == 1
    desk.pass_time(2)
    authentication.bad["ann"] = 401
    assert completed(desk, late).status == 401
    assert desk.server.taken() == []


def test_a_call_whose_body_comes_after_the_server_was_replaced_is_for_the_new_one() -> None:
    desk, strict = Desk(), Desk("default: deny\n")
    head = begun(desk)
    desk.front.servers = {"/srv/mcp": other(desk, strict.guarded.policy)}
    desk.front.turn += 1
    assert completed(desk, head).frame["result"]["isError"]
    assert desk.records() == ["deny echo DEN011", "denied echo"]
    assert desk.server.taken() == []


def test_a_call_whose_body_comes_after_the_server_is_gone_or_takes_less_is_refused() -> None:
    desk = Desk()
    gone, long = begun(desk), begun(desk)
    desk.front.servers = {}
    desk.front.turn += 1
    assert completed(desk, gone).status == 404
    desk.front.servers = {"/srv/mcp": other(desk, max_request=len(line(FRAME)) - 1)}
    desk.front.turn += 1
    assert completed(desk, long).status == 413
    assert desk.server.taken() == []


def test_streams_of_revoked_callers_end_and_all_others_go_on() -> None:
    desk = Desk()
    desk.front.authenticator = authentication = Revokes()
    revoking = Revoking(desk.loop, desk.shared.streams, authentication.identify)
    names = [f"who-{number}" for number in range(2 * AT_ONCE + 1)]
    clients = {}
    for name in names:
        clients[name] = desk.get(who=name)
        desk.server.one().streams()
    posted = desk.post(FRAME, "posts", mcp_protocol_version=LEGACY_VERSION)
    sent = desk.server.one().streams()
    authentication.bad = {names[0]: 401, names[-1]: 403, "posts": 401}
    revoking.begin()
    desk.loop.run()
    assert [name for name in names if not clients[name].open] == [names[0], names[-1]]
    assert not posted.open
    # What was let through is settled all the same.
    sent.event(plain())
    assert desk.records() == ["allow echo", "ok echo"]


def test_a_stream_goes_on_while_its_credential_cannot_be_verified_and_is_looked_at_again() -> None:
    desk = Desk()
    desk.front.authenticator = authentication = Revokes()
    revoking = Revoking(desk.loop, desk.shared.streams, authentication.identify)
    client = desk.get(who="ann")
    desk.server.one().streams()
    authentication.bad["ann"] = 503
    revoking.begin()
    desk.loop.run()
    assert client.open
    authentication.bad["ann"] = 401
    revoking.tick()
    desk.loop.run()
    assert not client.open
