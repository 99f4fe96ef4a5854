"""Restarts, copies, replicas and evictions: what a Redis forgets is never spent twice."""

import threading

import pytest
from redis_ledgers import CALLS, Opened, failure, mended, new_server, opened_ledgers, spent
from redis_servers import RedisServer, free_port
from state_stores import DAY, admitted, charge, limit

from callgate.clock import ManualClock
from callgate.errors import StateError
from callgate.state.ledger import Reserved

server = pytest.fixture(new_server)
opened = pytest.fixture(opened_ledgers)


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
