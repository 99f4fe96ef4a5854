"""Reads single values out of the located tree: strings, choices, lists, names, paths. Shared by all forms.

Every function records what is wrong and returns None, so that one pass finds every mistake of a file.
"""

from collections.abc import Callable, Collection, Mapping
from decimal import Decimal
from types import MappingProxyType
from typing import Any, TypeVar

from callgate.diagnostics import Source
from callgate.policy.findings import Findings, closest, did_you_mean, one_of
from callgate.policy.model import Path
from callgate.policy.pattern_syntax import pattern_problem
from callgate.policy.scalars import resolve
from callgate.policy.yaml_tree import ListNode, MapNode, Node, ScalarNode
from callgate.text import quote

T = TypeVar("T")

Fields = dict[str, tuple[ScalarNode, Node]]
"""The known keys of a mapping: name → (key, value)."""

MAX_NAME = 256
"""Characters of a tool's or rule's name."""

_KINDS = {
    "string": "text",
    "number": "a number",
    "boolean": "true or false",
    "bad number": "no usable number",
}


def describe(node: Node) -> str:
    """Say in words what `node` is, for `expected …, found …`."""
    if isinstance(node, MapNode):
        return "a mapping"
    if isinstance(node, ListNode):
        return "a list"
    if node.kind == "null":
        return "null" if node.text else "nothing"
    return f"{_KINDS[node.kind]} ({quote(node.text, 40)})"


def wrong_type(node: Node, expected: str, what: str, findings: Findings, help: str | None = None) -> None:
    """Record that `what` should have been `expected`."""
    if isinstance(node, ScalarNode) and node.kind == "bad number":
        number(node, what, findings)
        return
    findings.error("POL002", f"{what} must be {expected}, found {describe(node)}", node.source, help)


def mapping(node: Node, what: str, findings: Findings) -> MapNode | None:
    """Return `node` if it is a mapping."""
    if isinstance(node, MapNode):
        return node
    wrong_type(node, "a mapping", what, findings)
    return None


def items(node: Node, what: str, findings: Findings, help: str | None = None) -> tuple[Node, ...] | None:
    """Return the items of `node` if it is a list."""
    if isinstance(node, ListNode):
        return node.items
    wrong_type(node, "a list", what, findings, help)
    return None


def fields(
    node: MapNode,
    known: Collection[str],
    where: str,
    findings: Findings,
    elsewhere: Callable[[str], str | None] = lambda _key: None,
) -> Fields:
    """Return the known keys of `node`; every other key is an error.

    `where` ends the message ("in a rule of `x`"); `elsewhere` may know why a person wrote an unknown key.
    """
    found: Fields = {}
    for key, value in node.entries:
        if key.text in known:
            found[key.text] = (key, value)
            continue
        help = did_you_mean(key.text, known) or elsewhere(key.text) or f"the keys are {_listed(known)}"
        findings.error("POL001", f"unknown key {quote(key.text)} {where}", key.source, help)
    return found


def string(node: Node, what: str, findings: Findings) -> str | None:
    """Return a text; numbers and words such as `true` must be quoted to be one."""
    if isinstance(node, ScalarNode) and node.kind == "string":
        return node.text
    quoted = isinstance(node, ScalarNode) and node.text
    wrong_type(node, "text", what, findings, "quote it to make it text" if quoted else None)
    return None


def boolean(node: Node, what: str, findings: Findings) -> bool | None:
    """Return true or false; `yes`, `no`, `on` and `off` are texts."""
    if isinstance(node, ScalarNode) and isinstance(node.value, bool):
        return node.value
    help = None
    if isinstance(node, ScalarNode) and node.kind == "string":
        word = node.text.lower()
        if word in ("yes", "on", "y", "true"):
            help = "write `true`"
        elif word in ("no", "off", "n", "false"):
            help = "write `false`"
    wrong_type(node, "true or false", what, findings, help)
    return None


def number(node: Node, what: str, findings: Findings) -> int | Decimal | None:
    """Return an exact number."""
    if isinstance(node, ScalarNode):
        if node.kind == "number" and isinstance(node.value, int | Decimal):
            return node.value
        if node.kind == "bad number":
            findings.error(
                "POL024",
                f"{quote(node.text)} is not a number that can be exact",
                node.source,
                "write plain digits",
            )
            return None
    quoted = isinstance(node, ScalarNode) and not node.plain and resolve(node.text or "-")[0] == "number"
    wrong_type(node, "a number", what, findings, "write it without quotes" if quoted else None)
    return None


