"""Finds functions that scripts may call, and writes their signatures. Pure.

Names and descriptions are what servers say of their tools; they are passed on as the servers' own lists would be.
"""

import json
import re
from collections.abc import Sequence
from difflib import get_close_matches
from typing import Any

from callgate.runner.bridge.contract import ToolInfo
from callgate.text import quote

MAX_SUMMARY = 200

_WORD = re.compile(r"[^\W_]+")
_CAMEL = re.compile(r"(?<=[a-z0-9])(?=[A-Z])")
_TYPES = {
    "string": "str",
    "integer": "int",
    "number": "float",
    "boolean": "bool",
    "array": "list",
    "object": "dict",
    "null": "None",
}


def search(tools: Sequence[ToolInfo], query: str) -> list[ToolInfo]:
    """The tools that have a word of the query, best first; all, in order, for a query without words.

    A word counts most in a tool's name, then in its server's, its parameters' and its description; a part of a word
    counts half.
    """
    wanted = list(dict.fromkeys(_words(query)))
    if not wanted:
        return list(tools)
    scored = []
    for tool in tools:
        fields = (
            (8.0, _words(tool.tool)),
            (4.0, _words(tool.server)),
            (2.0, _words(" ".join(_properties(tool)))),
            (1.0, _words(tool.description)),
        )
        # A tool that has more of the words comes first, wherever it has them.
        scores = [_score(word, fields) for word in wanted]
        if any(scores):
            scored.append((sum(map(bool, scores)), sum(scores), tool))
    scored.sort(key=lambda each: (-each[0], -each[1], each[2].function))
    return [tool for _, _, tool in scored]


def found(tool: ToolInfo) -> dict[str, Any]:
    """One line of a search's answer."""
    line: dict[str, Any] = {
        "name": tool.function,
        "server": tool.server,
        "signature": signature(tool),
        "summary": _summary(tool.description),
    }
    read_only = (tool.annotations or {}).get("readOnlyHint")
    if isinstance(read_only, bool):
        line["read_only"] = read_only
    return line


def details(tool: ToolInfo) -> dict[str, Any]:
    """All that is known of one function."""
    known: dict[str, Any] = {
        "name": tool.function,
        "server": tool.server,
        "tool": tool.tool,
        "signature": signature(tool),
        "description": tool.description,
        "input_schema": tool.input_schema,
    }
    if tool.output_schema is not None:
        known["output_schema"] = tool.output_schema
    if tool.annotations is not None:
        known["annotations"] = tool.annotations
    if tool.never_allowed:
        known["never_allowed"] = True
    return known


def unknown(name: str, tools: Sequence[ToolInfo]) -> dict[str, Any]:
    """What to say of a name that there is no function for."""
    close = get_close_matches(name, [tool.function for tool in tools], n=3)
    return {"name": name, "did_you_mean": close} if close else {"name": name}


def unknown_servers(wanted: Sequence[str], servers: Sequence[str]) -> list[dict[str, Any]]:
    """The same of names of servers."""
    folded = {name.lower(): name for name in servers}
    found: list[dict[str, Any]] = []
    for name in dict.fromkeys(wanted):
        if name not in servers:
            close = [folded[each] for each in get_close_matches(name.lower(), folded, n=3)]
            found.append({"name": name, "did_you_mean": close} if close else {"name": name})
    return found


def signature(tool: ToolInfo) -> str:
    """The function as a line of Python: `mcp_Git_log(*, repo: str, max_count: int = 10) -> dict`."""
    properties = _properties(tool)
    required = tool.input_schema.get("required")
    needed = {name for name in required if isinstance(name, str)} if isinstance(required, list) else set()
    parts = [f"{name}: {_type(properties[name])}" for name in properties if name in needed]
    parts += [f"{name}: {_type(properties[name])} = ..." for name in properties if name not in needed]
    result = "dict" if tool.output_schema is not None else "Any"
    return f"{tool.function}({', '.join(['*', *parts] if parts else [])}) -> {result}"


def _properties(tool: ToolInfo) -> dict[str, Any]:
    properties = tool.input_schema.get("properties")
    return properties if isinstance(properties, dict) else {}


def _type(schema: Any) -> str:
    kind = schema.get("type") if isinstance(schema, dict) else None
    kinds = kind if isinstance(kind, list) else [kind]
    return " | ".join(
        dict.fromkeys(_TYPES.get(each, "Any") if isinstance(each, str) else "Any" for each in kinds)
    )


def _score(word: str, fields: Sequence[tuple[float, list[str]]]) -> float:
    best = 0.0
    for weight, words in fields:
        if word in words:
            best = max(best, weight)
        elif len(word) >= 3 and any(word in each for each in words):
            best = max(best, weight / 2)
    return best


def _words(text: str) -> list[str]:
    return [word.lower() for word in _WORD.findall(_CAMEL.sub(" ", text))]


def _summary(description: str) -> str:
    line = description.strip().partition("\n")[0]
    return line if len(line) <= MAX_SUMMARY else line[: MAX_SUMMARY - 1] + "…"


def details_text(described: Sequence[dict[str, Any]], missing: Sequence[dict[str, Any]]) -> str:
    """The answer of `getToolDetails` in few words: what is needed to write the call."""
    parts = [
        "\n".join(
            (
                each["signature"],
                *(["(the policy denies every call of it)"] if "never_allowed" in each else []),
                each["description"],
                json.dumps(each["input_schema"], ensure_ascii=False),
            )
        )
        for each in described
    ]
    for each in missing:
        close = each.get("did_you_mean")
        parts.append(
            f"no function {quote(each['name'])}" + (f"; did you mean {', '.join(close)}?" if close else "")
        )
    return "\n\n".join(parts)
