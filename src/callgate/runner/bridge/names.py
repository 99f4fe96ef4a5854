"""How a tool is called in a script: `mcp_<Server>_<tool>`, an identifier, unique, and the same each time.

Whose a function is must never depend on what another server lists: names that could be two servers' are kept apart by
the operator's names alone. Pure.
"""

import re
from collections.abc import Iterable, Sequence
from difflib import get_close_matches

from callgate.digest import lean as sha256
from callgate.text import quote

_OTHER = re.compile(r"[^A-Za-z0-9_]")
_DIGITS = 6
_SHOWN = 20


def identifier(text: str) -> str:
    """`text` with every character that identifiers of any language may lack as `_`."""
    return _OTHER.sub("_", text)


def server_prefixes(servers: Sequence[str]) -> dict[str, str]:
    """Server → what the names of its functions begin with. Of several that come to the same, the one that is spelled
    so keeps it, and the others are told apart by a digest."""
    return {server: f"mcp_{word}_" for server, word in _apart(servers).items()}


def function_names(server: str, tools: Iterable[str], prefixes: dict[str, str]) -> dict[str, str]:
    """Tool → function, for the tools that one server lists."""
    prefix = prefixes[server]
    longer = [other for other in prefixes.values() if other != prefix and other.startswith(prefix)]
    names: dict[str, str] = {}
    for tool, word in _apart(list(tools)).items():
        name = prefix + word
        if any(name.startswith(other) for other in longer):
            # It would read as a tool of the server with the longer name.
            name = f"{prefix}{_digest(tool, _DIGITS)}_{word}"
        names[tool] = name
    return names


def did_you_mean(name: str, known: Sequence[str]) -> str:
    """Which of the `known` servers may be meant, or which there are, in words."""
    folded = {one.lower(): one for one in known}
    close = get_close_matches(name.lower(), folded, n=1)
    if close:
        return f"did you mean {quote(folded[close[0]], 100)}?"
    if not known:
        return "there are no servers"
    more = ", ..." if len(known) > _SHOWN else ""
    return f"there are {', '.join(quote(one, 100) for one in known[:_SHOWN])}{more}"


def _apart(texts: Sequence[str]) -> dict[str, str]:
    """Text → identifier, each different."""
    wanted: dict[str, list[str]] = {}
    for text in dict.fromkeys(texts):
        wanted.setdefault(identifier(text), []).append(text)
    taken = set(wanted)
    found: dict[str, str] = {}
    for word, same in wanted.items():
        for text in same:
            if len(same) == 1 or text == word:
                found[text] = word
                continue
            digits = _DIGITS
            while (name := f"{word}_{_digest(text, digits)}") in taken:
                digits += 1
            taken.add(name)
            found[text] = name
    return {text: found[text] for text in dict.fromkeys(texts)}


def _digest(text: str, digits: int) -> str:
    return sha256(text.encode("utf-8", "surrogatepass")).hexdigest()[:digits]
