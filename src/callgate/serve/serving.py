"""The life of one serving process: accept, keep time, take changed files in, drain, end.

Law 7: a bad edit never replaces what is in force. Everything under way is finished or recorded before the end.
"""

from asyncio import AbstractEventLoop
from collections.abc import Callable, Mapping
from typing import Protocol

from callgate.auth.authenticator import Authenticator
from callgate.auth.credentials import read_credentials
from callgate.auth.hosts import Hosts
from callgate.config.loaded import Loaded
from callgate.config.model import ServeConfig, files_of
from callgate.config.reload import ConfigReload, changes, one_line
from callgate.config.watch import POLL_SECONDS, ChangedFile, FilesWatch
from callgate.errors import AuditError, CallgateError, ConfigError, StateError
from callgate.policy.compile import Policy
from callgate.serve.front import Front, Page
from callgate.serve.in_force import FIXED
from callgate.serve.judging import Usage
from callgate.serve.revoking import Revoking
from callgate.serve.shared import Guarded, Shared
from callgate.telemetry.contract import Levels
from callgate.telemetry.health import Phase, Status
from callgate.telemetry.metrics import Metrics
from callgate.telemetry.workers import Workers
from callgate.text import escape

HEARTBEAT_SECONDS = 15.0
SECOND = 1.0
USAGE_SECONDS = 5.0
_KEYS = {"state_failure": "on_state_failure"}


class Accepts(Protocol):
    """The listener, as this module needs it."""

    @property
    def connections(self) -> int: ...

    def stop_accepting(self, drained: Callable[[], None]) -> None: ...

    def close(self) -> None: ...

    def reload_tls(self) -> None: ...


