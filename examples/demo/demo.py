"""The main job in a few lines: the official SDK's client, a real file system server, and the gate between them."""

import asyncio
import json
import os
import sys
import tempfile
import textwrap
from pathlib import Path
from typing import Any

from mcp import Client, StdioServerParameters

HERE = Path(__file__).resolve().parent
SERVER = HERE.parents[1] / "tests/servers/node_modules/.bin/mcp-server-filesystem"
COLOURED = bool(os.environ.get("FORCE_COLOR")) or (sys.stdout.isatty() and not os.environ.get("NO_COLOR"))
COLOURS = {"allow": "32", "deny": "31"}


def show(effect: str, call: str, text: str) -> None:
    """Print one call and what the agent got for it."""
    word = f"\x1b[{COLOURS[effect]}m{effect:<5}\x1b[0m" if COLOURED else f"{effect:<5}"
    lines = textwrap.wrap(text, 66, break_long_words=True) or [""]
    print(f"  {word}  {call:<33} {lines[0]}", flush=True)
    for line in lines[1:]:
        print(f"{'':43}{line}", flush=True)


def steps(home: Path) -> list[tuple[str, str, dict[str, Any]]]:
    """What the agent does, and what the policy makes of it."""
    notes, todo = str(home / "notes.txt"), str(home / "todo.md")
    return [
        ("allow", "list_directory", {"path": str(home)}),
        ("allow", "read_text_file", {"path": notes}),
        ("allow", "read_text_file", {"path": notes}),
        ("allow", "read_text_file", {"path": notes}),
        ("deny", "read_text_file", {"path": notes}),
        ("allow", "write_file", {"path": todo, "content": "Buy soil."}),
        ("deny", "write_file", {"path": str(home / "run.sh"), "content": "rm -rf ~"}),
        ("deny", "write_file", {"path": todo}),
        ("deny", "move_file", {"source": notes, "destination": str(home / "gone.txt")}),
        ("deny", "directory_tree", {"path": str(home)}),
    ]


async def main() -> int:
    """Run the calls; returns 0 if each came out as the policy says."""
    with tempfile.TemporaryDirectory() as folder, tempfile.TemporaryDirectory() as elsewhere:
        home = Path(folder).resolve()
        (home / "notes.txt").write_text("Water the plants.\n")
        audit = f"{elsewhere}/audit.jsonl"
        gate = [
            "-m",
            "callgate",
            "run",
            "-c",
            str(HERE / "policy.yaml"),
            "--audit",
            audit,
            "--log-level",
            "error",
        ]
        server = StdioServerParameters(command=sys.executable, args=[*gate, "--", str(SERVER), str(home)])
        print("\nAn agent works on a folder through @modelcontextprotocol/server-filesystem.")
        print("Between the two stands Callgate with examples/demo/policy.yaml.\n", flush=True)
        surprises = 0
        with open(os.devnull, "w") as quiet:
            from mcp.client.stdio import stdio_client

            async with Client(stdio_client(server, errlog=quiet)) as client:
                await client.list_tools()
                for expected, tool, arguments in steps(home):
                    result = await client.call_tool(tool, arguments)
                    text = " ".join(getattr(block, "text", "") for block in result.content)
                    effect = "deny" if result.is_error else "allow"
                    surprises += effect != expected
                    target = Path(str(next(iter(arguments.values())))).name
                    shown = "." if target == home.name else target
                    show(effect, f"{tool} {shown}", text.replace(str(home), "."))
        print(f"\n  in the folder now: {', '.join(sorted(path.name for path in home.iterdir()))}")
        print("  every decision is on record, and a record that was changed would be found:\n", flush=True)
        # Whoever notes the last hash can prove the end of the file, too.
        head = json.loads(Path(audit).read_text().splitlines()[-1])["hash"]
        words = ["-m", "callgate", "audit", "verify", "audit.jsonl", "--head", head]
        verify = await asyncio.create_subprocess_exec(sys.executable, *words, cwd=elsewhere)
        surprises += await verify.wait() != 0
        from agent_code import run_code

        surprises += await run_code(home, Path(elsewhere))
    print(flush=True)
    return 1 if surprises else 0


if __name__ == "__main__":
    sys.exit(asyncio.run(main()))
