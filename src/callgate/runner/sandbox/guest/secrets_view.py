"""The secrets that a script was granted: read by name, never printed by accident."""

from collections.abc import Iterator, Mapping


class SecretsView(Mapping[str, str]):
    """A read-only mapping whose repr shows names only."""

    __slots__ = ("_values",)

    def __init__(self, values: dict[str, str]) -> None:
        self._values = values

    def __getitem__(self, name: str) -> str:
        return self._values[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._values)

    def __len__(self) -> int:
        return len(self._values)

    def __repr__(self) -> str:
        return f"<secrets {', '.join(sorted(self._values))}>"
