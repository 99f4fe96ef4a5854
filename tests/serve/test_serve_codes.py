"""Every code that serving uses is explained."""

import pathlib
import re

import callgate.serve
from callgate.codes import gate, serving


def test_every_code_of_a_refused_request_has_a_page() -> None:
    sources = pathlib.Path(callgate.serve.__path__[0]).glob("*.py")
    used = {code for source in sources for code in re.findall(r'"(WIR\d{3})"', source.read_text())}
    assert used <= {*serving.CODES, *gate.CODES}
    assert set(serving.CODES) <= used
