"""Whatever is done to a file between its first byte and its last is found."""

import io

import pytest
from audit_samples import TIME, calls, chain, codes, decision, outcome
from hypothesis import given
from hypothesis import strategies as st

from callgate.audit.chain import MAX_LINE
from callgate.audit.reading import MAX_WAITING, Pairing
from callgate.audit.record import EventRecord
from callgate.audit.verify import MAX_FINDINGS, Report, lines_of, verify

LINES = chain(calls(4))
FILE = b"".join(LINES)
HEAD = LINES[-1][-67:-3].decode()


def verify_bytes(data: bytes, head: str | None = None) -> Report:
    return verify(lines_of(io.BytesIO(data)), head=head)


def test_an_untouched_file_is_intact_and_its_contents_are_counted() -> None:
    report = verify_bytes(FILE)
    assert (report.intact, report.records, report.decisions, report.outcomes) == (True, 9, 4, 4)
    assert (report.first_time, report.last_time, report.head) == (TIME, TIME, HEAD)


@given(position=st.integers(0, len(FILE) - 1), byte=st.integers(0, 255))
def test_any_other_byte_anywhere_is_found(position: int, byte: int) -> None:
    changed = FILE[:position] + bytes([byte]) + FILE[position + 1 :]
    assert verify_bytes(changed).intact == (changed == FILE)


def test_each_bit_of_each_byte_counts() -> None:
    short = b"".join(chain([decision()]))
    for position in range(len(short)):
        for bit in range(8):
            changed = bytearray(short)
            changed[position] ^= 1 << bit
            assert not verify_bytes(bytes(changed)).intact, (position, bit)


@given(start=st.integers(0, len(FILE) - 1), length=st.integers(1, 900), insert=st.binary(max_size=40))
def test_any_stretch_replaced_by_any_other_is_found(start: int, length: int, insert: bytes) -> None:
    changed = FILE[:start] + insert + FILE[start + length :]
    whole_lines_of_the_beginning = {b"".join(LINES[:count]) for count in range(1, len(LINES) + 1)}
    assert verify_bytes(changed).intact == (changed in whole_lines_of_the_beginning)


@given(st.data())
def test_dropped_records_are_found_where_they_were(data: st.DataObject) -> None:
    first = data.draw(st.integers(0, len(LINES) - 2))
    count = data.draw(st.integers(1, len(LINES) - 1 - first))
    report = verify_bytes(b"".join(LINES[:first] + LINES[first + count :]))
    missing = [finding for finding in report.findings if finding.code == "AUD102"]
    assert [finding.line for finding in missing] == [first + 1]
    assert missing[0].message.startswith(f"{count} record")


@given(st.integers(0, len(LINES) - 1), st.integers(1, len(LINES)))
def test_a_record_that_is_copied_to_any_place_is_found(source: int, target: int) -> None:
    changed = [*LINES[:target], LINES[source], *LINES[target:]]
    report = verify_bytes(b"".join(changed))
    assert not report.intact
    if target == source + 1:
        assert codes(report)[0] == "AUD103"


@given(st.permutations(range(len(LINES))))
def test_any_other_order_is_found(order: list[int]) -> None:
    report = verify_bytes(b"".join(LINES[index] for index in order))
    assert report.intact == (order == sorted(order))


@given(st.integers(0, len(FILE) - 1))
def test_a_cut_inside_a_record_is_found(length: int) -> None:
    cut = FILE[:length]
    if cut.endswith(b"\n"):
        cut = cut[:-1]
    assert not verify_bytes(cut).intact


@given(st.integers(1, len(LINES) - 1))
def test_a_cut_between_records_is_said_to_be_unprovable_and_found_with_the_head(count: int) -> None:
    cut = b"".join(LINES[:count])
    assert verify_bytes(cut).intact
    assert any("missing from the end" in text for text in verify_bytes(cut).not_proved)
    assert codes(verify_bytes(cut, HEAD)) == ["AUD108"]


