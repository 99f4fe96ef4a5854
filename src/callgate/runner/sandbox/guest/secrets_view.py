"""The secrets that a script was granted: read by name, never printed by accident."""

from collections.abc import Iterator, Mapping


class SecretsView(Mapping[str, str]):
    """A read-only mapping whose repr shows names only, and that says how a secret gets into it."""

    __slots__ = ("_values",)

    def __init__(self, values: dict[str, str]) -> None:
        self._values = values

    def __getitem__(self, name: str) -> str:
        try:
            return self._values[name]
        except KeyError:
            raise KeyError(f"there is no secret {name!r} here; name it in `required_secrets`") from None

    def __iter__(self) -> Iterator[str]:
        return iter(self._values)

    def __len__(self) -> int:
        return len(self._values)

    def __repr__(self) -> str:
        return f"<secrets {', '.join(sorted(self._values))}>"
