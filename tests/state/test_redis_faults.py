"""A Redis that fails denies, says which failure it is, and is used again by itself when the cause is gone."""

import os
import threading
import time
from pathlib import Path

import pytest
from redis_ledgers import CALLS, Opened, failure, mended, new_server, opened_ledgers, spent
from redis_servers import RedisServer, free_port, wait_until
from state_stores import DAY, admitted, charge, limit, refused

from callgate.errors import StateError

server = pytest.fixture(new_server)
opened = pytest.fixture(opened_ledgers)


def test_a_stopped_server_costs_one_time_out_and_then_nothing(server: RedisServer, opened: Opened) -> None:
    ledger = opened(server.url(timeout=0.3))
    admitted(ledger, charge(CALLS))
    server.freeze()
    began = time.monotonic()
    assert failure(ledger).code == "STA021"
    first = time.monotonic()
    for _ in range(200):
        assert failure(ledger).code == "STA021"
    assert first - began >= 0.29
    assert (time.monotonic() - first) / 200 < 0.03
    ledger.settle("0" * 32, spent=True)
    server.thaw()
    mended(ledger)
    admitted(ledger, charge(CALLS))


def test_a_call_that_its_gate_no_longer_waits_for_changes_nothing_when_it_is_carried_out(
    server: RedisServer, opened: Opened
) -> None:
    ledger, other = opened(server.url(timeout=0.1)), opened(server.url())
    ledger.open()
    server.freeze()
    assert failure(ledger).code == "STA021"
    # Beyond the time the gate would wait, with its allowance for sending.
    waited_from = time.monotonic()
    wait_until(lambda: time.monotonic() - waited_from > 0.3, "the call is too old")
    server.thaw()
    mended(ledger)
    assert spent(other) == 0


def test_slow_answers_within_the_time_out_are_answers(server: RedisServer, opened: Opened) -> None:
    ledger = opened(server.url())
    admitted(ledger, charge(CALLS))
    server.run("CLIENT", "PAUSE", 150, "WRITE")
    admitted(ledger, charge(CALLS))
    assert spent(ledger) == 2


def test_a_connection_that_ends_between_calls_is_replaced_unnoticed(
    server: RedisServer, opened: Opened
) -> None:
    ledger = opened(server.url())
    admitted(ledger, charge(CALLS))
    server.run("CLIENT", "KILL", "TYPE", "normal", "SKIPME", "yes")
    admitted(ledger, charge(CALLS))
    server.run("SCRIPT", "FLUSH")
    admitted(ledger, charge(CALLS))
    assert spent(ledger) == 3


def test_a_connection_that_ends_in_mid_call_leaves_it_denied_and_never_sends_it_again(
    server: RedisServer, opened: Opened
) -> None:
    ledger = opened(server.url())
    admitted(ledger, charge(CALLS))
    server.freeze()
    killing = threading.Timer(0.1, server.kill)
    killing.start()
    assert failure(ledger).code == "STA020"
    killing.join()
    server.start()
    mended(ledger)
    assert failure(ledger).code == "STA026"


def test_passwords_are_taken_from_anywhere_and_shown_nowhere(opened: Opened, tmp_path: Path) -> None:
    server = RedisServer("--requirepass", "s3cret pass").start()
    path = tmp_path / "password"
    path.write_text("s3cret pass\n")
    os.environ["CALLGATE_TEST_PASSWORD"] = "s3cret pass"  # noqa: S105
    for login, query in (
        (":s3cret%20pass@", ""),
        ("", f"&password_file={path}"),
        ("", "&password_env=CALLGATE_TEST_PASSWORD"),
        ("default@", f"&password_file={path}"),
    ):
        admitted(opened(f"unix://{login}{server.socket}?timeout=20{query}"), charge(CALLS))
    del os.environ["CALLGATE_TEST_PASSWORD"]
    for login in ("", ":wr0ng@", "someone:wr0ng@"):
        ledger = opened(f"unix://{login}{server.socket}?timeout=20")
        error = failure(ledger)
        assert error.code == "STA022"
        assert "wr0ng" not in f"{error.message} {error.help} {ledger._script.address!r}"
    server.remove()


