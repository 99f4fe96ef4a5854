"""`validate`: are the arguments what the tool, and the policy, ask for? Whatever cannot be checked denies."""

from collections.abc import Callable
from typing import Any

from callgate import denial_codes as code
from callgate.decision import Effect, Reason, Request
from callgate.policy.model import Rule
from callgate.policy.numbers import doubles
from callgate.policy.paths import ABSENT
from callgate.policy.toolschema import SchemaProblem, ToolSchema
from callgate.policy.wording import because, names
from callgate.text import quote

Check = Callable[[Request], Reason | None]


def compile_validate(rule: Rule, label: str) -> tuple[Check, ...]:
    """Return the checks of the rule's `validate`; each gives the reason to deny, or None."""
    validate = rule.validate
    if validate is None:
        return ()

    def deny(reason_code: str, text: str) -> Reason:
        return Reason(Effect.DENY, reason_code, label, because(rule.reason, text), validate.source)

    checks: list[Check] = []
    if validate.required_args:
        checks.append(_required(deny))
    if validate.schema:
        checks.append(_schema(deny))
    for name, schema in validate.args:
        checks.append(_argument(name, ToolSchema(schema, name=name, strict_formats=True), deny))
    return tuple(checks)


Deny = Callable[[str, str], Reason]


def _required(deny: Deny) -> Check:
    def check(request: Request) -> Reason | None:
        if request.schema is None:
            return _unknown(request, deny)
        try:
            missing = request.schema.missing_required(request.arguments)
        except SchemaProblem as problem:
            return _unusable(request, problem, deny)
        if not missing:
            return None
        word = "argument" if len(missing) == 1 else "arguments"
        return deny(code.ARGUMENT_MISSING, f"{quote(request.tool)} needs the {word} {names(missing)}")

    return check


def _schema(deny: Deny) -> Check:
    def check(request: Request) -> Reason | None:
        if request.schema is None:
            return _unknown(request, deny)
        try:
            violation = _violation(request.schema, request.arguments)
        except SchemaProblem as problem:
            return _unusable(request, problem, deny)
        if violation is None:
            return None
        return deny(
            code.ARGUMENT_INVALID, f"{quote(request.tool)} was called with wrong arguments: {violation}"
        )

    return check


def _argument(name: str, schema: ToolSchema, deny: Deny) -> Check:
    def check(request: Request) -> Reason | None:
        value = request.arguments.get(name, ABSENT)
        if value is ABSENT:
            return None
        try:
            violation = _violation(schema, value)
        except SchemaProblem as problem:
            text = f"the policy's schema for {quote(name)} cannot be used: {problem}"
            return deny(code.SCHEMA_UNUSABLE, text)
        if violation is None:
            return None
        return deny(
            code.ARGUMENT_INVALID, f"{quote(request.tool)} was called with a wrong argument: {violation}"
        )

    return check


def _violation(schema: ToolSchema, value: Any) -> str | None:
    """Return what is wrong with `value`, be its numbers read exactly or as doubles. Raises SchemaProblem."""
    violation = schema.first_violation(value)
    if violation is None:
        other = doubles(value)
        if other is not value:
            return schema.first_violation(other)
    return violation


def _unknown(request: Request, deny: Deny) -> Reason:
    return deny(
        code.SCHEMA_UNKNOWN,
        f"the server has given no input schema for {quote(request.tool)}; list its tools first",
    )


def _unusable(request: Request, problem: SchemaProblem, deny: Deny) -> Reason:
    return deny(code.SCHEMA_UNUSABLE, f"the input schema of {quote(request.tool)} cannot be used: {problem}")
