"""What a script leaves in its declared variables, as one encoded frame."""

from __future__ import annotations

import resource
import time
from collections.abc import Mapping

from . import wire
from .convert import Converter
from .convert_scalars import TooLarge, Unfit
from .ending import refused_frame
from .output_types import parse

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

_MOST_PROBLEMS = 10


def last_frame(namespace: Mapping[str, Any], declared: Mapping[str, str], room: int) -> bytes:
    """The encoded `done` frame; or the `error` frame with kind output_vars or result_size if there is none."""
    parts: list[bytes] = []
    problems: list[str] = []
    sizes: dict[str, int] = {}
    left = room
    for name, kind in declared.items():
        parsed = parse(kind)
        if parsed is None:
            problems.append(f"`{name}` is declared as `{kind}`, which is no known type")
        elif name not in namespace:
            problems.append(f"`{name}` was declared as `{kind}`, but the script never set it")
        else:
            try:
                value = Converter(left).convert(namespace[name], parsed, name)
                encoded = wire.encode(name) + b":" + wire.encode(value)
            except Unfit as error:
                problems.append(str(error))
            except TooLarge:
                return _too_large(name, room, sizes)
            except (ValueError, RecursionError) as error:
                problems.append(f"`{name}` cannot be written as JSON: {_why(error)}")
            else:
                left -= len(encoded)
                if left < 0:
                    return _too_large(name, room, sizes)
                parts.append(encoded)
                sizes[name] = len(encoded)
    if problems:
        more = len(problems) - _MOST_PROBLEMS
        message = "; ".join(problems[:_MOST_PROBLEMS]) + (f"; and {more} more" if more > 0 else "")
        return wire.encode(refused_frame("output_vars", message))
    return b'{"t":"done","results":{' + b",".join(parts) + b"}," + wire.encode(usage())[1:]


def usage() -> dict[str, Any]:
    """What the run took: peak memory in bytes, processor time in milliseconds (of the whole process)."""
    return {
        "peak_memory": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024,
        "cpu_ms": round(time.process_time() * 1000, 3),
    }


def _why(error: Exception) -> str:
    return "it holds text that is no Unicode" if isinstance(error, UnicodeError) else str(error)


def _too_large(name: str, room: int, sizes: dict[str, int]) -> bytes:
    before = sum(sizes.values())
    beside = f", of which other variables take {before}" if before else ""
    return wire.encode(
        refused_frame("result_size", f"`{name}` does not fit: the results may take {room} bytes{beside}")
    )
