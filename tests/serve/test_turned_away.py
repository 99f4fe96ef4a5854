"""Requests that are turned away at the door: said and recorded within bounds, and nothing learned by trying."""

import json

import pytest
from serve_play import Desk, call

from callgate.audit.record import EventRecord
from callgate.auth.challenge import Challenges, Denied
from callgate.config.model import AuthConfig
from callgate.http1.contract import Head
from callgate.principal import Principal
from callgate.serve.turned_away import MOST

HOST = (b"host", b"localhost")


class RefusesAll:
    """Authentication that lets nobody in."""

    def identify(self, head: Head) -> Principal:
        raise Challenges(AuthConfig()).refusal(Denied("AUTH003", "the API key is not valid"), head.path)


def closed_desk() -> Desk:
    desk = Desk()
    desk.front.authenticator = RefusesAll()
    return desk


def recorded(desk: Desk) -> list[tuple[str | None, str | None]]:
    desk.clock.advance(0.01)
    desk.loop.run()
    events = [record for record in desk.audit.records if isinstance(record, EventRecord)]
    return [(event.code, event.server) for event in events if event.event == "request_refused"]


def test_a_bad_credential_is_logged_recorded_and_counted_by_its_code_and_never_shown() -> None:
    desk = closed_desk()
    asked = desk.post(call("echo"), authorization="Bearer cg_hunter2")
    assert asked.status == 401
    (line,) = desk.logged
    assert line == "turned away 127.0.0.1 at `/srv/mcp`: the API key is not valid [AUTH003]"
    assert recorded(desk) == [("AUTH003", "srv")]
    assert desk.observer.notes == [("refused", "srv", "AUTH003")]
    assert "hunter2" not in str(desk.audit.records) + line


def test_a_foreign_host_is_logged_as_well() -> None:
    desk = Desk()
    assert desk.send_items("POST", [(b"host", b"evil.example")]).status == 421
    assert recorded(desk) == [("AUTH020", "srv")]
    assert "[AUTH020]" in desk.logged[0]


def test_a_flood_fills_neither_the_log_nor_the_audit_and_is_told_as_a_count() -> None:
    desk = closed_desk()
    for _ in range(MOST + 500):
        desk.post(call("echo"))
    assert len(desk.logged) == MOST
    desk.front.turned_away.tick()
    assert len(desk.logged) == MOST
    desk.clock.advance(60)
    desk.front.turned_away.tick()
    assert desk.logged[-1] == "turned away 500 more requests within a minute: 500 with AUTH003"
    assert recorded(desk) == [*[("AUTH003", "srv")] * MOST, (None, "callgate")]
    assert len([note for note in desk.observer.notes if note[0] == "refused"]) == MOST + 500
    desk.post(call("echo"))
    assert len(desk.logged) == MOST + 2, "a new minute begins"


@pytest.mark.parametrize("method", ["POST", "GET", "DELETE", "OPTIONS", "PUT"])
def test_who_is_not_let_in_cannot_tell_a_server_from_a_path_that_is_none(method: str) -> None:
    desk = closed_desk()
    found, missing = (desk.send_items(method, [HOST], path=path) for path in ("/srv/mcp", "/nope/mcp"))
    assert (found.status, found.body, found.headers) == (missing.status, missing.body, missing.headers)
    assert found.status != 404


def test_whoever_is_let_in_is_told_with_a_code_that_there_is_nothing() -> None:
    asked = Desk().send_items("POST", [HOST], path="/nope/mcp")
    assert asked.status == 404
    assert json.loads(asked.body)["code"] == "HTTP020"


def test_metadata_that_is_not_there_is_not_found_also_without_a_credential() -> None:
    asked = closed_desk().send_items("GET", [HOST], path="/.well-known/oauth-authorization-server")
    assert asked.status == 404
