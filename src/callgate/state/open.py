"""From a state URL to a ledger. The only module that knows every store; it loads none that it does not open."""

from collections.abc import Callable, Mapping
from typing import Literal

from callgate.clock import Clock
from callgate.errors import StateError
from callgate.state.ledger import Ledger
from callgate.state.memory import MemoryLedger
from callgate.state.routed import CheckingLedger, RoutedLedger

_FILE = "state.db"
_HELP = "use `memory://`, `sqlite:///absolute/path.db`, `sqlite:relative/path.db` or `redis://host:6379/0`"
_REDIS = ("redis", "rediss", "valkey", "valkeys", "unix")
_Synchronous = Literal["FULL", "NORMAL"]
_DEFAULT: _Synchronous = "FULL"


def default_state_dir(environ: Mapping[str, str], platform: str) -> str:
    """The user's state directory for callgate; `platform` as in `sys.platform`. Not created here."""
    home = environ.get("HOME") or "/"
    if platform == "darwin":
        return f"{home}/Library/Application Support/callgate"
    state_home = environ.get("XDG_STATE_HOME", "")
    # The XDG specification: a relative path is invalid and is to be ignored.
    if not state_home.startswith("/"):
        state_home = f"{home}/.local/state"
    return f"{state_home}/callgate"


def open_ledger(
    url: str | None,
    clock: Clock,
    *,
    state_dir: str,
    durable_sessions: bool,
    outlives_process: bool,
    on_failure: Literal["deny", "allow"] = "deny",
    notify: Callable[[StateError], None] | None = None,
) -> Ledger:
    """The ledger that `url` names; None stands for SQLite in `state_dir`.

    With SQLite, counters of the scope `session` are in memory unless `durable_sessions` (sessions that the
    operator named, so that they mean the same after a restart). The file is opened at once if
    `outlives_process` says that a limit needs it, or for `durable_sessions`; else with the first charge that
    does, as a reloaded policy may bring one. `memory://` keeps every scope in memory; Redis keeps every scope
    for all gates that share it, and is reached at once. StateError if the URL is not understood or the store
    cannot be used.

    `on_failure="allow"` admits calls uncounted while the store fails, from the start on if need be. `notify` is
    told what an operator has to know while calls go on; it may be called for every call and must not raise.
    """
    ledger = _open(
        url,
        clock,
        state_dir=state_dir,
        durable_sessions=durable_sessions,
        outlives_process=outlives_process,
        at_once=on_failure == "deny",
        notify=notify,
    )
    if on_failure == "deny" or isinstance(ledger, MemoryLedger):
        return ledger
    from callgate.state.lenient import LenientLedger

    return LenientLedger(ledger, clock, notify)


def _open(
    url: str | None,
    clock: Clock,
    *,
    state_dir: str,
    durable_sessions: bool,
    outlives_process: bool,
    at_once: bool,
    notify: Callable[[StateError], None] | None,
) -> Ledger:
    if url is not None and _is_memory(url):
        return MemoryLedger(clock)
    if url is not None and url.partition(":")[0].partition("+")[0] in _REDIS:
        return _open_redis(url, clock, notify, at_once=at_once)
    path, synchronous = _sqlite(url) if url is not None else (f"{state_dir}/{_FILE}", _DEFAULT)

    def durable(*, now: bool = False) -> CheckingLedger:
        return _open_sqlite(path, clock, synchronous, at_once=now and at_once)

    if durable_sessions:
        return durable(now=True)
    if outlives_process:
        opened = durable(now=True)
        return RoutedLedger(MemoryLedger(clock), lambda: opened)
    return RoutedLedger(MemoryLedger(clock), durable)


def _open_redis(
    url: str, clock: Clock, notify: Callable[[StateError], None] | None, *, at_once: bool
) -> Ledger:
    from callgate.state.redis import RedisLedger

    ledger = RedisLedger(url, clock, notify=notify)
    if at_once:
        try:
            ledger.open()
        except StateError:
            ledger.close()
            raise
    return ledger


def _open_sqlite(path: str, clock: Clock, synchronous: _Synchronous, *, at_once: bool) -> CheckingLedger:
    try:
        from callgate.state.sqlite import SqliteLedger
    except ImportError:
        raise StateError(
            "STA014",
            "this Python has no SQLite",
            "install Python with its `sqlite3` module, or use `memory://`",
        ) from None
    ledger = SqliteLedger(path, clock, synchronous=synchronous)
    if at_once:
        ledger.open()
    return ledger


def _is_memory(url: str) -> bool:
    if not url.startswith("memory:"):
        return False
    if url not in ("memory:", "memory://"):
        raise StateError("STA001", f"state store `{url}` is not understood", _HELP)
    return True


def _sqlite(url: str) -> tuple[str, _Synchronous]:
    scheme, colon, rest = url.partition(":")
    if scheme in ("postgres", "postgresql", "mysql"):
        raise StateError("STA002", f"this version has no `{scheme}` store", _HELP)
    if scheme != "sqlite" or not colon:
        # What is no known URL may hold a password all the same.
        shown = url if "@" not in url else f"{scheme[:16]}:…"
        raise StateError("STA001", f"state store `{shown}` is not understood", _HELP)
    path, question, query = rest.partition("?")
    if path.startswith("//"):
        path = path[2:]
        if not path.startswith("/"):
            help = f"write `sqlite:///{path}` for an absolute path, `sqlite:{path}` for a relative one"
            raise StateError("STA001", f"state store `{url}` names a host", help)
    if "%" in path:
        path = _unquote(path, url)
    if not path or path.endswith("/") or "\0" in path:
        raise StateError("STA001", f"state store `{url}` names no file", _HELP)
    if not question or query == "sync=full":
        return path, "FULL"
    if query == "sync=normal":
        return path, "NORMAL"
    raise StateError(
        "STA001", f"option `{query}` of the state store is unknown", "use `sync=full` or `sync=normal`"
    )


def _unquote(path: str, url: str) -> str:
    first, *others = path.split("%")
    decoded = first.encode()
    try:
        for part in others:
            decoded += bytes.fromhex(part[:2] if len(part) >= 2 else "?") + part[2:].encode()
        return decoded.decode()
    except ValueError:
        raise StateError(
            "STA001", f"state store `{url}` has a broken `%` escape", "write `%25` for `%`"
        ) from None
