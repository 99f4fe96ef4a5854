"""What several workers have in force, left where one that is started anew finds it: law 7 outlives a worker.

Kept before it is in force anywhere. What the files say by then is not read for the start: a bad edit may stand there.
Whoever starts with what was kept sees the files that changed since as any worker does.
"""

import contextlib
import os
from decimal import Decimal

from msgspec import MsgspecError, structs
from msgspec.json import Decoder, Encoder

from callgate.config.loaded import Loaded
from callgate.errors import StateError

FIXED = (
    "state",
    "state_failure",
    "audit",
    "audit_sync",
    "audit_arguments",
    "sessions",
    "telemetry",
    "workers",
)
"""What is opened once: a change counts after a restart of the gate, not of one of its workers."""
_NAME = "in-force.json"


def keep(folder: str, loaded: Loaded) -> None:
    """Leave `loaded` for workers that start later, whole or not at all. Raises StateError (STA033)."""
    data = Encoder(decimal_format="number").encode(loaded)
    path = os.path.join(folder, _NAME)
    if _read(path) == data:
        # Another worker was first. A full disk must not part those that say the same.
        return
    own = f"{path}.{os.getpid()}"
    try:
        descriptor = os.open(own, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o600)
        with open(descriptor, "wb") as file:
            file.write(data)
        os.replace(own, path)
    except OSError as error:
        with contextlib.suppress(OSError):
            os.unlink(own)
        reason = (error.strerror or str(error)).lower()
        raise StateError(
            "STA033",
            f"what is to be in force cannot be left for workers that start later: {reason}",
            "make room where temporary files are kept; it is tried again every second",
        ) from None


def latest(folder: str, start: Loaded) -> Loaded:
    """What was kept last, with what counts for as long as the gate runs from `start`; `start` if nothing was.

    Raises StateError (STA033): it is there and cannot be read, and `start` may be looser.
    """
    path = os.path.join(folder, _NAME)
    data = _read(path)
    if data is None:
        if not os.path.lexists(path) and os.path.isdir(folder):
            return start
        raise _unreadable()
    try:
        # Numbers of policies with a fraction are Decimals, digit for digit.
        kept = Decoder(Loaded, float_hook=Decimal).decode(data)
    except MsgspecError:
        raise _unreadable() from None
    listen = structs.replace(kept.config.listen, host=start.config.listen.host, port=start.config.listen.port)
    fixed = {key: getattr(start.config, key) for key in FIXED}
    return structs.replace(kept, config=structs.replace(kept.config, listen=listen, **fixed))


def _read(path: str) -> bytes | None:
    try:
        with open(path, "rb") as file:
            return file.read()
    except OSError:
        return None


def _unreadable() -> StateError:
    return StateError(
        "STA033",
        "what the other workers have in force cannot be read",
        "start the gate again; leave its folder among the temporary files alone",
    )
