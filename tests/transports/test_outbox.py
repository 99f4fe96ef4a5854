"""Output never blocks, loses nothing and keeps its order, however slow the reader."""

import os
import socket
from collections.abc import Iterator

import pytest
from hypothesis import given
from hypothesis import strategies as st

from callgate.transports.outbox import Outbox, nonblocking_output


@pytest.fixture
def pipe() -> Iterator[tuple[int, int]]:
    reader, writer = os.pipe()
    yield reader, writer
    for fd in (reader, writer):
        try:
            os.close(fd)
        except OSError:
            continue


def test_what_a_full_pipe_cannot_take_waits_and_follows_in_order(pipe: tuple[int, int]) -> None:
    reader, writer = pipe
    os.set_blocking(writer, False)
    outbox = Outbox(writer)
    sent = b"".join(b"%07d\n" % number for number in range(100_000))
    for start in range(0, len(sent), 10_000):
        outbox.send(sent[start : start + 10_000])
    assert outbox.size > 0
    received = b""
    while len(received) < len(sent):
        received += os.read(reader, 65536)
        outbox.flush()
    assert received == sent
    assert outbox.size == 0


def test_a_reader_that_is_gone_is_an_error_and_not_a_wait(pipe: tuple[int, int]) -> None:
    reader, writer = pipe
    os.set_blocking(writer, False)
    os.close(reader)
    with pytest.raises(BrokenPipeError):
        Outbox(writer).send(b"x")


def test_a_pipe_is_opened_anew_so_that_others_with_the_same_description_still_block(
    pipe: tuple[int, int],
) -> None:
    _, writer = pipe
    own = nonblocking_output(writer)
    assert own != writer
    assert not os.get_blocking(own)
    assert os.get_blocking(writer)
    os.close(own)


def test_a_socket_is_made_nonblocking_itself() -> None:
    ours, theirs = socket.socketpair()
    with ours, theirs:
        assert nonblocking_output(ours.fileno()) == ours.fileno()
        assert not os.get_blocking(ours.fileno())


@given(st.lists(st.binary(min_size=1, max_size=3000), max_size=60), st.integers(1, 70_000))
def test_any_sequence_of_writes_and_reads_carries_the_same_bytes(chunks: list[bytes], read_size: int) -> None:
    reader, writer = os.pipe()
    try:
        os.set_blocking(writer, False)
        os.set_blocking(reader, False)
        outbox = Outbox(writer)
        received = b""
        for chunk in chunks:
            outbox.send(chunk)
            if len(chunk) % 3 == 0:
                try:
                    received += os.read(reader, read_size)
                except BlockingIOError:
                    continue
                outbox.flush()
        while len(received) < sum(map(len, chunks)):
            outbox.flush()
            received += os.read(reader, read_size)
        assert received == b"".join(chunks)
    finally:
        os.close(reader)
        os.close(writer)
