"""What all three forms have in common: `default` and `hide`."""

from typing import Literal

from callgate.diagnostics import Source
from callgate.policy.findings import Findings
from callgate.policy.values import Fields, choice, items, pattern_is_usable, string
from callgate.policy.yaml_tree import ScalarNode
from callgate.text import quote

_DEFAULT_HINTS = {
    **dict.fromkeys(("denied", "block", "blocked", "reject", "refuse", "none", "no", "off"), "write `deny`"),
    **dict.fromkeys(("allowed", "permit", "pass", "all", "yes", "on"), "write `allow`"),
}


def read_default(found: Fields, findings: Findings) -> Literal["allow", "deny"]:
    """Return the default; `allow` if the key is left out."""
    if "default" not in found:
        return "allow"
    word = choice(found["default"][1], ("allow", "deny"), "`default`", findings, _DEFAULT_HINTS)
    return "allow" if word == "allow" else "deny"


def read_hide(found: Fields, findings: Findings, *, exact: bool = False) -> tuple[tuple[str, Source], ...]:
    """Return the hidden tools; `exact` forms know no pattern but `*`, and no name twice."""
    if "hide" not in found:
        return ()
    hidden: dict[str, Source] = {}
    written = found["hide"][1]
    help = (
        f"write `[{written.text}]`" if isinstance(written, ScalarNode) and written.kind == "string" else None
    )
    for node in items(written, "`hide`", findings, help) or ():
        if string(node, "an entry of `hide`", findings) is None or not isinstance(node, ScalarNode):
            continue
        if exact:
            name_is_exact(node, findings)
        else:
            pattern_is_usable(node, "an entry of `hide`", findings)
        first = hidden.setdefault(node.text, node.source)
        if first is node.source:
            continue
        message, where = f"{quote(node.text)} is hidden twice", f"it is already listed on line {first.line}"
        if exact:
            findings.error("POL008", message, node.source, where)
        else:
            findings.warning("POL104", message, node.source, where)
    return tuple(hidden.items())


def name_is_exact(node: ScalarNode, findings: Findings) -> bool:
    """Say whether a name of a form without patterns can be used: `*`, or a name that is no pattern.

    Such a form would match `delete_*` against that very text, so the rule would protect nothing.
    """
    if node.text == "*":
        return True
    if any(character in node.text for character in "*?["):
        findings.error(
            "POL074",
            f"{quote(node.text)} is a pattern, but names in this form are exact",
            node.source,
            "name each tool, or use the native form",
        )
        return False
    return pattern_is_usable(node, "a tool's name", findings)
