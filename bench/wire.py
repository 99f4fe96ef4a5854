"""What reading a frame costs: µs per frame beside json.loads and msgspec, for 200 B, 10 kB and 1 MB.

Run: `python bench/wire.py`. The best of several rounds, interleaved; compare only within one run.
"""

import json
import time
from collections.abc import Callable

import msgspec

from callgate.wire.framing import LineReader
from callgate.wire.server import read_server_frame
from callgate.wire.strict import read_client_frame

ROUNDS = 7


def frame(size: int) -> dict[str, object]:
    """A tools/call of about `size` bytes: prose, numbers and small objects."""
    rows: list[object] = []
    arguments: dict[str, object] = {"amount": 12.5, "currency": "EUR", "note": "as agreed on the phone"}
    if size > 1000:
        arguments["rows"] = rows
        while len(rows) < size // 160:
            rows.append({"n": len(rows), "price": 0.25 * len(rows), "text": "the quick brown fox jumps " * 4})
    params = {"name": "create_refund", "arguments": arguments, "_meta": {"progressToken": 12}}
    return {"jsonrpc": "2.0", "id": 12, "method": "tools/call", "params": params}


def measure(subjects: dict[str, Callable[[], object]], repeat: int) -> dict[str, float]:
    """The best µs of each subject."""
    best = dict.fromkeys(subjects, float("inf"))
    for _ in range(ROUNDS):
        for name, run in subjects.items():
            start = time.perf_counter_ns()
            for _ in range(repeat):
                run()
            best[name] = min(best[name], (time.perf_counter_ns() - start) / repeat / 1000)
    return best


def main() -> None:
    """Print one table."""
    decode = msgspec.json.Decoder().decode
    for size, repeat in ((200, 20_000), (10_000, 500), (1_000_000, 5)):
        value = frame(size)
        line = json.dumps(value, separators=(",", ":")).encode()
        spaced = json.dumps(value).encode()
        answer = json.dumps(
            {"jsonrpc": "2.0", "id": 12, "result": value["params"]}, separators=(",", ":")
        ).encode()
        chunks = [(line + b"\n")[start : start + 65_536] for start in range(0, len(line) + 1, 65_536)]
        reader = LineReader(8_000_000)
        subjects: dict[str, Callable[[], object]] = {
            "msgspec decode": lambda line=line: decode(line),
            "json.loads": lambda line=line: json.loads(line),
            "client frame": lambda line=line: read_client_frame(line),
            "client frame, spaced": lambda line=spaced: read_client_frame(line),
            "server frame": lambda line=answer: read_server_frame(line),
            "line reader": lambda chunks=chunks, reader=reader: [reader.feed(chunk) for chunk in chunks],
        }
        print(
            f"{len(line):,} B: " + " · ".join(f"{k} {v:,.1f}" for k, v in measure(subjects, repeat).items())
        )


if __name__ == "__main__":
    main()
