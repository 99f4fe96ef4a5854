"""No audit: every record is accepted and forgotten. For tests and for gates that are told to keep none."""

from collections.abc import Sequence

from callgate.audit.record import Record


class NullAudit:
    """Has the methods of `JsonlAudit` and writes nothing."""

    def append(self, records: Sequence[Record]) -> None:
        """Forget `records`."""

    def close(self) -> None:
        """Do nothing."""
