"""The connection behind a Redis store: one at a time, with short time-outs, never a command sent twice.

A call whose answer does not come may have been carried out: it is reported as failed and never repeated. While
the server cannot be reached, calls fail at once; a thread tries to connect and to get an answer, and the next
call after that goes through. For one thread of callers.
"""

import threading
import time
from collections.abc import Sequence
from typing import Any, Protocol, cast

from redis.backoff import NoBackoff
from redis.connection import Connection, SSLConnection, UnixDomainSocketConnection
from redis.exceptions import ConnectionError as LinkError
from redis.exceptions import MovedError, RedisError, ResponseError
from redis.exceptions import TimeoutError as LinkTimeout
from redis.retry import Retry
from redis.sentinel import MasterNotFoundError, Sentinel

from callgate.errors import StateError
from callgate.state.redis_failures import ELSEWHERE, answer_failure, dropped, stalled
from callgate.state.redis_url import RedisAddress

# redis-py does not type these.
_TCP: Any = Connection
_TLS: Any = SSLConnection
_UNIX: Any = UnixDomainSocketConnection
_SENTINEL: Any = Sentinel

_FIRST_PAUSE, _LONGEST_PAUSE = 0.05, 1.0


class _Wire(Protocol):
    """What is used of redis-py's connections, which have no types for it."""

    def connect(self) -> None: ...
    def disconnect(self) -> None: ...
    def can_read(self, timeout: float = 0) -> bool: ...
    def send_packed_command(self, command: Sequence[bytes]) -> None: ...
    def send_command(self, *args: object) -> None: ...
    def read_response(self, *, timeout: float) -> object: ...


