"""The npm servers of the field through the gate: what the agent sees is what it would see without one."""

import functools
import json
import shutil
from pathlib import Path
from typing import Any

import anyio
import mcp_types as types
import pytest
from mcp import Client
from tests.support.gate_process import GateProcess, denial
from tests.support.real_traffic import (
    NOTHING_FORBIDDEN,
    assert_as_direct,
    assert_untouched,
    both,
    call_each,
    decoded,
    elicit,
    list_everything,
    npm_server,
    record,
    roots,
    sample,
    settle,
    wait_for,
)

pytestmark = pytest.mark.filterwarnings("ignore")


async def everything(client: Client, offered: list[str]) -> None:
    await wait_for(lambda: bool(offered))
    await list_everything(client)
    await client.set_logging_level("debug")
    await client.send_ping()
    await call_each(
        client,
        [
            ("echo", {"message": 'zwölf\u2028 \U0001f389 "quoted"'}),
            ("get-sum", {"a": 2, "b": 40.5}),
            ("get-env", {}),
            ("get-annotated-message", {"messageType": "error", "includeImage": True}),
            ("get-resource-links", {"count": 2}),
            ("get-resource-reference", {"resourceType": "Blob", "resourceId": 3}),
            ("get-roots-list", {}),
            ("get-structured-content", {"location": "Chicago"}),
            ("get-tiny-image", {}),
            (
                "gzip-file-as-resource",
                {"name": "a.gz", "data": "data:text/plain,hello", "outputType": "resource"},
            ),
            ("trigger-sampling-request", {"prompt": "hi", "maxTokens": 10}),
            ("trigger-elicitation-request", {}),
            ("echo", {}),
            ("no-such-tool", {}),
        ],
    )
    seen: list[float] = []

    async def note(progress: float, total: float | None, message: str | None) -> None:
        seen.append(progress)

    await client.call_tool(
        "trigger-long-running-operation", {"duration": 0.3, "steps": 3}, progress_callback=note
    )
    assert seen == [1, 2, 3]
    await client.get_prompt("simple-prompt")
    await client.get_prompt("args-prompt", {"city": "Oslo", "state": "?"})
    await client.get_prompt("resource-prompt", {"resourceType": "Text", "resourceId": "1"})
    await settle(functools.partial(client.get_prompt, "no-such-prompt"))
    await client.complete(
        types.PromptReference(type="ref/prompt", name="completable-prompt"),
        {"name": "department", "value": "E"},
    )
    await client.complete(
        types.ResourceTemplateReference(type="ref/resource", uri="demo://resource/dynamic/text/{resourceId}"),
        {"name": "resourceId", "value": "1"},
    )
    await client.read_resource("demo://resource/dynamic/blob/1")
    await client.read_resource("demo://resource/static/document/features.md")
    await settle(functools.partial(client.read_resource, "demo://nowhere"))
    await client.subscribe_resource("demo://resource/dynamic/text/1")
    await client.unsubscribe_resource("demo://resource/dynamic/text/1")


def test_server_everything_is_as_it_is_without_the_gate(tmp_path: Path) -> None:
    asked: list[str] = []
    offer = roots(Path("/somewhere"))

    async def list_roots(context: Any) -> types.ListRootsResult:
        asked.append("roots")
        return await offer(context)

    async def scenario(client: Client) -> None:
        asked.clear()
        await everything(client, asked)

    direct, through = both(
        scenario,
        npm_server("everything"),
        tmp_path,
        sampling_callback=sample,
        elicitation_callback=elicit,
        list_roots_callback=list_roots,
    )
    assert_untouched(through)
    assert_as_direct(direct, through)
    asked_of_agent = {
        frame["method"] for frame in decoded(through.agent_got) if "method" in frame and "id" in frame
    }
    assert asked_of_agent == {"roots/list", "sampling/createMessage", "elicitation/create"}


def test_a_cancelled_call_is_cancelled_at_the_server_and_the_session_goes_on(tmp_path: Path) -> None:
    async def scenario(client: Client) -> None:
        with anyio.CancelScope() as scope:

            async def stop(progress: float, total: float | None, message: str | None) -> None:
                scope.cancel()

            await client.call_tool(
                "trigger-long-running-operation", {"duration": 2, "steps": 10}, progress_callback=stop
            )
        assert scope.cancelled_caught
        await client.call_tool("echo", {"message": "still here"})

    through = record(scenario, npm_server("everything"), tmp_path / "run", NOTHING_FORBIDDEN)
    cancelled = [
        frame for frame in decoded(through.server_got) if frame.get("method") == "notifications/cancelled"
    ]
    assert len(cancelled) == 1
    records = [json.loads(line) for line in (tmp_path / "run" / "audit.jsonl").read_text().splitlines()]
    outcomes = [record["status"] for record in records if record["kind"] == "outcome"]
    # The first is the self-test's.
    assert outcomes == ["denied", "cancelled", "ok"]


