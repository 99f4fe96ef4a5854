"""A Redis that fails denies, says which failure it is, and is used again by itself when the cause is gone."""

import os
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from redis_servers import RedisServer, free_port, wait_until
from state_stores import DAY, MINUTE, admitted, charge, limit, refused

from callgate.clock import ManualClock, SystemClock
from callgate.errors import StateError
from callgate.state.ledger import Reserved
from callgate.state.redis import RedisLedger

CALLS = limit(100)


@pytest.fixture
def server() -> Iterator[RedisServer]:
    found = RedisServer().start()
    yield found
    found.remove()


@pytest.fixture
def opened() -> Iterator[Callable[..., RedisLedger]]:
    """Opens ledgers, and closes them in the end."""
    made: list[RedisLedger] = []

    def open(url: str, *told: list[StateError], clock: ManualClock | None = None) -> RedisLedger:
        server_ns = None if clock is None else clock.wall_ns
        notify = told[0].append if told else None
        made.append(RedisLedger(url, clock or SystemClock(), notify=notify, server_ns=server_ns))
        return made[-1]

    yield open
    for ledger in made:
        ledger.close()


Opened = Callable[..., RedisLedger]


def failure(ledger: RedisLedger) -> StateError:
    with pytest.raises(StateError) as caught:
        ledger.reserve([charge(CALLS)])
    assert caught.value.help
    assert "\n" not in caught.value.message
    return caught.value


def spent(ledger: RedisLedger) -> int:
    return int(ledger.used("calls|", MINUTE)[0])


def mended(ledger: RedisLedger) -> None:
    assert ledger._script.link.mended.wait(20)


def test_a_server_killed_in_mid_burst_denies_and_comes_back_with_every_charge(opened: Opened) -> None:
    server = RedisServer("--appendonly", "yes").start()
    ledger = opened(server.url())
    done = 0
    killing = threading.Timer(0.02, server.kill)
    killing.start()
    while True:
        answers = ledger.reserve_many([([charge(limit(10**6))], ())] * 16)
        done += sum(isinstance(answer, Reserved) for answer in answers)
        if failures := [answer for answer in answers if isinstance(answer, StateError)]:
            break
    killing.join()
    assert {failure.code for failure in failures} == {"STA020"}
    assert failure(ledger).code == "STA020"
    assert not ledger._script.link.mended.is_set()
    server.start()
    mended(ledger)
    # What was charged and not answered stays spent: at most the batch that was under way.
    assert done <= spent(ledger) <= done + 16
    admitted(ledger, charge(limit(10**6)))
    server.remove()


def test_after_a_restart_without_its_data_every_limit_is_closed_for_one_window(
    server: RedisServer, opened: Opened
) -> None:
    clock, told = ManualClock(), list[StateError]()
    ledger = opened(server.url(), told, clock=clock)
    hour, today = limit(5, id="hour"), limit(5, DAY, id="today")
    admitted(ledger, charge(CALLS), charge(today))
    server.kill()
    clock.advance(1)
    failure(ledger)
    server.start()
    mended(ledger)
    error = failure(ledger)
    assert (error.code, "another 60 s" in error.message) == ("STA026", True)
    assert [one.code for one in told] == ["STA026"]
    # A gate that never saw the lost counters is told by the one that did; what bounds nothing stays open.
    other = opened(server.url(), clock=clock)
    assert failure(other).code == "STA026"
    admitted(other, charge(limit(None, id="count")))
    clock.advance(59.999)
    assert failure(ledger).code == "STA026"
    clock.advance(0.001)
    admitted(ledger, charge(hour))
    with pytest.raises(StateError, match="lost its counters"):
        ledger.reserve([charge(today)])
    clock.advance(86_400)
    admitted(ledger, charge(today))
    assert [one.code for one in told] == ["STA026"]


