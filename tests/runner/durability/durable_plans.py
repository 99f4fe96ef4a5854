"""Scripts whose right end is known before they run: calls that take effect, calls that only read, and prints."""

import random
from collections.abc import Mapping

from msgspec import Struct

OUTPUT_VARS = {"answers": "list", "total": "int"}


class Step(Struct, frozen=True):
    """One call. `tool` is `append` or `read`; `word` its token or key. Times in seconds."""

    tool: str
    word: str
    before: float = 0.0
    after: float = 0.0


class Plan(Struct, frozen=True):
    """What one execution does. In `threads`, calls are made side by side; their answers stay in the plan's order."""

    name: str
    steps: tuple[Step, ...]
    threads: bool = False

    @property
    def tokens(self) -> tuple[str, ...]:
        """Of the calls that take effect, in order."""
        return tuple(step.word for step in self.steps if step.tool == "append")

    def script(self) -> str:
        """As an agent would write it."""
        lines = ["answers = []", f"print({self.name!r}, 'begins', flush=True)"]
        if self.threads:
            calls = ", ".join(f"lambda: {_call(step)}" for step in self.steps)
            lines += [
                "from concurrent.futures import ThreadPoolExecutor",
                "with ThreadPoolExecutor(4) as threads:",
                f"    answers = list(threads.map(lambda call: call(), [{calls}]))",
            ]
        for number, step in enumerate(() if self.threads else self.steps):
            lines += [f"answers.append({_call(step)})", f"print({number}, answers[-1], flush=True)"]
        lines += ["total = len(answers)", f"print({self.name!r}, 'ends')"]
        return "\n".join(lines)

    def expected(self, effects: Mapping[str, str]) -> dict[str, object]:
        """The results, where `effects` has the word of each token's effect."""
        answers = [
            effects.get(step.word) if step.tool == "append" else step.word[::-1] for step in self.steps
        ]
        return {"answers": answers, "total": len(self.steps)}


def any_plan(name: str, rng: random.Random, *, slow: float = 0.05) -> Plan:
    """Three to eight calls, each at most `slow` seconds before its effect and as much after it."""
    steps = []
    for number in range(rng.randint(3, 8)):
        if rng.random() < 0.75:
            word, times = f"{name}.{number}", (rng.uniform(0, slow), rng.uniform(0, slow))
            steps.append(Step("append", word, *times))
        else:
            steps.append(Step("read", f"{name}-key-{number}"))
    return Plan(name, tuple(steps), threads=rng.random() < 0.2)


def _call(step: Step) -> str:
    if step.tool == "read":
        return f"mcp_Tally_read(key={step.word!r})['result']"
    times = f"before={step.before:.4f}, after={step.after:.4f}"
    return f"mcp_Tally_append(token={step.word!r}, {times})['result']"