class Serving:
    """Owns the timers.

    `make` builds a guarded server of a configuration and a policy document, self-tested. `keep` is given what is about
    to be in force; it may raise StateError.
    """

    def __init__(
        self,
        loop: AbstractEventLoop,
        loaded: Loaded,
        shared: Shared,
        metrics: Metrics,
        workers: Workers,
        authenticator: Authenticator,
        front: Front,
        make: Callable[[Loaded, str], Guarded],
        make_pages: Callable[[ServeConfig, Hosts], Mapping[str, Page]],
        adjust: Callable[[ServeConfig], ServeConfig],
        keep: Callable[[Loaded], None],
    ) -> None:
        self._loop = loop
        self._loaded = loaded
        self._shared = shared
        self._metrics = metrics
        self._workers = workers
        self._authenticator = authenticator
        self._front = front
        self._generation = authenticator.generation
        self._revoking = Revoking(loop, shared.streams, authenticator.identify)
        self._make = make
        self._make_pages = make_pages
        self._adjust = adjust
        self._keep = keep
        self._listener: Accepts | None = None
        self._reload = ConfigReload(loaded.config.path, shared.log)
        self._watch = FilesWatch(loaded.config, shared.clock, loaded.seen)
        self._phase: Phase = "starting"
        self._ended: Callable[[], None] | None = None
        self._retired: list[Guarded] = []
        self._renewed: set[str] = set()
        """Secrets and authorities' certificates that changed and are not in force yet."""

    # What operators see.

    @property
    def accepting(self) -> bool:
        """Whether new requests are let in."""
        return self._phase == "serving"

    def status(self) -> Status:
        """What `/readyz` answers with."""
        return Status(
            phase=self._phase,
            audit_failing=self._shared.judging.audit_failed,
            store_failing=self._shared.judging.store_failed,
            store_open=self._loaded.config.state_failure == "allow",
            keys_missing=not self._authenticator.ready,
            upstreams={one.name: one.health for one in self._front.servers.values()},
        )

    def levels(self) -> Levels:
        """What there is now of what comes and goes."""
        guarded = self._front.servers.values()
        return Levels(
            children={one.name: one.upstream.children for one in guarded},
            in_flight={one.name: one.upstream.in_flight for one in guarded},
            streams=len(self._shared.streams),
            connections=0 if self._listener is None else self._listener.connections,
            audit_failing=self._shared.judging.audit_failed,
            store_failing=self._shared.judging.store_failed,
            policies={one.name: one.policy.revision for one in guarded},
        )

    # Life.

    def ready(self) -> None:
        """Whoever connects from now on is served."""
        self._phase = "serving"

    def begin(self, listener: Accepts) -> None:
        """The listener accepts: keep time from now on."""
        self._listener = listener
        self._every(POLL_SECONDS, self._look)
        self._every(SECOND, self._second)
        self._every(HEARTBEAT_SECONDS, self._heartbeat)
        self._every(USAGE_SECONDS, lambda: self._shared.judging.usage(self._limits))

    def drain(self, ended: Callable[[], None]) -> None:
        """Let in no more, let what is under way end, then call `ended`. A second time ends at once."""
        if self._phase == "draining":
            self._drained()
            return
        self._phase = "draining"
        self._ended = ended
        self._reload.cancel()
        self._shared.log("notice", "ending: calls under way may finish, new ones are refused")
        if self._listener is not None:
            self._listener.stop_accepting(self._drained)
        # A stream that nobody is answered on would never end by itself.
        for stream in list(self._shared.streams):
            stream.drain()
        self._loop.call_later(self._loaded.config.drain, self._drained)

    def _drained(self) -> None:
        ended, self._ended = self._ended, None
        if ended is None:
            return
        if self._shared.calls:
            text = f"calls that were cut off, as they had not ended: {self._shared.calls}"
            self._shared.log("warning", text, event="cut_off")
        for stream in list(self._shared.streams):
            stream.expire()
        if self._listener is not None:
            self._listener.close()
        for guarded in (*self._front.servers.values(), *self._retired):
            guarded.close()
        self._retired.clear()
        self._shared.unanswered.end()
        self._front.turned_away.end()
        self._shared.refusals.end()
        self._shared.judging.event("gate_stopped", None, "told to end")
        self._workers.publish()
        self._shared.judging.finish(ended)

    def _every(self, seconds: float, do: Callable[[], None]) -> None:
        def again() -> None:
            if self._ended is None and self._phase == "draining":
                return
            do()
            self._loop.call_later(seconds, again)

        self._loop.call_later(seconds, again)

    def _second(self) -> None:
        self._authenticator.tick()
        self._credentials_replaced()
        self._revoking.tick()
        self._front.turned_away.tick()
        self._shared.refusals.tick()
        self._workers.publish()

    def _heartbeat(self) -> None:
        now = self._shared.clock.wall_ns() / 1e9
        for stream in list(self._shared.streams):
            until = stream.caller.expires_at
            if until is not None and until <= now:
                stream.expire()
            else:
                stream.heartbeat()
        self._shared.unanswered.expire()

    def _limits(self, usage: Usage) -> None:
        for server, rule, used, most in usage:
            self._metrics.limit(server, rule, used, most)

    def audit_changed(self, error: AuditError | None) -> None:
        """The audit began or ended to fail."""
        if error is None:
            self._shared.log("warning", "the audit can be written again", event="audit")
        else:
            text = f"[{error.code}] {error.message}; no call is forwarded until the audit can be written"
            self._shared.log("error", text, event="audit", code=error.code)

    def store_changed(self, error: StateError | None) -> None:
        """The limit store began or ended to fail."""
        if error is None:
            self._shared.log("warning", "the limit store answers again", event="state")
        else:
            lenient = self._loaded.config.state_failure == "allow"
            told = "let through uncounted" if lenient else "denied"
            text = (
                f"[{error.code}] {error.message}; calls that have to be counted are {told} until it answers"
            )
            self._shared.log("error", text, event="state", code=error.code)

    # Changed files.

    def _look(self) -> None:
        self._reload.expire()
        changed = self._watch.poll()
        if self._phase != "serving" or not changed:
            return
        for file in changed:
            self._shared.log("debug", f"{file.path} has changed", event="changed")
        if any(file.kind in ("config", "policy", "secret", "ca") for file in changed):
            self._renewed.update(file.path for file in changed if file.kind in ("secret", "ca"))
            self._read_again(changed)
        if any(file.kind in ("keys", "jwks") for file in changed):
            self._read_credentials()
        if any(file.kind == "tls" for file in changed) and self._listener is not None:
            self._try("certificate", self._listener.reload_tls)

    def _read_again(self, changed: tuple[ChangedFile, ...]) -> None:
        if self._reload.fd is not None:
            self._loop.remove_reader(self._reload.fd)
        fd = self._reload.start()
        if fd is None:
            for file in changed:
                self._watch.unread(file.path)
            return
        self._loop.add_reader(fd, self._feed, fd)

    def _feed(self, fd: int) -> None:
        if not self._reload.feed():
            return
        self._loop.remove_reader(fd)
        loaded = self._reload.finish()
        if loaded is not None:
            self._take_in(loaded)
        elif self._reload.refused is not None:
            refused = self._reload.refused
            self._watch.also(refused.seen)
            self._shared.judging.event("policy_refused", refused.code, refused.message)

    def _take_in(self, loaded: Loaded) -> None:
        """Put what was read in force: everything, or nothing of it."""
        old = self._loaded.config
        try:
            new = self._adjust(loaded.config)
            changed = changes(old, new)
            if (old.auth is None) != (new.auth is None):
                raise CallgateError("CFG092", "whether callers are authenticated cannot change while serving")
            credentials = read_credentials(new.auth) if "auth" in changed and new.auth is not None else None
            loaded = Loaded(new, loaded.documents, loaded.seen)
            servers, gone, policies = self._servers(loaded)
        except CallgateError as error:
            self._shared.log("error", f"[{error.code}] {escape(error.message)}", event="reload")
            self._shared.log("error", "the changed files are not in force: what was read before stays")
            self._shared.judging.event("policy_refused", error.code, error.message)
            if isinstance(error, StateError):
                # No file is at fault.
                self._watch.unread(old.path)
            return
        # Nothing is replaced before everything has proven itself, and nothing fails from here on.
        later = [key for key in changed if key in FIXED or key in ("listen.host", "listen.port")]
        if later:
            told = ", ".join(f"`{_KEYS.get(key, key)}`" for key in later)
            self._shared.log("warning", f"{told} changed: that counts after a restart", event="reload")
        if credentials is not None:
            self._authenticator.use(credentials)
        self._front.turn += 1
        for guarded, policy in policies:
            self._replace_policy(guarded, policy)
        self._loaded = loaded
        renewed, self._renewed = self._renewed, set()
        self._watch.follow(new, loaded.seen)
        self._front.servers = servers
        self._front.hosts = hosts = Hosts(new.listen, None if new.auth is None else new.auth.resource)
        self._front.pages = self._make_pages(new, hosts)
        for guarded in gone:
            self._retire(guarded, new.drain)
        if new.revision != old.revision:
            self._shared.log("notice", f"configuration {new.revision} is in force now", event="reload")
        elif renewed:
            self._shared.log("notice", "the changed secrets are in force now", event="reload")

    def _servers(
        self, loaded: Loaded
    ) -> tuple[dict[str, Guarded], list[Guarded], list[tuple[Guarded, Policy]]]:
        """The servers of a new configuration, those that did not change as they are; those that are no more; and
        the policies that are to be replaced in those that stay. Replaces nothing. Raises CallgateError."""
        before = {guarded.name: guarded for guarded in self._front.servers.values()}
        found: dict[str, Guarded] = {}
        fresh: list[Guarded] = []
        policies: list[tuple[Guarded, Policy]] = []
        try:
            for config in loaded.config.servers:
                guarded = before.get(config.name)
                made = self._make(loaded, config.name)
                if guarded is None or guarded.config != config or self._renewed & files_of(config):
                    fresh.append(made)
                    found[f"/{config.name}/mcp"] = made
                    continue
                made.upstream.close()
                found[f"/{config.name}/mcp"] = guarded
                if guarded.policy.revision != made.policy.revision:
                    policies.append((guarded, made.policy))
            self._keep(loaded)
        except CallgateError:
            for made in fresh:
                made.close()
            raise
        kept = list(found.values())
        return found, [guarded for guarded in before.values() if guarded not in kept], policies

    def _retire(self, guarded: Guarded, seconds: float) -> None:
        """End a server that is no more, when what is under way there has ended, or after so many seconds."""
        self._retired.append(guarded)
        for stream in list(self._shared.streams):
            if stream.guarded is guarded:
                stream.drain()
        left = seconds

        def look() -> None:
            nonlocal left
            left -= SECOND
            if guarded.upstream.in_flight and left > 0 and self._phase == "serving":
                self._loop.call_later(SECOND, look)
            elif guarded in self._retired:
                self._retired.remove(guarded)
                guarded.close()

        look()

    def _replace_policy(self, guarded: Guarded, policy: Policy) -> None:
        old, guarded.policy = guarded.policy, policy
        text = f"policy {guarded.policy.revision[:7]} of {guarded.name}"
        self._shared.log("notice", f"{text} is in force now", event="reload", server=guarded.name)
        self._shared.judging.event("policy_reloaded", None, text, None, guarded.policy.revision)
        names = {name for tools in guarded.tools.values() for name in tools.names}
        if any(old.hides(name) != guarded.policy.hides(name) for name in names):
            for stream in list(self._shared.streams):
                if stream.guarded is guarded:
                    stream.announce()

    def _read_credentials(self) -> None:
        auth = self._loaded.config.auth
        if auth is not None:
            self._try("keys", lambda: self._authenticator.use(read_credentials(auth)))
            self._credentials_replaced()

    def _credentials_replaced(self) -> None:
        if self._authenticator.generation != self._generation:
            self._generation = self._authenticator.generation
            self._front.turn += 1
            self._revoking.begin()

    def _try(self, what: str, do: Callable[[], None]) -> None:
        try:
            do()
        except CallgateError as error:
            told = error.diagnostics if isinstance(error, ConfigError) else ()
            found = next((one_line(each) for each in told if each.severity == "error"), None)
            text = f"{found or f'[{error.code}] {escape(error.message)}'}; the {what} in force stay"
            self._shared.log("error", text, event="reload", code=error.code)
        else:
            self._shared.log("notice", f"the changed {what} are in force now", event="reload")
