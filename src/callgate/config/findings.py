"""Findings about callgate.yaml: the codes of its own area, and no secret in the lines that are shown."""

from msgspec.structs import replace

from callgate.diagnostics import Diagnostic, Source
from callgate.policy.findings import Findings
from callgate.policy.source_text import SourceText

_CODES = {
    "POL001": "CFG001",
    "POL002": "CFG002",
    "POL003": "CFG003",
    "POL005": "CFG005",
    "POL011": "CFG011",
    "POL012": "CFG012",
    "POL013": "CFG013",
    "POL014": "CFG014",
    "POL015": "CFG015",
    "POL016": "CFG016",
    "POL017": "CFG017",
    "POL018": "CFG018",
    "POL019": "CFG019",
    "POL020": "CFG020",
    "POL021": "CFG021",
    "POL022": "CFG022",
    "POL024": "CFG024",
    "POL025": "CFG025",
    "POL026": "CFG026",
}
"""What the readers that policies share with this file call a finding → what it is called here."""


class ConfigFindings(Findings):
    """The findings of one file."""

    def __init__(self, text: SourceText) -> None:
        super().__init__(text)
        self._concealed: dict[int, list[Source]] = {}

    def error(self, code: str, message: str, source: Source, help: str | None = None) -> None:
        super().error(_CODES.get(code, code), message, source, help)

    def warning(self, code: str, message: str, source: Source, help: str | None = None) -> None:
        super().warning(_CODES.get(code, code), message, source, help)

    def conceal(self, source: Source) -> None:
        """A secret stands at `source`: show asterisks in its place wherever its line is shown."""
        self._concealed.setdefault(source.line, []).append(source)

    def sorted(self) -> tuple[Diagnostic, ...]:
        return tuple(own_code(self._without_secrets(each)) for each in super().sorted())

    def _without_secrets(self, found: Diagnostic) -> Diagnostic:
        line = found.line_text
        if found.source is None or line is None:
            return found
        for secret in self._concealed.get(found.source.line, ()):
            start = secret.column - 1
            line = (
                line[:start] + "*" * len(line[start : start + secret.length]) + line[start + secret.length :]
            )
        return found if line == found.line_text else replace(found, line_text=line)


def own_code(found: Diagnostic) -> Diagnostic:
    """Return a finding of the shared readers under the code it has here."""
    code = _CODES.get(found.code)
    return found if code is None else replace(found, code=code)
