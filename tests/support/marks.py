"""A file with its mistakes marked: `«rate_limt»` says what the caret must underline."""

Place = tuple[int, int, int]
"""Line, column and length."""


def unmark(marked: str) -> tuple[str, list[Place]]:
    """Return the text without marks, and the line, column and length of each marked part."""
    places: list[Place] = []
    lines = []
    for number, line in enumerate(marked.split("\n"), 1):
        while "«" in line:
            start, end = line.index("«"), line.index("»")
            places.append((number, start + 1, end - start - 1))
            line = line.replace("«", "", 1).replace("»", "", 1)
        lines.append(line)
    return "\n".join(lines), places