def choice(
    node: Node,
    choices: Collection[str],
    what: str,
    findings: Findings,
    hints: Mapping[str, str] = MappingProxyType({}),
) -> str | None:
    """Return one of a few words; `hints` says what to write instead of words from elsewhere."""
    text = string(node, what, findings)
    if text is None or text in choices:
        return text
    help = hints.get(text) or did_you_mean(text, choices)
    findings.error("POL003", f"{what} must be {one_of(choices)}, found {quote(text)}", node.source, help)
    return None


def name(node: Node, what: str, findings: Findings) -> str | None:
    """Return a name: not blank, printable, of bounded length."""
    text = string(node, what, findings)
    return text if text is not None and name_is_usable(text, what, node.source, findings) else None


def name_is_usable(text: str, what: str, source: Source, findings: Findings) -> bool:
    """Say whether `text` can be a name; record why not."""
    if not text.strip():
        findings.error("POL005", f"{what} must not be empty", source)
    elif not text.isprintable():
        findings.error(
            "POL005",
            f"{what} {quote(text)} holds a character that cannot be seen",
            source,
            "delete the character",
        )
    elif len(text) > MAX_NAME:
        findings.error("POL005", f"{what} is longer than {MAX_NAME} characters", source)
    else:
        return True
    return False


def pattern_is_usable(node: ScalarNode, what: str, findings: Findings) -> bool:
    """Say whether a tool name or glob can be used; record why not."""
    if not name_is_usable(node.text, what, node.source, findings):
        return False
    problem = pattern_problem(node.text)
    if problem is not None:
        source = node.source
        if node.plain and source.length == len(node.text):
            source = Source(source.file, source.line, source.column + problem.offset, 1)
        findings.error(
            "POL006",
            f"{quote(node.text)} is not a pattern: {problem.message}",
            source,
            "patterns use `*`, `?` and `[...]`; `[[]` is a literal bracket",
        )
    return problem is None


_ROOTS = ("identity", "session", "server", "tool")


def path(
    node: Node, what: str, findings: Findings, *, args_only: bool = False, also: str = ""
) -> Path | None:
    """Return a path such as `args.amount`, `tool` or `identity.team`; `also` is one more start that the help names."""
    text = string(node, what, findings)
    if text is None:
        return None
    parts = tuple(text.split("."))
    roots = ("args",) if args_only else ("args", "identity")
    if parts[0] in roots and len(parts) > 1 and all(parts) and text.isprintable():
        return parts
    if not args_only and len(parts) == 1 and text in _ROOTS:
        return parts
    findings.error(
        "POL040", f"{quote(text)} is not a path", node.source, _path_help(text, parts, args_only, also)
    )
    return None


def _path_help(text: str, parts: Path, args_only: bool, also: str) -> str:
    if parts[0] == "args":
        return "write `args.` and the argument's name; a part must not be empty"
    if parts[0] == "identity" and not args_only:
        return "write `identity`, or `identity.` and a claim's name; a part must not be empty"
    if parts[0] in _ROOTS and not args_only and len(parts) > 1:
        return f"{quote(parts[0])} has no parts"
    roots = ("args",) if args_only else ("args", *_ROOTS)
    near = closest(parts[0], roots)
    if near is not None and text not in _ROOTS:
        return (
            f"did you mean {quote('.'.join((near, *parts[1:])) if near in ('args', 'identity') else near)}?"
        )
    if args_only:
        return f"the path must start with `args.`{f' or {quote(also)}' if also else ''}"
    return f"write {quote('args.' + text, 60)} for an argument; other paths are {one_of(_ROOTS)}"


def plain(node: Node, findings: Findings) -> Any:
    """Return the value of a whole subtree as plain data; numbers that cannot be exact are errors."""
    if isinstance(node, MapNode):
        return {key.text: plain(value, findings) for key, value in node.entries}
    if isinstance(node, ListNode):
        return [plain(item, findings) for item in node.items]
    if node.kind == "bad number":
        number(node, "the value", findings)
    return node.value


def is_written_null(node: Node) -> bool:
    """Say whether nothing at all was written as a value, which is never the same as `null`."""
    return isinstance(node, ScalarNode) and node.kind == "null" and not node.text


def _listed(known: Collection[str]) -> str:
    return ", ".join(quote(key) for key in known)
