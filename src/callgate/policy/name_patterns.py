"""Tool-name patterns as matchers: `*` any run of characters, `?` one, `[a-c]` or `[!a-c]` one of a set.

Anchored at both ends; case counts. Matching takes time in the product of the two lengths at worst, whatever
the name. A bracket that is never closed stands for itself.
"""

from collections.abc import Callable

from callgate.policy.lookalike import fold

Matcher = Callable[[str], bool]
_One = Callable[[str], bool]
_Part = str | tuple[_One, ...]
"""What must follow without a gap: plain text, or one test for each character."""


def is_pattern(text: str) -> bool:
    """Whether `text` can match a name other than itself."""
    return any(character in text for character in "*?[")


def is_everything(text: str) -> bool:
    """Whether `text` is `*`, however often the star is repeated."""
    return text != "" and text.strip("*") == ""


def compile_pattern(pattern: str) -> Matcher:
    """Return the function that says whether a name matches `pattern` as written."""
    return _compile(pattern, folded=False)


def compile_lookalike_pattern(pattern: str) -> Matcher:
    """Return the function that says whether a folded name (`lookalike.fold`) could be one that matches."""
    return _compile(pattern, folded=True)


def _compile(pattern: str, *, folded: bool) -> Matcher:
    parts = [_part(part, folded=folded) for part in _split(pattern)]
    if len(parts) == 1:
        whole = parts[0]
        return lambda name: len(name) == len(whole) and _fits(whole, name, 0)
    first, last = parts[0], parts[-1]
    middle = [part for part in parts[1:-1] if part]
    shortest = len(first) + len(last)

    def matches(name: str) -> bool:
        end = len(name) - len(last)
        if len(name) < shortest or not _fits(first, name, 0) or not _fits(last, name, end):
            return False
        position = len(first)
        for part in middle:
            position = _find(part, name, position, end)
            if position < 0:
                return False
            position += len(part)
        return True

    return matches


_Token = str | tuple[str]
"""A character, or a 1-tuple with `?` or the text of a set."""


def _split(pattern: str) -> list[list[_Token]]:
    """The runs of tokens between the stars."""
    parts: list[list[_Token]] = [[]]
    position = 0
    while position < len(pattern):
        character = pattern[position]
        close = pattern.find(
            "]", position + 3 if pattern[position + 1 : position + 2] == "!" else position + 2
        )
        if character == "*":
            parts.append([])
        elif character == "?":
            parts[-1].append(("?",))
        elif character == "[" and close > 0:
            parts[-1].append((pattern[position + 1 : close],))
            position = close
        else:
            parts[-1].append(character)
        position += 1
    return parts


def _part(tokens: list[_Token], *, folded: bool) -> _Part:
    if all(isinstance(token, str) for token in tokens):
        text = "".join(str(token) for token in tokens)
        return fold(text) if folded else text
    tests: list[_One] = []
    for token in tokens:
        if isinstance(token, tuple):
            tests.append(_any if token[0] == "?" else _set(token[0], folded=folded))
        else:
            tests.extend(_same(character) for character in (fold(token) if folded else token))
    return tuple(tests)


def _any(character: str) -> bool:  # noqa: ARG001
    return True


def _same(wanted: str) -> _One:
    return lambda character: character == wanted


def _set(text: str, *, folded: bool) -> _One:
    negated = text[:1] == "!"
    body = text[1:] if negated else text
    ranges: list[tuple[str, str]] = []
    position = 0
    while position < len(body):
        if body[position + 1 : position + 2] == "-" and position + 2 < len(body):
            ranges.append((body[position], body[position + 2]))
            position += 3
        else:
            ranges.append((body[position], body[position]))
            position += 1

    def member(character: str) -> bool:
        return any(low <= character <= high for low, high in ranges) is not negated

    if folded:
        return lambda character: member(character) or member(character.upper())
    return member


def _fits(part: _Part, name: str, position: int) -> bool:
    """Whether `part` matches `name` at `position`; it must not reach over the end."""
    if isinstance(part, str):
        return name.startswith(part, position)
    return all(test(name[position + index]) for index, test in enumerate(part))


def _find(part: _Part, name: str, position: int, end: int) -> int:
    """The first place from `position` on where `part` matches before `end`, or -1."""
    if isinstance(part, str):
        return name.find(part, position, end)
    for start in range(position, end - len(part) + 1):
        if _fits(part, name, start):
            return start
    return -1
