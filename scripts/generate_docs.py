"""Write the reference pages that come from the code: docs/errors/ and the references.

`--check` writes nothing and exits 1 if a page differs from what the code says, or a code has no page.
"""

import importlib
import pkgutil
import re
import sys
from pathlib import Path

import callgate.codes
from callgate.codes.page import CodePage
from callgate.config.reference import reference as config_reference
from callgate.policy.reference import reference as policy_reference

ROOT = Path(__file__).resolve().parent.parent
CODE = re.compile(r'"([A-Z]{3,4}\d{3})"')


def all_codes() -> dict[str, CodePage]:
    """Every registered code; a code may be registered once only."""
    codes: dict[str, CodePage] = {}
    for module in pkgutil.iter_modules(callgate.codes.__path__):
        for code, page in getattr(
            importlib.import_module(f"callgate.codes.{module.name}"), "CODES", {}
        ).items():
            if code in codes:
                raise SystemExit(f"code {code} is registered twice")
            codes[code] = page
    return dict(sorted(codes.items()))


def pages() -> dict[Path, str]:
    """Path → text of every generated page."""
    codes = all_codes()
    errors = ROOT / "docs/errors"
    lines = ["# Codes", "", "Every error, warning and refusal has a stable code. What the letters say:", ""]
    lines += [
        "| letters | area |",
        "|---|---|",
        "| POL | the policy file |",
        "| CFG | callgate.yaml |",
        "| DEN | a call was refused |",
        "| WIR | a frame was refused |",
        "| STA | the limit store |",
        "| AUD | the audit |",
        "| AUTH | who calls, and from where |",
        "| USE | the command line |",
        "| UPS | the server behind the gate |",
        "| HTTP | requests and connections |",
        "| TEL | metrics, traces and logs |",
        "| RUN | the runner: its server, its engine, what a script may not be |",
        "| SBX | the sandbox |",
        "| JRN | the journal of executions |",
        "| PKG | packages for scripts |",
        "| SELF, BUG | the gate itself |",
        "",
        "| code | |",
        "|---|---|",
    ]
    lines += [f"| [{code}]({code}.md) | {page.title} |" for code, page in codes.items()]
    found = {errors / "README.md": "\n".join(lines) + "\n"}
    for code, page in codes.items():
        text = f"# {code}: {page.title}\n\n{page.meaning}\n\n## What to do\n\n{page.remedy}\n"
        found[errors / f"{code}.md"] = text
    found[ROOT / "docs/policy-reference.md"] = policy_reference()
    found[ROOT / "docs/config-reference.md"] = config_reference()
    return found


def used_codes() -> set[str]:
    """Codes that stand literally in the source."""
    sources = (ROOT / "src/callgate").rglob("*.py")
    return {
        code for path in sources if path.parent.name != "codes" for code in CODE.findall(path.read_text())
    }


def main() -> int:
    """Write or check. Returns the exit status."""
    check = "--check" in sys.argv[1:]
    wanted = pages()
    registered = set(all_codes())
    problems = [f"code {code} has no page in callgate.codes" for code in sorted(used_codes() - registered)]
    problems += [f"code {code} is registered and never used" for code in sorted(registered - used_codes())]
    present = set((ROOT / "docs/errors").glob("*.md"))
    for path in sorted(present - set(wanted)):
        problems.append(f"{path.relative_to(ROOT)} belongs to no code")
        if not check:
            path.unlink()
    for path, text in wanted.items():
        if path.exists() and path.read_text() == text:
            continue
        if check:
            problems.append(
                f"{path.relative_to(ROOT)} is not what the code says: run scripts/generate_docs.py"
            )
        else:
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text)
    for problem in problems:
        print(problem, file=sys.stderr)
    return 1 if problems else 0


if __name__ == "__main__":
    sys.exit(main())
