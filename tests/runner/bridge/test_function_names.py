"""Names of functions: identifiers, unique, stable, and never another server's."""

import keyword

from hypothesis import given
from hypothesis import strategies as st

from callgate.runner.bridge.names import function_names, server_prefixes

SERVER = st.from_regex(r"[a-z0-9][a-z0-9._-]{0,8}", fullmatch=True)
TOOL = st.text(min_size=1, max_size=12) | st.from_regex(r"[a-c._-]{1,4}", fullmatch=True)


def test_plain_names_are_kept_and_others_become_identifiers() -> None:
    prefixes = server_prefixes(["github", "my-server"])
    assert prefixes == {"github": "mcp_github_", "my-server": "mcp_my_server_"}
    names = function_names("my-server", ["list", "get.file", "été"], prefixes)
    assert names == {
        "list": "mcp_my_server_list",
        "get.file": "mcp_my_server_get_file",
        "été": "mcp_my_server__t_",
    }


def test_the_tool_that_is_spelled_so_keeps_the_plain_name() -> None:
    names = function_names("s", ["a-b", "a_b", "a.b"], server_prefixes(["s"]))
    assert names["a_b"] == "mcp_s_a_b"
    assert len(set(names.values())) == 3
    assert all(name.startswith("mcp_s_a_b") for name in names.values())


def test_a_server_cannot_take_the_name_of_a_tool_of_a_server_with_a_longer_name() -> None:
    prefixes = server_prefixes(["git", "git_hub"])
    hub = function_names("git_hub", ["push"], prefixes)["push"]
    assert hub == "mcp_git_hub_push"
    hostile = function_names("git", ["hub_push", "hub-push", "push"], prefixes)
    assert hub not in hostile.values()
    assert hostile["push"] == "mcp_git_push"


@given(st.lists(SERVER, min_size=1, max_size=4, unique=True), st.lists(TOOL, max_size=12))
def test_all_names_of_all_servers_differ_and_can_be_called(servers: list[str], tools: list[str]) -> None:
    prefixes = server_prefixes(servers)
    names = [name for server in servers for name in function_names(server, tools, prefixes).values()]
    assert len(set(names)) == len(servers) * len(set(tools))
    assert all(name.isidentifier() and name.isascii() and not keyword.iskeyword(name) for name in names)


@given(st.lists(TOOL, min_size=1, max_size=8, unique=True))
def test_names_do_not_depend_on_the_order_of_the_list(tools: list[str]) -> None:
    prefixes = server_prefixes(["s"])
    shuffled = sorted(tools, key=lambda tool: (len(tool), tool))
    assert function_names("s", tools, prefixes) == function_names("s", shuffled, prefixes)