def test_a_gate_that_is_told_to_goes_on_from_zero_after_a_loss_and_says_so(
    server: RedisServer, opened: Opened
) -> None:
    told = list[StateError]()
    ledger = opened(server.url("after_loss=continue"), told)
    admitted(ledger, charge(CALLS))
    server.run("FLUSHALL")
    admitted(ledger, charge(CALLS))
    assert spent(ledger) == 1
    assert [(one.code, "from zero" in one.message) for one in told] == [("STA026", True)]
    assert failure(opened(server.url())).code == "STA026"


def test_an_older_copy_of_the_data_is_a_loss(opened: Opened) -> None:
    server = RedisServer("--dbfilename", "dump.rdb").start()
    ledger = opened(server.url())
    admitted(ledger, charge(CALLS))
    server.run("SAVE")
    admitted(ledger, charge(CALLS))
    server.kill()
    server.start()
    assert failure(ledger).code == "STA026"
    server.remove()


def test_a_restart_with_all_data_is_no_loss(opened: Opened) -> None:
    server = RedisServer().start()
    ledger = opened(server.url())
    admitted(ledger, charge(CALLS))
    server.run("SAVE")
    server.kill()
    server.start()
    admitted(ledger, charge(CALLS))
    assert spent(ledger) == 2
    server.remove()


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


def test_a_replica_denies_until_it_is_promoted(server: RedisServer, opened: Opened) -> None:
    replica = RedisServer("--repl-diskless-sync-delay", "0").start()
    master = RedisServer("--repl-diskless-sync-delay", "0", port=free_port()).start()
    writing, standby = opened(master.url()), opened(replica.url())
    replica.run("REPLICAOF", "127.0.0.1", master.port)
    for _ in range(3):
        admitted(writing, charge(CALLS))
    assert int(str(master.run("WAIT", 1, 20_000))) == 1
    assert failure(standby).code == "STA023"
    master.kill()
    replica.run("REPLICAOF", "NO", "ONE")
    mended(standby)
    assert spent(standby) == 3
    admitted(standby, charge(CALLS))
    replica.remove()
    master.remove()


def test_charges_wait_for_replicas_if_the_url_says_so(opened: Opened) -> None:
    master = RedisServer("--repl-diskless-sync-delay", "0", port=free_port()).start()
    impatient = opened(master.url("replicas=1", timeout=0.5))
    assert failure(impatient).code == "STA028"
    replica = RedisServer("--replicaof", f"127.0.0.1 {master.port}").start()
    assert int(str(master.run("WAIT", 1, 20_000))) == 1
    admitted(opened(master.url("replicas=1")), charge(CALLS))
    assert spent(opened(master.url())) == 2
    replica.remove()
    master.remove()


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


def test_a_counter_that_was_removed_denies_for_as_long_as_it_would_have_counted(
    server: RedisServer, opened: Opened
) -> None:
    clock = ManualClock()
    ledger = opened(server.url(), clock=clock)
    admitted(ledger, charge(CALLS), charge(limit(5, id="other")))
    clock.advance(10)
    server.run("DEL", "{callgate}:c:calls|")
    admitted(ledger, charge(limit(5, id="other")))
    assert failure(ledger).code == "STA027"
    clock.advance(50.001)
    admitted(ledger, charge(CALLS))


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


def test_every_key_leaves_redis_by_itself_and_idle_counters_make_room_early(
    server: RedisServer, opened: Opened
) -> None:
    clock = ManualClock()
    ledger = opened(server.url(), clock=clock)
    wide = limit(5, max_counters=10**6)
    for index in range(1_000):
        name = admitted(ledger, charge(wide, key=str(index)), charge(limit(None, DAY, id=f"day{index % 3}")))
        if index % 3:
            ledger.settle(name, spent=index % 3 == 1)
        clock.advance(1)
    keys = server.run("KEYS", "*")
    assert isinstance(keys, list)
    counters = [key for key in keys if ":c:calls" in key]
    assert len(counters) < 80
    assert int(str(server.run("ZCARD", "{callgate}:all"))) < 90
    week = 8 * 86_400_000
    for key in keys:
        left = int(str(server.run("PTTL", key)))
        assert 0 < left <= 3 * 86_400_000 + week, key
        if ":c:" in key or ":e:" in key:
            assert left > 7 * 86_400_000


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
