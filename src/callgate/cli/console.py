"""The terminal: safe text, colour only where it is wanted, and how an error is told. Never uses stdout."""

import os
import sys
from typing import Literal, TextIO

from callgate.errors import CallgateError, PolicyError
from callgate.text import escape

__all__ = ["ColorFlag", "color_wanted", "escape", "paint", "print_error"]

ColorFlag = Literal["auto", "always", "never"]

_STYLES = {"bold": "1", "dim": "2", "red": "31", "green": "32", "yellow": "33"}


def color_wanted(stream: TextIO, flag: ColorFlag = "auto") -> bool:
    """Say whether `stream` gets colour: `--color`, FORCE_COLOR, NO_COLOR, TERM=dumb, terminal or not.

    FORCE_COLOR and NO_COLOR count when they are set to anything but nothing (https://no-color.org);
    FORCE_COLOR=0 forces colour off.
    """
    if flag != "auto":
        return flag == "always"
    force = os.environ.get("FORCE_COLOR", "")
    if force:
        return force != "0"
    if os.environ.get("NO_COLOR", "") or os.environ.get("TERM") == "dumb":
        return False
    return is_terminal(stream)


def is_terminal(stream: TextIO) -> bool:
    """Say whether a person looks at `stream`; a closed or odd stream is not a terminal."""
    try:
        return stream.isatty()
    except (AttributeError, ValueError):
        return False


def paint(text: str, *styles: str, on: bool) -> str:
    """Return `text` in the given styles (red, green, yellow, dim, bold), or as it is if `on` is False.

    `text` must already be escaped where it is not our own.
    """
    if not on or not styles or not text:
        return text
    return f"\x1b[{';'.join(_STYLES[style] for style in styles)}m{text}\x1b[0m"


def print_error(error: CallgateError, stream: TextIO | None = None, color: ColorFlag = "auto") -> None:
    """Write `error[CODE]: message` and, if there is one, its help to `stream` (stderr if None).

    Of a policy everything that was found is told, with its lines.
    """
    target = sys.stderr if stream is None else stream
    if target is None:
        return
    on = color_wanted(target, color)
    if isinstance(error, PolicyError):
        from callgate.cli.render import render_human

        target.write(render_human(error.diagnostics, color=on))
        target.flush()
        return
    head = paint(f"error[{escape(error.code)}]", "red", "bold", on=on)
    lines = f"{head}: {escape(error.message)}\n"
    if error.help:
        lines += f"  {paint('= help:', 'dim', on=on)} {escape(error.help)}\n"
    target.write(lines)
    target.flush()