@given(st.integers(0, len(LINES) - 1))
def test_a_hash_noted_earlier_proves_everything_up_to_it(index: int) -> None:
    report = verify_bytes(FILE, LINES[index][-67:-3].decode())
    assert report.intact
    assert report.proved_to == index + 1
    assert bool(report.not_proved) == (index + 1 < len(LINES))


def test_a_file_written_anew_is_found_only_with_the_head() -> None:
    forged = b"".join(chain([*calls(3), decision("d3", tool="harmless"), outcome("d3")]))
    assert verify_bytes(forged).intact
    assert any("written anew" in text for text in verify_bytes(forged).not_proved)
    assert codes(verify_bytes(forged, HEAD)) == ["AUD108"]


def test_one_changed_record_is_one_finding_that_names_its_line() -> None:
    report = verify_bytes(FILE.replace(b'"id":"d2"', b'"id":"d9"', 1))
    assert [(finding.code, finding.line) for finding in report.findings] == [("AUD101", 6)]


def test_two_files_joined_are_found() -> None:
    assert "AUD104" in codes(verify_bytes(FILE + FILE))


def test_an_empty_file_is_not_intact() -> None:
    assert codes(verify_bytes(b"")) == ["AUD106"]


def test_a_format_of_the_future_is_not_called_intact() -> None:
    from callgate.audit.chain import ORIGIN, seal
    from callgate.digest import lean

    future = b'{"kind":"start","format":2,"time":"2031-01-01T00:00:00.000Z"}'
    assert codes(verify_bytes(seal([future], 0, ORIGIN, lean)[0])) == ["AUD106"]


def test_a_removal_that_the_gate_saw_is_a_finding() -> None:
    event = EventRecord(TIME, "records_missing", size=400, previous="ab" * 32)
    report = verify_bytes(b"".join(chain([decision(), event])))
    assert codes(report) == ["AUD109"]
    assert "400 bytes" in report.findings[0].message


@given(st.lists(st.binary(max_size=200), max_size=20))
def test_no_bytes_make_verification_fail(parts: list[bytes]) -> None:
    data = b"\n".join(parts)
    report = verify_bytes(data)
    assert not report.intact
    assert not verify_bytes(FILE + data).intact or not data


@pytest.mark.parametrize(
    "line",
    [
        b"[" * 100_000,
        b'{"kind":"decision","time":NaN',
        b'{"kind":"\xff\xfe"',
        b'{"a":' * 50_000,
        b"",
        b"null",
        b"\0" * 900,
    ],
    ids=["nested", "nan", "not-utf-8", "nested-objects", "empty", "null", "zeros"],
)
def test_hostile_lines_with_the_right_hash_are_findings(line: bytes) -> None:
    from callgate.audit.chain import seal
    from callgate.digest import lean

    sealed = seal([line + b"}"], len(LINES), LINES[-1][-67:], lean)[0]
    assert "AUD105" in codes(verify_bytes(FILE + sealed))


def test_a_huge_line_is_never_held_whole() -> None:
    data = FILE + b"x" * (3 * MAX_LINE) + b"\n" + b"short\n"
    pieces = list(lines_of(io.BytesIO(data)))
    assert max(len(piece) for piece in pieces) == MAX_LINE + 1
    assert len(pieces) == len(LINES) + 2
    assert [finding.line for finding in verify_bytes(data).findings] == [10, 11]


def test_findings_are_bounded_but_all_are_counted() -> None:
    report = verify_bytes(FILE + b"nonsense\n" * 1000)
    assert (len(report.findings), report.finding_count) == (MAX_FINDINGS, 1000)


def test_decisions_and_outcomes_are_matched() -> None:
    lines = chain(
        [decision("a"), decision("b"), outcome("b"), outcome("c"), decision("x" * 500), outcome("x" * 500)]
    )
    report = verify_bytes(b"".join(lines))
    assert (report.decisions_without_outcome, report.outcomes_without_decision, report.pairing_exact) == (
        1,
        1,
        True,
    )


def test_matching_is_bounded_and_says_so() -> None:
    pairing = Pairing()
    for number in range(MAX_WAITING + 5):
        pairing.decided(str(number))
    assert (pairing.exact, pairing.decisions_without_outcome) == (False, MAX_WAITING + 5)
