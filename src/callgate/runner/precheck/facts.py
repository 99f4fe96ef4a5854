"""What is looked for in a script, as facts without judgement. Data only: it passes between processes as JSON."""

from msgspec import Struct


class Place(Struct, frozen=True):
    """`name` at a place of the script (1-based, in characters). `sure` is False where it may never be reached, or
    where a failure is caught."""

    name: str
    line: int
    column: int
    sure: bool = True


class Fault(Struct, frozen=True, kw_only=True):
    """The script cannot be read. `kind`: `syntax`, or `size` where it takes too much to find out."""

    kind: str
    message: str
    line: int | None = None
    column: int | None = None
    text: str | None = None


class Facts(Struct, frozen=True, kw_only=True):
    """Of each kind, the first place of each name, in the order of the script, and no more than `walk.MOST`.

    `imports` are dotted; `uses` are `module.attribute` of imported modules and `from module import attribute`.
    `assigned`/`local` are those of the wanted variables that get a value at the top, or only inside functions.
    `dynamic`: names may come about in ways that cannot be seen.
    """

    fault: Fault | None = None
    imports: tuple[Place, ...] = ()
    uses: tuple[Place, ...] = ()
    asyncs: tuple[Place, ...] = ()
    scopes: tuple[Place, ...] = ()
    builtins: tuple[Place, ...] = ()
    tools: tuple[Place, ...] = ()
    assigned: frozenset[str] = frozenset()
    local: frozenset[str] = frozenset()
    dynamic: bool = False
