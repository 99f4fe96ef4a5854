"""What a script that is run again is answered with."""

from hypothesis import given
from hypothesis import strategies as st

from callgate.runner.execution import InnerCall
from callgate.runner.jobs.replay import Replay, in_doubt


def recorded(
    seq: int, function: str, arguments: str, state: str = "answered", *, repeatable: bool = False
) -> InnerCall:
    return InnerCall(
        seq=seq,
        attempt=1,
        function=function,
        arguments_sha256=arguments,
        state=state,  # type: ignore[arg-type]
        repeatable=repeatable,
        started_ms=0,
        answer=None if state == "started" else f'{{"value":{seq}}}'.encode(),
    )


def test_a_call_that_was_answered_is_answered_from_the_journal() -> None:
    call = recorded(1, "mcp_a_send", "h1")
    assert Replay([call]).next("mcp_a_send", "h1", repeatable=False) is call


def test_equal_calls_are_answered_in_the_order_of_their_first_answers() -> None:
    first, second = recorded(1, "mcp_a_next", "h"), recorded(2, "mcp_a_next", "h")
    replay = Replay([second, first])
    assert [replay.next("mcp_a_next", "h", repeatable=False) for _ in range(2)] == [first, second]


def test_a_call_beyond_the_recorded_ones_is_fresh() -> None:
    replay = Replay([recorded(1, "mcp_a_next", "h")])
    replay.next("mcp_a_next", "h", repeatable=False)
    assert replay.next("mcp_a_next", "h", repeatable=False) == "fresh"


def test_another_call_of_a_function_whose_answer_is_still_open_diverges() -> None:
    assert Replay([recorded(1, "mcp_a_send", "h1")]).next("mcp_a_send", "h2", repeatable=False) == "diverged"


def test_a_repeatable_function_never_diverges() -> None:
    assert Replay([recorded(1, "mcp_a_read", "h1")]).next("mcp_a_read", "h2", repeatable=True) == "fresh"


def test_a_denial_is_replayed_and_holds_nothing_open() -> None:
    denial = recorded(1, "mcp_a_send", "h1", "denied")
    assert Replay([denial]).next("mcp_a_send", "h2", repeatable=False) == "fresh"
    assert Replay([denial]).next("mcp_a_send", "h1", repeatable=False) is denial


def test_a_call_without_an_answer_is_never_replayed() -> None:
    replay = Replay([recorded(1, "mcp_a_read", "h", "started", repeatable=True)])
    assert replay.next("mcp_a_read", "h", repeatable=True) == "fresh"


def test_numbers_go_on_after_those_of_earlier_attempts() -> None:
    assert Replay([]).next_seq == 1
    assert Replay([recorded(7, "f", "h"), recorded(3, "f", "h")]).next_seq == 8


def test_only_calls_that_may_not_be_repeated_are_in_doubt() -> None:
    send = recorded(1, "mcp_a_send", "h", "started")
    read = recorded(2, "mcp_a_read", "h", "started", repeatable=True)
    assert in_doubt([send, read, recorded(3, "mcp_a_send", "h2")]) == [send]


CALLS = st.lists(st.tuples(st.sampled_from("fg"), st.sampled_from("xyz")), max_size=30)
TWO_ORDERS = CALLS.flatmap(lambda calls: st.tuples(st.just(calls), st.permutations(calls)))


@given(TWO_ORDERS)
def test_the_same_calls_in_any_order_are_all_answered_and_none_is_made(
    orders: tuple[list[tuple[str, str]], list[tuple[str, str]]],
) -> None:
    calls, again = orders
    replay = Replay(
        [recorded(number, function, digest) for number, (function, digest) in enumerate(calls, 1)]
    )
    answers = [replay.next(function, digest, repeatable=False) for function, digest in again]
    numbers = sorted(answer.seq for answer in answers if isinstance(answer, InnerCall))
    assert numbers == list(range(1, len(calls) + 1))
