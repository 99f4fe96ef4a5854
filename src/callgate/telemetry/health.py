"""What the gate answers when it is asked whether it lives and whether it can take calls. Pure; tells no secrets.

Whoever reaches the listener may ask, so an answer says which part fails and never why, where or with what text.
"""

from typing import Literal

import msgspec
from msgspec import Struct, field

Phase = Literal["starting", "serving", "draining"]
UpstreamState = Literal["unknown", "up", "down"]

ALIVE = (200, b'{"status":"alive"}')
"""The answer of `/healthz`: the process runs its loop."""


class Status(Struct, kw_only=True):
    """What the gate knows of itself. `store_open` says that the operator lets calls through without the store.

    `upstreams_required`: a server that is down makes the gate not ready. Left out by default: the other servers
    still work, and a gate taken out of the balancer for one server's sake is missed by all.
    """

    phase: Phase = "starting"
    self_test_failed: bool = False
    audit_failing: bool = False
    store_failing: bool = False
    store_open: bool = False
    keys_missing: bool = False
    upstreams: dict[str, UpstreamState] = field(default_factory=dict)
    upstreams_required: bool = False


class Readiness(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """The body of `/readyz`: `reasons` is empty if calls are taken; `warnings` do not keep the gate from it."""

    status: Literal["ready", "not ready"]
    reasons: tuple[str, ...] = ()
    warnings: tuple[str, ...] = ()
    servers: dict[str, UpstreamState] = field(default_factory=dict)


def readiness(status: Status) -> tuple[int, bytes]:
    """The answer of `/readyz`: 200 or 503, and a JSON body of the form `Readiness`."""
    reasons: list[str] = []
    warnings: list[str] = []
    if status.phase != "serving":
        reasons.append(status.phase)
    if status.self_test_failed:
        reasons.append("self-test failed")
    if status.audit_failing:
        reasons.append("audit failing")
    if status.keys_missing:
        reasons.append("keys of an issuer missing")
    if status.store_failing:
        (warnings if status.store_open else reasons).append("limit store failing")
    if "down" in status.upstreams.values():
        (reasons if status.upstreams_required else warnings).append("server down")
    body = Readiness(
        status="not ready" if reasons else "ready",
        reasons=tuple(reasons),
        warnings=tuple(warnings),
        servers=status.upstreams,
    )
    return (503 if reasons else 200), msgspec.json.encode(body)
