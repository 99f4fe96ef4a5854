"""What the gate remembers of a server is bounded, whatever the server sends."""

import tracemalloc
from collections.abc import Callable

import msgspec
from playbook import Playbook, ask, call, denied, listing, tool

from callgate.proxy.catalog import MAX_BYTES, MAX_TOOLS, Catalog
from callgate.wire.toolslist import ListedTool, read_tools_list

Play = Callable[..., Playbook]

CHECKED = "tools: {'*': {rules: [{validate: {required_args: true}}]}}"
LARGE = 1 << 20


def tools_of(text: bytes) -> list[ListedTool]:
    listed = read_tools_list(text)
    assert listed is not None
    return listed.tools


def described(name: str, size: int) -> dict[str, object]:
    """A tool whose schema has about `size` bytes."""
    return tool(name, inputSchema={"type": "object", "description": "x" * size})


def kept_by(learn: Callable[[], object]) -> int:
    """Bytes that are still held when `learn` is over and its result is there."""
    tracemalloc.start()
    try:
        held = learn()
        size, _ = tracemalloc.get_traced_memory()
        assert held is not None
        return size
    finally:
        tracemalloc.stop()


def test_a_page_is_not_kept_for_the_sake_of_one_small_tool() -> None:
    def learn() -> Catalog:
        catalog = Catalog()
        for number in range(8):
            page = {"tools": [tool(f"t{number}")], "nextCursor": "c", "_meta": {"x": "y" * LARGE}}
            catalog.page(tools_of(msgspec.json.encode(page)), first=number == 0, last=False)
        return catalog

    assert kept_by(learn) < LARGE


def test_the_catalog_has_a_bound_however_the_lists_come() -> None:
    def learn() -> Catalog:
        catalog = Catalog()
        for number in range(60):
            page = {"tools": [described(f"t{number}", LARGE)], "nextCursor": "c"}
            catalog.page(tools_of(msgspec.json.encode(page)), first=number % 20 == 0, last=False)
            if number in (20, 40):
                catalog.outdated()
        return catalog

    assert kept_by(learn) < MAX_BYTES + LARGE


def test_a_list_begun_again_and_again_does_not_grow_the_catalog() -> None:
    catalog = Catalog()
    for page in range(25):
        names = (f"t{page * 1_000 + number}" for number in range(1_000))
        catalog.page([ListedTool(name, msgspec.Raw(b"")) for name in names], first=True, last=False)
    assert len(list(catalog.names)) == MAX_TOOLS


def test_a_tool_beyond_the_bound_is_denied_where_its_schema_is_needed(play: Play) -> None:
    stage = play(CHECKED).handshake().listed(tool("first"), described("large", MAX_BYTES), tool("last"))
    stage.agent_says(call("first", {}, 1)).server_gets(call("first", {}, 1))
    stage.agent_says(call("large", {}, 2)).server_gets().agent_gets(denied(2, "DEN008"))
    stage.agent_says(call("last", {}, 3)).server_gets().agent_gets(denied(3, "DEN008"))


def test_a_tool_beyond_the_bound_that_is_named_again_is_still_not_trusted(play: Play) -> None:
    stage = play(CHECKED).handshake().listed(described("large", MAX_BYTES), tool("large"))
    stage.agent_says(call("large", {}, 1)).server_gets().agent_gets(denied(1, "DEN008"))


def test_a_request_of_the_server_with_a_very_long_id_passes_and_is_not_remembered(play: Play) -> None:
    stage = play().handshake()

    def hear() -> Playbook:
        for number in range(8):
            request = ask("ping", None, f"{number}{'i' * LARGE}")
            stage.server_says(request).agent_gets(request)
        return stage

    assert kept_by(hear) < LARGE


def test_a_page_of_ordinary_tools_is_learned_whole(play: Play) -> None:
    stage = play(CHECKED).handshake()
    many = [tool(f"t{number}") for number in range(500)]
    stage.agent_says(ask("tools/list", {}, "list")).taken_by_server()
    stage.server_says(listing("list", many)).agent_gets(listing("list", many))
    stage.agent_says(call("t499")).server_gets(call("t499"))
