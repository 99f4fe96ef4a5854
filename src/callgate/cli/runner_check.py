"""`callgate runner check`: does every wall of the sandbox hold on this machine?"""

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from argparse import ArgumentParser, Namespace

SUMMARY = "try every wall of the sandbox on this machine"
EXAMPLES = """examples:
  callgate runner check
  callgate runner check -c callgate.yaml --format json

Exit status: 0 every wall holds, 3 configuration, 6 a wall is missing."""


_MUST_WORK = frozenset({"work_write", "a harmless script runs"})
"""What is tried as well: a sandbox in which nothing works would keep every wall."""


def configure(parser: "ArgumentParser") -> None:
    """Declare the options."""
    parser.add_argument(
        "-c", "--config", metavar="FILE", help="the configuration, callgate.yaml (default: none)"
    )
    parser.add_argument(
        "--format", default="human", choices=("human", "plain", "json"), help="(default: human)"
    )


def run(options: "Namespace") -> int:
    """Print one line a wall."""
    import sys

    from callgate.cli.runner_shared import load_app
    from callgate.text import escape

    report = load_app().check(options.config)
    for warning in report.warnings:
        print(f"warning: {escape(warning)}", file=sys.stderr)
    if options.format == "json":
        import json

        walls = [{"wall": wall.name, "held": wall.held, "detail": wall.detail} for wall in report.walls]
        json.dump({"backend": report.backend, "tier": report.tier, "walls": walls}, sys.stdout, indent=2)
        print()
        return 0
    print(f"backend {report.backend}, tier {report.tier}")
    for wall in report.walls:
        word = "MISSING" if not wall.held else "allowed" if wall.name in _MUST_WORK else "held"
        print(f"  {word:<8} {wall.name:<24} {escape(wall.detail)}".rstrip())
    walls = [wall for wall in report.walls if wall.name not in _MUST_WORK]
    if all(wall.held for wall in report.walls):
        print(f"all {len(walls)} walls hold")
    return 0
