"""Reading an audit back as calls: from its end, in pairs, in numbers; always in bounded memory."""

import io
import tracemalloc
from pathlib import Path

import pytest
from audit_samples import calls, chain, decision, outcome
from hypothesis import given
from hypothesis import strategies as st

from callgate.audit import backwards
from callgate.audit.backwards import lines_backwards
from callgate.audit.calls import MAX_OPEN, Call, Entry, Pairs, PairsBackwards, is_self_test, read_entry
from callgate.audit.chain import MAX_LINE
from callgate.audit.statistics import MAX_GROUPS, OTHER, Latencies, Statistics


def decided(id: str = "d", **more: str) -> Entry:
    return Entry(
        "decision", "2026-11-01T00:00:00.000Z", id, server="s", tool=more.pop("tool", "t"), effect="allow"
    )


def ended(id: str = "d", ms: float = 1.0, status: str = "ok") -> Entry:
    return Entry("outcome", "2026-11-01T00:00:01.000Z", id, status=status, duration_ms=ms)


@given(
    st.lists(st.binary(max_size=30).map(lambda line: line.replace(b"\n", b"")), max_size=30),
    st.binary(max_size=9),
)
def test_lines_from_the_end_are_the_lines_from_the_beginning_turned_round(
    parts: list[bytes], torn: bytes
) -> None:
    torn = torn.replace(b"\n", b"")
    whole = [part + b"\n" for part in parts]
    file = io.BytesIO(b"".join(whole) + torn)
    for size in (1, 2, 7, 64):
        original, backwards._CHUNK = backwards._CHUNK, size
        try:
            assert list(lines_backwards(file)) == whole[::-1]
        finally:
            backwards._CHUNK = original


def test_a_file_that_is_one_endless_line_does_not_fill_the_memory(tmp_path: Path) -> None:
    path = tmp_path / "huge"
    with path.open("wb") as file:
        file.write(b"a\n")
        file.truncate(5 * MAX_LINE)
        file.seek(0, 2)
        file.write(b"\nb\n")
    tracemalloc.start()
    with path.open("rb") as opened:
        sizes = [len(line) for line in lines_backwards(opened)]
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert sizes[0] == 2
    assert sizes[-1] == 2
    assert max(sizes) <= MAX_LINE + 200_000
    assert peak < 4 * MAX_LINE


def test_a_file_that_gets_shorter_meanwhile_ends_the_reading(tmp_path: Path) -> None:
    path = tmp_path / "a"
    path.write_bytes(b"x\n" * 200_000)
    with path.open("rb") as file:
        reading = lines_backwards(file)
        assert next(reading) == b"x\n"
        path.write_bytes(b"")
        assert len(list(reading)) < 200_000


@given(st.binary(max_size=60))
def test_whatever_stands_in_a_line_reading_it_does_not_fail(line: bytes) -> None:
    read_entry(line)
    read_entry(b'{"kind":"decision","time":"t","id":' + line + b"}", arguments=True)


def test_records_that_the_gate_writes_are_read_with_all_that_they_say() -> None:
    entries = [read_entry(line) for line in chain([decision("a"), outcome("a")])]
    assert [entry.kind for entry in entries if entry is not None] == ["start", "decision", "outcome"]
    assert entries[1] is not None
    assert (entries[1].id, entries[1].tool, entries[1].request) == ("a", "read_file", 7)


def test_texts_of_a_line_that_is_longer_than_the_gate_writes_are_cut() -> None:
    line = b'{"kind":"decision","time":"t","id":"d","reason":"%b","rule":"%b"}\n' % (
        b"x" * 100_000,
        b"y" * 100_000,
    )
    entry = read_entry(line)
    assert entry is not None
    assert len(entry.reason or "") + len(entry.rule or "") < 2000
    assert read_entry(b'{"kind":"decision","time":"%b"}' % (b"9" * 100)) is None


@pytest.mark.parametrize("count", [0, 1, 50])
def test_forwards_and_backwards_the_same_calls_are_found(count: int) -> None:
    lines = chain(calls(count))
    entries = [entry for entry in map(read_entry, lines) if entry is not None]
    pairs, reversed_pairs = Pairs(), PairsBackwards()
    forwards = [call for entry in entries for call in pairs.feed(entry)] + list(pairs.rest())
    back = [call for entry in reversed(entries) if (call := reversed_pairs.feed(entry)) is not None]
    assert forwards == back[::-1]
    assert all(call.outcome is not None for call in forwards)
    assert len(forwards) == count


def test_decisions_that_never_end_are_not_all_remembered() -> None:
    pairs = Pairs()
    told = [call for number in range(MAX_OPEN + 10) for call in pairs.feed(decided(str(number)))]
    assert [call.decision.id for call in told] == [str(number) for number in range(10)]
    assert len(pairs.open()) == MAX_OPEN


def test_only_the_gates_own_test_call_is_taken_for_one() -> None:
    own = Entry("decision", "t", "d", tool="self-test-1", effect="deny", rule="self-test")
    assert is_self_test(own)
    for other in (
        Entry("decision", "t", "d", tool="self-test-1", effect="allow", rule="self-test"),
        Entry("decision", "t", "d", tool="rm", effect="deny", rule="self-test"),
        Entry("decision", "t", "d", tool="self-test-1", effect="deny", rule="cap"),
    ):
        assert not is_self_test(other)


@given(st.lists(st.floats(0.001, 1e6), min_size=1, max_size=200), st.sampled_from([0.5, 0.95, 0.99, 1.0]))
def test_a_percentile_is_exact_to_one_in_a_hundred(values: list[float], share: float) -> None:
    latencies = Latencies()
    for value in values:
        latencies.add(value)
    true = sorted(values)[max(0, -(-int(share * 100) * len(values) // 100) - 1)]
    found = latencies.percentile(share)
    assert found is not None
    assert found == pytest.approx(true, rel=0.0101)


def test_odd_durations_do_not_break_the_numbers() -> None:
    latencies = Latencies()
    for odd in (0.0, -5.0, 1e300):
        latencies.add(odd)
    assert latencies.percentile(0.5) == pytest.approx(0.001, rel=0.02)
    assert Latencies().percentile(0.5) is None


def test_very_many_tools_are_counted_together_in_the_end() -> None:
    statistics = Statistics("tool")
    for number in range(MAX_GROUPS + 50):
        statistics.add(Call(decided(tool=f"t{number}"), ended()))
    assert len(statistics.groups) == MAX_GROUPS + 1
    assert statistics.groups[OTHER].calls == 50
    assert statistics.all.calls == MAX_GROUPS + 50


def test_denied_open_and_failed_calls_are_told_apart() -> None:
    statistics = Statistics("code")
    statistics.add(Call(decided(), ended()))
    statistics.add(Call(decided(), ended(status="tool_error")))
    statistics.add(Call(decided(), ended(status="cancelled")))
    statistics.add(Call(decided()))
    denied = Entry("decision", "2026-10-01", "x", effect="deny", code="DEN001")
    statistics.add(Call(denied, ended(status="denied", ms=0.1)))
    everything = statistics.all
    counts = (everything.calls, everything.denied, everything.errors, everything.open)
    assert counts == (5, 1, 1, 1)
    assert everything.latencies.count == 3
    assert (statistics.first, statistics.last) == ("2026-10-01", "2026-11-01T00:00:00.000Z")
    assert statistics.codes == {"DEN001": 1}
    assert set(statistics.groups) == {"", "DEN001"}
