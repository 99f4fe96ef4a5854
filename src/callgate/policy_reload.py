"""Read the changed policy file of a gate that guards one agent; a bad edit is told of loudly and the old one stays.

Knows nothing of event loops: the descriptor is watched by whoever has one.
"""

from callgate.diagnostics import Diagnostic
from callgate.errors import CallgateError, PolicyError
from callgate.gate.admit import Gate
from callgate.policy.compile import Policy
from callgate.policy.model import Document
from callgate.policyloader import PolicyLoad
from callgate.proxy.selftest import refuses, with_canary
from callgate.proxy.state import Log
from callgate.text import escape


class PolicyReload:
    """Reads the changed policy file beside the relay; a bad one is refused loudly and the old one stays (law 7)."""

    def __init__(self, path: str, canary: str, gate: Gate, log: Log) -> None:
        self._path = path
        self._canary = canary
        self._gate = gate
        self._log = log
        self._load: PolicyLoad | None = None

    def start(self) -> int | None:
        try:
            self._load = PolicyLoad(self._path)
        except OSError as error:
            # Out of descriptors or processes: the change is told of again, and tried again.
            self._log("error", f"the changed policy cannot be read now, the old one stays: {error.strerror}")
            return None
        return self._load.fd

    def expire(self) -> None:
        if self._load is not None:
            self._load.expire()

    def feed(self) -> bool:
        return self._load is None or self._load.feed()

    def finish(self) -> Policy | None:
        load, self._load = self._load, None
        if load is None:
            return None
        try:
            document = load.result()
            if not load.is_current():
                # It was written to while it was read, and may be half of what it is meant to be. The watch sees it.
                return None
            policy = with_canary(document, self._canary)
            if not refuses(policy, self._canary):
                raise CallgateError("SELF001", "the self-test of the new policy failed")
        except CallgateError as error:
            self._refuse(error)
            return None
        show_warnings(document, self._log)
        self._log("banner", f"{summary(document)} is in force now")
        self._gate.event("policy_reloaded", None, summary(document))
        return policy

    def _refuse(self, error: CallgateError) -> None:
        lines = [f"[{error.code}] {escape(error.message)}"]
        if isinstance(error, PolicyError):
            lines = [_line(finding) for finding in error.diagnostics]
        for line in lines:
            self._log("error", line)
        self._log("error", "the changed policy is not in force: the old one stays")
        self._gate.event("policy_refused", error.code, error.message)


def show_warnings(document: Document, log: Log) -> None:
    """Log what the policy's author should look at."""
    for warning in document.warnings:
        log("warning", _line(warning))


def summary(document: Document) -> str:
    """The policy in a few words."""
    rules = sum(len(tool.rules) for tool in document.tools)
    return f"policy {document.revision[:7]} ({rules} rule{'' if rules == 1 else 's'}, default {document.default})"


def _line(finding: Diagnostic) -> str:
    source = finding.source
    place = f"{source.file}:{source.line}:{source.column}: " if source else ""
    return escape(f"{place}[{finding.code}] {finding.message}")
