"""The main job in a few lines: the official SDK's client, a real file system server, and the gate between them."""

import asyncio
import shutil
import sys
import tempfile
from pathlib import Path
from typing import Any

from mcp import Client, StdioServerParameters

HERE = Path(__file__).resolve().parent
ROOT = HERE.parent.parent
SERVER = ROOT / "tests/servers/node_modules/.bin/mcp-server-filesystem"
COLOURS = {"allow": "32", "deny": "31", "error": "33"}


def show(effect: str, call: str, text: str) -> None:
    """One line for one call."""
    word = f"{effect:<6}"
    if sys.stdout.isatty():
        word = f"\x1b[{COLOURS[effect]}m{word}\x1b[0m"
    width = max(shutil.get_terminal_size((110, 20)).columns - 44, 40)
    print(f"  {word} {call:<32} {text if len(text) <= width else text[: width - 1] + '…'}", flush=True)


async def main() -> int:
    """Run the calls; returns 0 if each came out as the policy says."""
    with tempfile.TemporaryDirectory() as folder:
        home = Path(folder).resolve()
        (home / "notes.txt").write_text("Water the plants.\n")
        audit = home.parent / f"{home.name}-audit.jsonl"
        command = [sys.executable, "-m", "callgate", "run", "-c", str(HERE / "policy.yaml"), "--audit", str(audit)]
        command += ["--log-level", "error", "--", str(SERVER), str(home)]
        calls: list[tuple[str, dict[str, Any], str]] = [
            ("list_directory", {"path": str(home)}, "allow"),
            *[("read_text_file", {"path": str(home / "notes.txt")}, "allow")] * 3,
            ("read_text_file", {"path": str(home / "notes.txt")}, "deny"),
            ("write_file", {"path": str(home / "todo.md"), "content": "Buy soil."}, "allow"),
            ("write_file", {"path": str(home / "run.sh"), "content": "rm -rf /"}, "deny"),
            ("write_file", {"path": str(home / "todo.md")}, "deny"),
            ("move_file", {"source": str(home / "notes.txt"), "destination": str(home / "x.txt")}, "deny"),
            ("directory_tree", {"path": str(home)}, "deny"),
        ]
        print("\nAn agent works with @modelcontextprotocol/server-filesystem; Callgate stands between them.\n")
        surprises = 0
        async with Client(StdioServerParameters(command=command[0], args=command[1:])) as client:
            await client.list_tools()
            for tool, arguments, expected in calls:
                result = await client.call_tool(tool, arguments)
                text = " ".join(getattr(block, "text", "") for block in result.content).split("\n")[0]
                effect = "deny" if result.is_error else "allow"
                surprises += effect != expected
                shown = ", ".join(Path(str(value)).name if name == "path" else name for name, value in arguments.items())
                show(effect, f"{tool}({shown})", text)
        files = sorted(path.name for path in home.iterdir())
        print(f"\n  in the folder afterwards: {', '.join(files)}", flush=True)
        verify = await asyncio.create_subprocess_exec(sys.executable, "-m", "callgate", "audit", "verify", str(audit))
        surprises += await verify.wait() != 0
        audit.unlink()
    print("\n  the policy behind this: examples/demo/policy.yaml\n")
    return 1 if surprises else 0


if __name__ == "__main__":
    sys.exit(asyncio.run(main()))