class RedisLink:
    """`mended` is set while there is, as far as is known, a server that answers."""

    def __init__(self, address: RedisAddress) -> None:
        self._address = address
        self.mended = threading.Event()
        self._wire: _Wire | None = None
        self._lock = threading.Lock()
        self._stop = threading.Event()
        self._mender: threading.Thread | None = None
        self._failure: StateError | None = None
        self._pause = _FIRST_PAUSE
        # Where in a cluster the keys are, as it said itself.
        self._moved_to: tuple[str, int] | None = None
        self._connected_to: tuple[str, int] | None = None

    def exchange(self, commands: Sequence[bytes]) -> list[object]:
        """Send packed commands together; the answers in order, an error where the server answered with one.

        Where the answers end early, the StateError that says why stands for each that is missing: those
        commands may have been carried out. Raises StateError if nothing was sent.
        """
        wire = self._connected()
        deadline = time.monotonic() + self._address.timeout
        answers: list[object] = []
        elsewhere: Exception | None = None
        try:
            wire.send_packed_command([b"".join(commands)])
            for _ in commands:
                try:
                    answers.append(wire.read_response(timeout=max(0.001, deadline - time.monotonic())))
                except ResponseError as error:
                    answers.append(error)
                    if isinstance(error, MovedError):
                        self._moved_to = error.host, error.port
                    elif isinstance(error, ELSEWHERE):
                        elsewhere = error
        except (RedisError, OSError) as error:
            failure = self._explained(error)
            self._break(failure)
            answers += [failure] * (len(commands) - len(answers))
        except BaseException:
            self._break(dropped(self._address.shown))
            raise
        else:
            if elsewhere is not None:
                self._break(answer_failure(self._address.shown, elsewhere))
            elif self._moved_to != self._connected_to:
                wire.disconnect()
                self._wire = None
            else:
                self._pause = _FIRST_PAUSE
        return answers

    def open(self) -> None:
        """Connect now. StateError if that fails."""
        self._connected()

    def close(self) -> None:
        """Disconnect for good, and end the thread if there is one."""
        self._stop.set()
        mender = self._mender
        if mender is not None:
            mender.join(_LONGEST_PAUSE)
        with self._lock:
            wire, self._wire = self._wire, None
        if wire is not None:
            wire.disconnect()

    def _connected(self) -> _Wire:
        with self._lock:
            wire = self._wire
        if wire is None:
            if self._mender is not None and self._failure is not None:
                # One failure, raised many times: it must not grow a trace of all of them.
                raise self._failure.with_traceback(None) from None
        else:
            try:
                # Nothing is due: what can be read is the end of the connection.
                if not wire.can_read():
                    return wire
            except (RedisError, OSError):
                pass
            wire.disconnect()
            self._wire = None
        try:
            wire = self._connect()
        except (RedisError, OSError) as error:
            failure = self._explained(error)
            self._break(failure)
            raise failure from None
        self._wire = wire
        self.mended.set()
        return wire

    def _break(self, failure: StateError) -> None:
        """Give up the connection, and have a new one made behind the calls' back."""
        with self._lock:
            wire, self._wire = self._wire, None
            self._moved_to = None
            self._failure = failure
            self.mended.clear()
            start = not self._stop.is_set() and self._mender is None
            if start:
                self._mender = threading.Thread(target=self._mend, name="callgate-redis", daemon=True)
        if wire is not None:
            wire.disconnect()
        if start and self._mender is not None:
            self._mender.start()

    def _mend(self) -> None:
        wire = None
        while not self._stop.wait(self._pause):
            self._pause = min(2 * self._pause, _LONGEST_PAUSE)
            try:
                wire = self._connect()
            except (RedisError, OSError) as error:
                self._failure = self._explained(error)
                continue
            break
        with self._lock:
            self._mender = None
            if not self._stop.is_set():
                self._wire, wire = wire, None
                self.mended.set()
        if wire is not None:
            wire.disconnect()

    def _connect(self) -> _Wire:
        address = self._address
        options: dict[str, Any] = {
            "db": address.db,
            "username": address.username,
            "password": address.password.text if address.password is not None else None,
            "socket_timeout": address.timeout,
            "socket_connect_timeout": address.connect_timeout,
            "protocol": 2,
            "driver_info": None,
            "retry": Retry(NoBackoff(), 0),
        }
        if address.socket is not None:
            wire = cast(_Wire, _UNIX(path=address.socket, **options))
        else:
            host, port = self._find()
            self._connected_to = self._moved_to
            if address.tls:
                wire = cast(_Wire, _TLS(host=host, port=port, **options, **self._tls()))
            else:
                wire = cast(_Wire, _TCP(host=host, port=port, **options))
        try:
            wire.connect()
            # A server that wants a password says so in plain words only to a short command.
            wire.send_command("PING")
            wire.read_response(timeout=address.timeout)
        except ResponseError:
            pass  # An answer, if an unkind one: the calls will see for themselves.
        except BaseException:
            wire.disconnect()
            raise
        return wire

    def _find(self) -> tuple[str, int]:
        """Where to connect to: the host itself, or what the sentinels say."""
        address = self._address
        if address.master is None:
            return self._moved_to or address.hosts[0]
        options: dict[str, Any] = {
            "socket_timeout": address.timeout,
            "socket_connect_timeout": address.connect_timeout,
            "retry": Retry(NoBackoff(), 0),
            "protocol": 2,
            "ssl": address.tls,
        }
        if address.tls:
            options |= self._tls()
        sentinel = _SENTINEL(list(address.hosts), sentinel_kwargs=options)
        try:
            host, port = sentinel.discover_master(address.master)
        except MasterNotFoundError as error:
            raise LinkError(f"the sentinels name no master: {error}") from None
        finally:
            for client in sentinel.sentinels:
                client.close()
        return str(host), int(port)

    def _tls(self) -> dict[str, Any]:
        address = self._address
        return {
            "ssl_ca_certs": address.ca_certs,
            "ssl_certfile": address.client_cert,
            "ssl_keyfile": address.client_key,
        }

    def _explained(self, error: Exception) -> StateError:
        shown = self._address.shown
        if isinstance(error, LinkTimeout | TimeoutError):
            return stalled(shown, self._address.timeout)
        if isinstance(error, LinkError) and str(error).startswith("Connection closed by server"):
            return dropped(shown)
        return answer_failure(shown, error)