def test_a_user_may_be_held_to_what_the_documentation_lists(server: RedisServer, opened: Opened) -> None:
    rights = "+evalsha +script|load +unlink +ping +select +time +info +wait +@string +@list +@sortedset +del +pexpire"
    server.run("ACL", "SETUSER", "gate", "on", ">pw", "~{callgate}:*", *rights.split())
    ledger = opened(f"unix://gate:pw@{server.socket}?timeout=20&db=0")
    ledger.open()
    name = admitted(ledger, charge(CALLS), charge(limit(5, DAY, id="today")))
    refused(ledger, charge(CALLS, 100))
    ledger.settle(name, spent=False)
    ledger.settle(admitted(ledger, charge(CALLS)), spent=True)
    assert spent(ledger) == 1
    server.run("ACL", "SETUSER", "gate", "-evalsha")
    assert failure(ledger).code == "STA022"


@pytest.mark.parametrize("name", ["clock", "b:*", "c:calls|", "e:calls|", "i:calls", "all"])
def test_keys_of_another_program_deny(server: RedisServer, opened: Opened, name: str) -> None:
    ledger = opened(server.url("after_loss=continue"))
    admitted(ledger, charge(CALLS))
    found = server.run("KEYS", f"{{callgate}}:{name}")
    assert isinstance(found, list)
    (key,) = found
    server.run("DEL", key)
    server.run("HSET", key, "of", "another")
    other = "other" if name in ("i:calls", "all") else ""
    with pytest.raises(StateError) as caught:
        ledger.reserve([charge(CALLS, key=other)])
    assert caught.value.code == "STA025"


@pytest.mark.parametrize(
    ("command", "code"),
    [
        (("SET", "c:calls|", "many"), "STA025"),
        (("SET", "c:calls|", "x" * 40), "STA025"),
        (("SETRANGE", "c:calls|", 32, "600000"), "STA025"),
        (("SETRANGE", "c:calls|", 32, "61000 1"), "STA025"),
        (("LSET", "e:calls|", 0, "soon 1"), "STA025"),
        (("LSET", "e:calls|", 0, "0 99"), "STA025"),
        (("DEL", "e:calls|"), "STA025"),
        (("DEL", "c:calls|"), "STA027"),
        (("SET", "clock", "CG2 and more"), "STA006"),
        (("SET", "clock", "CG1"), "STA025"),
        (("SET", "clock", ""), "STA006"),
        (("FLUSHALL",), "STA026"),
    ],
)
def test_odd_values_deny_and_do_not_crash(
    server: RedisServer, opened: Opened, command: tuple[str, ...], code: str
) -> None:
    ledger = opened(server.url())
    for _ in range(3):
        admitted(ledger, charge(CALLS))
    if len(command) > 1:
        command = (command[0], f"{{callgate}}:{command[1]}", *command[2:])
    server.run(*command)
    with pytest.raises(StateError) as caught:
        ledger.reserve([charge(limit(3))])
    assert caught.value.code == code


def test_a_full_server_denies_and_recovers(server: RedisServer, opened: Opened) -> None:
    ledger = opened(server.url())
    admitted(ledger, charge(CALLS))
    server.run("CONFIG", "SET", "maxmemory", 1)
    assert failure(ledger).code == "STA024"
    server.run("CONFIG", "SET", "maxmemory", 0)
    admitted(ledger, charge(CALLS))
    assert spent(ledger) == 2


def test_the_operator_is_told_if_the_server_may_forget(server: RedisServer, opened: Opened) -> None:
    told = list[StateError]()
    server.run("CONFIG", "SET", "maxmemory-policy", "allkeys-lru")
    opened(server.url(), told).open()
    assert [(one.code, "allkeys-lru" in one.message) for one in told] == [("STA030", True), ("STA030", False)]
    server.run("CONFIG", "SET", "maxmemory-policy", "noeviction")
    server.run("CONFIG", "SET", "appendonly", "yes")
    told.clear()
    opened(server.url(), told).open()
    assert told == []


def test_a_store_that_is_not_there_is_known_at_once(opened: Opened, tmp_path: Path) -> None:
    for url in (
        f"unix://{tmp_path}/none",
        f"redis://127.0.0.1:{free_port()}",
        "redis://no-such-host.invalid",
    ):
        ledger = opened(url)
        with pytest.raises(StateError) as caught:
            ledger.open()
        assert caught.value.code == "STA020"
        assert url in caught.value.message


def test_two_prefixes_and_two_databases_are_four_stores(server: RedisServer, opened: Opened) -> None:
    one = limit(1)
    for query in ("prefix=a", "prefix=b", "prefix=a&db=1", "prefix=b&db=1"):
        ledger = opened(server.url(query))
        admitted(ledger, charge(one))
        refused(ledger, charge(one))
