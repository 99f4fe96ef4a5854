"""Who calls: made by authentication, read by policies, limits and the audit. Data only.

Nothing that a client says of itself in MCP (`clientInfo`, say) ever becomes part of it.
"""

from typing import Any

from msgspec import Struct, field


class Principal(Struct, frozen=True):
    """One caller.

    `identity` is its name in rules, limits and the audit: unique over all ways of authentication. `proven` is
    False for callers that nobody authenticated. `claims` holds what the credential says (JSON values), read by
    rules as `identity.NAME`. `expires_at` is when the credential ends, in seconds since 1970, None for never.
    """

    identity: str
    proven: bool = False
    claims: dict[str, Any] = field(default_factory=dict)
    expires_at: float | None = None


ANONYMOUS = Principal("anonymous")
"""Whoever reaches a listener that asks nobody who they are."""
