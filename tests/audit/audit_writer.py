"""A process that appends, for tests that kill it, starve it or run several.

Usage: audit_writer.py FILE NAME COUNT SYNC. Writes a line with the id on stdout once a decision is recorded.
"""

import os
import sys

from audit_samples import decision, outcome

from callgate.audit.jsonl import JsonlAudit
from callgate.clock import SystemClock


def main() -> None:
    path, name, count, sync = sys.argv[1:]
    audit = JsonlAudit(
        path, sync="full" if sync == "full" else "none", clock=SystemClock(), lock_patience=60.0
    )
    for number in range(int(count)):
        id = f"{name}-{number}"
        audit.append([decision(id), outcome(id)] if number % 3 else [decision(id)])
        os.write(1, f"{id}\n".encode())


main()
