"""What a look at a script comes to: findings, and what is known of the place it will run in. Data only."""

from typing import Literal

from msgspec import Struct


class Finding(Struct, frozen=True, kw_only=True):
    """One thing that is wrong. `line` and `column` are 1-based, in characters; None where no place of the script is
    at fault. An error surely fails; a warning fails if that part of the script is reached."""

    code: str
    message: str
    line: int | None = None
    column: int | None = None
    help: str | None = None
    severity: Literal["error", "warning"] = "error"


class Surroundings(Struct, frozen=True, kw_only=True):
    """Where a script will run. `importable` are top-level modules beside the standard library.

    `functions` are the tool functions there are, None if that is not known now. `carried` are variables that the
    session brings along. `installable`: `additional_imports` works here. `network`: some host can be reached.
    """

    importable: frozenset[str] = frozenset()
    functions: frozenset[str] | None = None
    carried: frozenset[str] = frozenset()
    installable: bool = True
    network: bool = False
    single_process: bool = True
    max_script: int = 1 << 20
