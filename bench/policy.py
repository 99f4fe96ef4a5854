"""How long a policy takes to compile and to decide, for 10, 100 and 1,000 rules. No gate, no store, no I/O.

    python bench/policy.py [--json]

Each figure is the best of several rounds. The policies are half exact names and half patterns; every call is
subject to a session limit on `*`; `conditions` adds a deny rule and a validated argument to the called tool.
"""

import argparse
import json
import sys
import time
from collections.abc import Callable
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent.parent / "src"))

from callgate.decision import Effect, Request, SlidingWindow
from callgate.diagnostics import Source
from callgate.policy.compile import compile_policy
from callgate.policy.model import Condition, Document, RateLimit, Rule, Tool, Validate
from callgate.policy.toolschema import ToolSchema

SIZES = (10, 50, 100, 1000)
_SCHEMA = {
    "type": "object",
    "properties": {"path": {"type": "string"}, "head": {"type": "integer"}, "note": {"type": "string"}},
    "required": ["path"],
}
_PLACE = Source("policy.yaml", 1, 1)
_ARGUMENTS = {"path": "/srv/data/report.txt", "head": 20, "note": "monthly"}


def document(rules: int, *, conditions: bool, validate: bool = False) -> Document:
    """A policy of `rules` rules."""
    limit = RateLimit(100, SlidingWindow(60_000), _PLACE)
    tools = [Tool("*", _PLACE, (Rule(_PLACE, limits=(limit,)),))]
    called: tuple[Rule, ...] = (Rule(_PLACE),)
    if conditions:
        called = (
            Rule(_PLACE, action="deny", when=(Condition(("args", "path"), "contains", "/etc/", _PLACE),)),
            Rule(_PLACE, action="deny", when=(Condition(("args", "head"), "gt", 1000, _PLACE),)),
        )
    if validate:
        called += (Rule(_PLACE, validate=Validate(_PLACE, required_args=True, schema=True)),)
    tools.append(Tool("read_file", _PLACE, called))
    for number in range(rules - 1 - len(called)):
        pattern = f"tool_{number}" if number % 2 else f"area_{number}_*"
        when = (Condition(("args", "path"), "eq", f"/{number}", _PLACE),)
        tools.append(Tool(pattern, _PLACE, (Rule(_PLACE, action="deny", when=when, reason="Not here."),)))
    return Document("native", "policy.yaml", "0" * 12, tools=tuple(tools))


def best_us(action: Callable[[], object], rounds: int, repeat: int) -> float:
    """The best round's time of one `action`, in µs."""
    best = float("inf")
    for _ in range(rounds):
        start = time.perf_counter()
        for _ in range(repeat):
            action()
        best = min(best, time.perf_counter() - start)
    return best / repeat * 1e6


def measure(rules: int) -> dict[str, float]:
    """All figures for one size, in µs."""
    plain = document(rules, conditions=False)
    conditional = document(rules, conditions=True)
    validated = document(rules, conditions=True, validate=True)
    request = Request("read_file", _ARGUMENTS, "session-1", "local", "files", ToolSchema(_SCHEMA))
    names = iter(range(10**9))

    def first_call() -> object:
        return policies[0].decide(Request(f"new_{next(names)}", _ARGUMENTS))

    policies = [compile_policy(each) for each in (plain, conditional, validated)]
    for policy in policies:
        decision = policy.decide(request)
        if decision.effect is not Effect.ALLOW or not decision.charges:
            raise SystemExit(f"the benchmark's policy is wrong: {decision}")
    return {
        "compile": best_us(lambda: compile_policy(conditional), 5, max(1, 1000 // rules)),
        "decide, session limit": best_us(lambda: policies[0].decide(request), 7, 20_000),
        "decide, with 2 conditions": best_us(lambda: policies[1].decide(request), 7, 20_000),
        "decide, with schema": best_us(lambda: policies[2].decide(request), 7, 10_000),
        "decide, name never seen": best_us(first_call, 3, max(20, 2000 // rules)),
    }


def main() -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--json", action="store_true", help="print the figures as JSON")
    options = parser.parse_args()
    figures = {rules: measure(rules) for rules in SIZES}
    if options.json:
        print(json.dumps({"schema": "callgate/bench-policy@1", "unit": "µs", "figures": figures}, indent=2))
        return 0
    print(f"{'µs':28}" + "".join(f"{rules:>10} rules" for rules in SIZES))
    for row in figures[SIZES[0]]:
        print(f"{row:28}" + "".join(f"{figures[rules][row]:>16.2f}" for rules in SIZES))
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
