"""The operator's secrets: those that scripts may ask for, and all that must never be shown.

Read anew for every attempt, so that a rotated secret needs no restart. Never logs or raises a value.
"""

from collections.abc import Callable, Iterator

from callgate.config.model import ServeConfig, ServerConfig
from callgate.config.runner_model import RunnerConfig
from callgate.config.secret_model import Secret
from callgate.config.secrets import SecretError, read_secret
from callgate.runner.redaction import SHORTEST, Redactor

Log = Callable[[str, str], None]


class OperatorSecrets:
    """`jobs.parts.Secrets` over callgate.yaml."""

    def __init__(self, config: ServeConfig, runner: RunnerConfig, log: Log) -> None:
        """Raises SecretError (CFG059): one of the secrets for scripts is too short to be kept out of what they
        write."""
        self._named = dict(runner.secrets)
        self._servers = dict(_of_servers(config))
        self._log = log
        self._told: set[str] = set()
        self._known: dict[str, str] = {}
        self._redactor = Redactor(self._known)
        Redactor(self.read())

    def read(self) -> dict[str, str]:
        """Those that scripts may ask for."""
        return self._values(self._named)

    def everything(self) -> dict[str, str]:
        """Those and all that servers are given: what must not be shown."""
        return {**self._long(self._values(self._servers)), **self._values(self._named)}

    def redactor(self) -> Redactor:
        """What takes all of them out of texts. Made anew only when one has changed: that takes time."""
        known = self.everything()
        if known != self._known:
            self._redactor = Redactor(known)
            self._known = known
        return self._redactor

    def _values(self, secrets: dict[str, Secret]) -> dict[str, str]:
        found = {}
        for name, secret in secrets.items():
            try:
                found[name] = read_secret(secret)
            except SecretError as error:
                self._tell(name, f"the secret `{name}` cannot be read: {error.message}")
        return found

    def _long(self, values: dict[str, str]) -> dict[str, str]:
        """Servers may be given short ones; those cannot be told from other text."""
        for name, value in values.items():
            if len(value) < SHORTEST:
                self._tell(name, f"`{name}` is too short to be kept out of what scripts write")
        return {name: value for name, value in values.items() if len(value) >= SHORTEST}

    def _tell(self, name: str, text: str) -> None:
        if name not in self._told:
            self._told.add(name)
            self._log("warning", text)


def _of_servers(config: ServeConfig) -> Iterator[tuple[str, Secret]]:
    for server in config.servers:
        for name, value in _given(server):
            if isinstance(value, Secret):
                # What is secret is the token, not "Bearer " before it.
                yield f"{server.name}.{name}", Secret(env=value.env, file=value.file)


def _given(server: ServerConfig) -> Iterator[tuple[str, str | Secret]]:
    yield from server.env.items()
    yield from server.headers.items()
