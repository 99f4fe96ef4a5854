"""All that a policy says of one tool name, ready to decide its calls.

Contributions of rules that do not look at the arguments are put together once for each caller; a call then costs
no more than the rules that do.
"""

from collections.abc import Iterable, Sequence

from callgate import denial_codes as code
from callgate.decision import Charge, Decision, Effect, Guard, Reason, Request
from callgate.policy.argument_names import ArgumentNames, argument_paths
from callgate.policy.rules import APPLIES, GRANTED, UNKNOWN, CompiledRule, Contribution
from callgate.text import quote

_ALLOW = Decision(Effect.ALLOW)
_Caller = tuple[str, str, str, str | None]


class Plan:
    """Decides calls of one tool name.

    `reasons` hold against every call of it. If `ungranted` is not None it is the reason to deny a call that no
    rule grants. The order of `rules` decides the order of charges, nothing else.
    """

    __slots__ = (
        "_all_known",
        "_base",
        "_latest",
        "_moving",
        "_names",
        "hidden",
        "needs_schema",
        "reasons",
        "rules",
        "ungranted",
    )

    def __init__(
        self,
        rules: Sequence[CompiledRule],
        reasons: tuple[Reason, ...],
        ungranted: Reason | None,
        *,
        hidden: bool,
    ) -> None:
        self.rules = tuple(rules)
        self.reasons = reasons
        self.ungranted = ungranted
        self.hidden = hidden
        self.needs_schema = any(rule.needs_schema for rule in rules)
        self._moving = tuple(rule.contribute for rule in rules if not rule.is_fixed)
        paths = [path for rule in rules for path in argument_paths(rule.rule)]
        self._names = ArgumentNames(paths) if paths else None
        self._all_known = None if self._names is None else self._names.all_known
        self._base: tuple[_Caller, Contribution, Decision] | None = None
        # The last single contribution that was added to the base, and the decision that came of both.
        self._latest: tuple[Contribution, Contribution, Decision] | None = None

    def decide(self, request: Request) -> Decision:
        """Return what the policy says of the call. May raise whatever a hostile request provokes."""
        caller = (request.session, request.identity, request.server, request.grant)
        base = self._base
        if base is None or base[0] != caller:
            # One assignment of a whole new tuple, so that threads can share a plan.
            base = self._base = self._fixed_for(caller, request)
        added: list[Contribution] | None = None
        for contribute in self._moving:
            found = contribute(request)
            if found is None or found is APPLIES or found is UNKNOWN or (found is GRANTED and base[1].grants):
                continue  # Adds nothing.
            if added is None:
                added = [base[1], found]
            else:
                added.append(found)
        all_known = self._all_known
        if all_known is not None and not all_known(request.arguments):
            misnamed = self._misnamed(request)
            if misnamed is not None:
                added = [*(added or (base[1],)), misnamed]
        if added is None:
            return base[2]
        if len(added) > 2:
            return self._settled(_together(added))
        latest = self._latest
        if latest is None or latest[0] is not added[0] or latest[1] is not added[1]:
            latest = self._latest = (*added, self._settled(_together(added)))  # type: ignore[assignment]
        return latest[2]  # type: ignore[index]

    def _fixed_for(self, caller: _Caller, request: Request) -> tuple[_Caller, Contribution, Decision]:
        """What the rules that do not look at arguments come to for one caller."""
        contributions = (rule.contribute(request) for rule in self.rules if rule.is_fixed)
        together = _together(found for found in contributions if found is not None)
        return caller, together, self._settled(together)

    def judge(
        self, request: Request
    ) -> tuple[Decision, tuple[tuple[CompiledRule, Contribution | None], ...]]:
        """Return the same decision, and what each rule had to say to it (None: the rule does not apply)."""
        # In the order in which `decide` puts contributions together.
        ordered = sorted(self.rules, key=lambda rule: not rule.is_fixed)
        judged = tuple((rule, rule.contribute(request)) for rule in ordered)
        added = [found for _, found in judged if found is not None]
        misnamed = self._misnamed(request)
        if misnamed is not None:
            added.append(misnamed)
        return self._settled(_together(added)), judged

    def _misnamed(self, request: Request) -> Contribution | None:
        """What an argument adds whose name only resembles one that the rules look at."""
        resembling = None if self._names is None else self._names.resembling(request.arguments)
        if resembling is None:
            return None
        used, meant = resembling
        text = f"the argument {quote(used)} only resembles {quote(meant)}, which the policy looks at; use that name"
        return Contribution(reasons=(Reason(Effect.DENY, code.CONFUSABLE_ARGUMENT, "", text),))

    def _settled(self, found: Contribution) -> Decision:
        reasons = self.reasons + found.reasons
        if self.ungranted is not None and not found.grants:
            reasons += (self.ungranted,)
        if not reasons:
            if not found.charges and not found.guards and not self.hidden:
                return _ALLOW
            return Decision(Effect.ALLOW, (), found.charges, found.guards, self.hidden)
        if len(reasons) > 1:
            reasons = tuple(sorted(set(reasons), key=_strictest_first))
        return Decision(reasons[0].effect, reasons, found.charges, found.guards, self.hidden)


def _together(contributions: Iterable[Contribution]) -> Contribution:
    reasons: tuple[Reason, ...] = ()
    charges: tuple[Charge, ...] = ()
    guards: tuple[Guard, ...] = ()
    grants = False
    for found in contributions:
        grants = grants or found.grants
        if found.reasons:
            reasons += found.reasons
        if found.charges:
            charges += found.charges
        if found.guards:
            guards += found.guards
    return Contribution(True, grants, reasons, charges, guards)


def _strictest_first(reason: Reason) -> tuple[int, str, str, str, int, int]:
    source = reason.source
    line, column = (source.line, source.column) if source is not None else (0, 0)
    return (-reason.effect, reason.code, reason.rule, reason.text, line, column)