def test_server_filesystem_is_as_it_is_without_the_gate(tmp_path: Path) -> None:
    root, second = tmp_path / "root", tmp_path / "second"
    second.mkdir()
    root.mkdir()
    runs: list[Path] = []

    def roots_taken() -> bool:
        said = [
            path for path in tmp_path.rglob("stderr.txt") if "Updated allowed directories" in path.read_text()
        ]
        return len(said) == len(runs)

    async def scenario(client: Client) -> None:
        shutil.rmtree(root)
        root.mkdir()
        runs.append(root)
        await list_everything(client)
        await wait_for(roots_taken)
        await call_each(
            client,
            [
                ("list_allowed_directories", {}),
                ("create_directory", {"path": f"{root}/sub"}),
                ("write_file", {"path": f"{root}/a.txt", "content": "one\r\ntwo\u2028\x00\n"}),
                ("read_text_file", {"path": f"{root}/a.txt"}),
                ("read_text_file", {"path": f"{root}/a.txt", "head": 1}),
                (
                    "edit_file",
                    {"path": f"{root}/a.txt", "edits": [{"oldText": "one", "newText": "1"}], "dryRun": True},
                ),
                ("move_file", {"source": f"{root}/a.txt", "destination": f"{root}/sub/b.txt"}),
                ("list_directory", {"path": str(root)}),
                ("list_directory_with_sizes", {"path": f"{root}/sub"}),
                ("directory_tree", {"path": str(root)}),
                ("search_files", {"path": str(root), "pattern": "**/*.txt"}),
                ("read_multiple_files", {"paths": [f"{root}/sub/b.txt", f"{root}/none"]}),
                ("read_media_file", {"path": f"{root}/sub/b.txt"}),
                ("get_file_info", {"path": f"{root}/sub/b.txt"}),
                ("read_text_file", {"path": "/etc/passwd"}),
                ("read_text_file", {"path": 5}),
            ],
        )

    direct, through = both(
        scenario,
        npm_server("filesystem", str(second)),
        tmp_path / "x",
        list_roots_callback=roots(root, second),
    )
    assert_untouched(through)
    assert_as_direct(direct, through)


def test_server_memory_is_as_it_is_without_the_gate(tmp_path: Path) -> None:
    graph = tmp_path / "memory.jsonl"

    async def scenario(client: Client) -> None:
        graph.unlink(missing_ok=True)
        await list_everything(client)
        ann = {"name": "Ann", "entityType": "person", "observations": ["likes ünïcode"]}
        bob = {"name": "Bob", "entityType": "person", "observations": []}
        await call_each(
            client,
            [
                ("create_entities", {"entities": [ann, bob]}),
                ("create_relations", {"relations": [{"from": "Ann", "to": "Bob", "relationType": "knows"}]}),
                ("add_observations", {"observations": [{"entityName": "Bob", "contents": ["is 1.0"]}]}),
                ("read_graph", {}),
                ("search_nodes", {"query": "Ann"}),
                ("open_nodes", {"names": ["Bob", "Cy"]}),
                ("delete_observations", {"deletions": [{"entityName": "Bob", "observations": ["is 1.0"]}]}),
                ("delete_relations", {"relations": [{"from": "Ann", "to": "Bob", "relationType": "knows"}]}),
                ("delete_entities", {"entityNames": ["Ann"]}),
                ("read_graph", {"unexpected": True}),
            ],
        )

    server = ["env", f"MEMORY_FILE_PATH={graph}", *npm_server("memory")]
    direct, through = both(scenario, server, tmp_path / "x")
    assert_untouched(through)
    assert_as_direct(direct, through)


@pytest.mark.parametrize("name", ["memory", "everything"])
def test_a_client_that_probes_for_the_new_era_finds_the_old_one(tmp_path: Path, name: str) -> None:
    async def scenario(client: Client) -> None:
        assert client.protocol_version == "2025-11-25"
        await list_everything(client)

    folder = tmp_path / "x"
    folder.mkdir()
    direct, through = both(scenario, npm_server(name), folder, mode="auto")
    assert_untouched(through)
    methods = [frame["method"] for frame in decoded(direct.agent_sent)]
    assert methods[0] == "server/discover"
    assert methods == [frame["method"] for frame in decoded(through.agent_sent)]


def test_tasks_of_2025_pass_and_calls_that_ask_for_one_are_judged(tmp_path: Path) -> None:
    policy = tmp_path / "policy.yaml"
    policy.write_text("""
tools:
  simulate-research-query: {rules: [{rate_limit: 1/hour}]}
""")
    with GateProcess(policy, npm_server("everything")) as gate:
        gate.initialize()
        started = gate.call("simulate-research-query", {"topic": "x"}, 1, task={"ttl": 60_000})
        task = started["result"]["task"]["taskId"]
        assert gate.ask("tasks/get", {"taskId": task}, 2)["result"]["status"] == "working"
        assert [one["taskId"] for one in gate.ask("tasks/list", {}, 3)["result"]["tasks"]] == [task]
        assert gate.ask("tasks/cancel", {"taskId": task}, 4)["result"]["status"] == "cancelled"
        again = gate.call("simulate-research-query", {"topic": "x"}, 5, task={"ttl": 60_000})
        assert denial(again)["code"] == "DEN020"
        for number, tool in enumerate(["toggle-simulated-logging", "toggle-subscriber-updates"] * 2, 6):
            assert "structuredContent" not in gate.call(tool, {}, number)["result"]
