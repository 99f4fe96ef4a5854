"""Which entries of a policy a tool name meets: as written, or only as a lookalike of what is written."""

from msgspec import Struct

from callgate.policy.lookalike import fold
from callgate.policy.model import Document, Tool
from callgate.policy.name_patterns import (
    Matcher,
    compile_lookalike_pattern,
    compile_pattern,
    is_everything,
    is_pattern,
)


class Entry(Struct, frozen=True):
    """One entry of `tools`; `index` is its place among them."""

    index: int
    tool: Tool
    is_everything: bool


class Met(Struct, frozen=True):
    """`resembles` means that the name is written otherwise than an entry or hidden name that it folds to."""

    entries: tuple[Entry, ...]
    hidden: bool
    resembles: bool


class _Patterns:
    """A set of exact names and patterns, asked by name."""

    def __init__(self) -> None:
        self._exact: dict[str, list[int]] = {}
        self._folded: set[str] = set()
        self._globs: list[tuple[Matcher, Matcher, str, int]] = []
        self._everything: list[int] = []

    def add(self, text: str, index: int) -> None:
        if is_everything(text):
            self._everything.append(index)
        elif is_pattern(text):
            matchers = compile_pattern(text), compile_lookalike_pattern(text)
            self._globs.append((*matchers, fold(text), index))
        else:
            self._exact.setdefault(text, []).append(index)
            self._folded.add(fold(text))

    def meet(self, name: str, folded: str) -> tuple[list[int], list[int], bool]:
        """Return what matches `name` exactly, what matches it as a pattern, and whether it only resembles some.

        A pattern that matches as written also answers for those that differ from it in looks alone: their
        author has told them apart.
        """
        exact = self._exact.get(name, [])
        resembles = not exact and folded in self._folded
        matched: list[int] = []
        known: set[str] = set()
        similar: set[str] = set()
        for matches, could_match, family, index in self._globs:
            if matches(name):
                matched.append(index)
                known.add(family)
            elif could_match(folded):
                similar.add(family)
        resembles = resembles or not similar <= known
        return exact, matched + self._everything, resembles


class NameIndex:
    """All names and patterns of a policy. `shown` is a name that no pattern hides."""

    def __init__(self, document: Document, shown: str | None = None) -> None:
        self._shown = shown
        self._entries = [
            Entry(index, tool, is_everything(tool.pattern)) for index, tool in enumerate(document.tools)
        ]
        self._tools = _Patterns()
        for entry in self._entries:
            self._tools.add(entry.tool.pattern, entry.index)
        self._hide = _Patterns()
        for index, (pattern, _) in enumerate(document.hide):
            self._hide.add(pattern, index)

    def meet(self, name: str) -> Met:
        """Return what the policy says of `name`.

        A hidden name is judged as one that no entry names exactly, so that it looks like an unknown tool. So is
        one that only resembles a hidden name: to be told so would be to be told that there is one.
        """
        folded = fold(name)
        exact, matched, resembles = self._tools.meet(name, folded)
        hiding, hiding_patterns, resembles_hidden = self._hide.meet(name, folded)
        if name == self._shown:
            resembles_hidden = False
        elif hiding or hiding_patterns or (resembles_hidden and not exact):
            return Met(tuple(self._entries[index] for index in matched), hidden=True, resembles=False)
        indexes = exact + matched
        return Met(
            tuple(self._entries[index] for index in indexes),
            hidden=False,
            resembles=resembles or resembles_hidden,
        )
