"""Mutated frames against the readers. `python tests/wire/fuzz_frames.py SECONDS [SEED]` runs it longer by hand.

What must hold for every line: the strict reader raises WireRefusal alone; what it accepts is one clean line with
the judged value in it, which reads the same again; the server reader never raises.
"""

import random
import sys
import time

from wire_frames import LINE_ENDS, as_exact, call, exact, line

from callgate.errors import WireRefusal
from callgate.wire.framing import LineReader
from callgate.wire.server import read_server_frame
from callgate.wire.strict import read_client_frame

SEEDS = (
    line(call()),
    line(call(arguments={"a": [1, 2.5, 1e100, None, True], "b": {"c": 'x\n"\\\u2028é😀'}})),
    b'{ "jsonrpc" : "2.0", "id" : "a", "method" : "ping" , "params":{"x":\r{"y":-0}} }',
    b'{"jsonrpc":"2.0","id":3,"result":{"roots":[]}}',
    b'{"jsonrpc":"2.0","method":"notifications/cancelled","params":{"requestId":1}}',
)
PIECES = (
    *LINE_ENDS,
    b'"',
    b"\\",
    b"{",
    b"}",
    b"[",
    b"]",
    b",",
    b":",
    b"0",
    b"1e5",
    b"e400",
    b"-",
    b".",
    b" ",
)
WORDS = (
    b'"id":7,',
    b'"name":"rm",',
    b'"NAME":1,',
    b"\\u0041",
    b"\\ud800",
    b"NaN",
    b"\xff",
    b"\xef\xbb\xbf",
    b"\x00",
)


def mutate(random_: random.Random, data: bytes) -> bytes:
    """One to four small changes."""
    for _ in range(random_.randint(1, 4)):
        start = random_.randint(0, len(data))
        end = min(len(data), start + random_.choice((0, 0, 1, 3, 20)))
        new = random_.choice((b"", data[start : start + 9], random_.choice(PIECES), random_.choice(WORDS)))
        data = data[:start] + new + data[end:]
    return data


def check(data: bytes) -> bool:
    """Whether `data` was accepted by the strict reader. Fails if anything does not hold."""
    read_server_frame(data)
    assert all(len(kept) <= 100 for kept in LineReader(100).feed(data + b"\n") if type(kept) is bytes)
    try:
        frame = read_client_frame(data)
    except WireRefusal as refusal:
        assert refusal.message.isprintable(), data  # noqa: PT017
        return False
    assert not any(end in frame.forward for end in LINE_ENDS), data
    assert min(frame.forward) >= 0x20, data
    assert exact(frame.forward) == exact(data) == as_exact(frame.message), data
    assert read_client_frame(frame.forward).forward == frame.forward, data
    return True


def fuzz(seconds: float, seed: int) -> tuple[int, int]:
    """Run for `seconds`; how many lines were tried and how many accepted."""
    random_ = random.Random(seed)
    tried = accepted = 0
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        for origin in SEEDS:
            tried += 1
            accepted += check(mutate(random_, origin))
    return tried, accepted


def test_mutated_frames_do_not_break_the_readers() -> None:
    tried, accepted = fuzz(2.0, seed=1)
    assert 0 < accepted < tried


if __name__ == "__main__":
    print(fuzz(float(sys.argv[1]), int(sys.argv[2]) if len(sys.argv) > 2 else time.time_ns()))
