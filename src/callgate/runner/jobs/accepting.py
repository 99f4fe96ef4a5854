"""What is looked at before an execution is stored: the script, its variables, its names. Nothing of it runs."""

from callgate.runner.execution import Owner, Spec
from callgate.runner.jobs.contract import Refusal
from callgate.runner.precheck.check import check_async
from callgate.runner.precheck.finding import Surroundings
from callgate.runner.sandbox.guest.output_types import NAMES, known_type


class Accepting:
    """Refuses what surely cannot work. `around` is what is known of the sandboxes of this runner."""

    def __init__(self, around: Surroundings) -> None:
        self._around = around

    async def __call__(self, owner: Owner, spec: Spec) -> None:
        """Raises Refusal with the first error, and the places of the others in its help."""
        del owner
        findings = await check_async(spec, self._around, known_type=known_type, types=tuple(NAMES))
        errors = [finding for finding in findings if finding.severity == "error"]
        if not errors:
            return
        first, *others = errors
        more = [f"line {other.line}: {other.message}" for other in others if other.line is not None]
        help = "; also: ".join(filter(None, [first.help, "; ".join(more)])) or None
        raise Refusal(first.code, first.message, line=first.line, column=first.column, help=help)
