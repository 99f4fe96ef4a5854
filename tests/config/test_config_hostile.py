"""Whatever the bytes are, loading ends with a configuration or with findings whose places are in the file."""

from pathlib import Path

import pytest
from config_files import write
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st
from test_config_meaning import WHOLE
from test_config_runner import WHOLE as OF_RUNNER

from callgate.codes import config, config_runner
from callgate.config.load import load_files
from callgate.errors import ConfigError

_WORDS = st.sampled_from(
    ["servers", "a", "git", "command", "url", "policy", "git.yaml", "headers", "env", "file", "prefix", "listen",
     "host", "port", "tls", "cert", "key", "hosts", "origins", "auth", "keys", "jwt", "issuer", "audience", "jwks",
     "algorithms", "resource", "sessions", "secret", "state", "workers", "drain", "telemetry", "limits", "timeout",
     "http://x", "'https://[::1'", "'http://[::1]:0'", "'//'", "'@'", "redis://:x@y", "sqlite:", "'%'", "HS256", "0",
     "TOKEN", "-1", "1e99", ".inf", "5s", "5 GB", "1e5ms", "~", "''", "'*'", "true", "no", "&a", "*a", "<<", "!!str",
     "runner", "journal", "queue", "backend", "monty", "accept_tier", "network", "packages", "allow", "secrets",
     "retention", "forward_identity", "postgresql://u:p@h/d", "a:1", "'*.a:0'", "'[::1]:9'", "'a:²'",
     "Authorization", "'\\0'", '"\\0"', '"\\uD800"',
     "'²'", "'1²s'", "'\u0661s'", "'xn--'", "'a..b'", "'::'", "'[::]'", "'a:b:c'"]
)  # fmt: skip
_TREES = st.recursive(
    _WORDS,
    lambda inner: st.one_of(
        st.lists(inner, max_size=4).map(lambda each: f"[{', '.join(each)}]"),
        st.lists(st.tuples(_WORDS, inner), max_size=5).map(
            lambda pairs: "{" + ", ".join(f"{key}: {value}" for key, value in pairs) + "}"
        ),
    ),
    max_leaves=25,
)
RUNNER = OF_RUNNER[OF_RUNNER.index("runner:") :]
_LINES = (WHOLE + RUNNER).splitlines(keepends=True)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("hostile")


def _survives(folder: Path, data: bytes) -> None:
    path = Path(write(folder, ""))
    path.write_bytes(data)
    try:
        found = load_files(str(path)).config.warnings
        assert all(each.severity == "warning" for each in found)
    except ConfigError as error:
        found = error.diagnostics
        assert any(each.severity == "error" for each in found)
    lines = data.count(b"\n") + 1
    for each in found:
        assert each.code in {**config.CODES, **config_runner.CODES}
        assert each.message.isprintable()
        assert each.help is None or each.help.isprintable()
        source = each.source
        assert source is None or (1 <= source.line <= lines and source.column >= 1 <= source.length)


@settings(max_examples=60, deadline=None)
@given(st.binary(max_size=200))
def test_any_bytes(folder: Path, data: bytes) -> None:
    _survives(folder, data)


@settings(max_examples=250, suppress_health_check=[HealthCheck.too_slow], deadline=None)
@given(_TREES)
@example("{servers: {a: {url: 'http://[::1', policy: git.yaml}}}")
@example("{servers: {a: {command: [a], policy: git.yaml, timeout: 1e5ms}}, listen: {hosts: ['a:²']}}")
def test_anything_that_looks_like_a_configuration(folder: Path, text: str) -> None:
    _survives(folder, text.encode("utf-8", "surrogatepass"))


@settings(max_examples=250, deadline=None)
@given(st.data())
def test_a_good_configuration_with_one_value_changed(folder: Path, data: st.DataObject) -> None:
    number = data.draw(st.integers(0, len(_LINES) - 1))
    line = _LINES[number]
    head, colon, _ = line.partition(": ")
    changed = f"{head}{colon}{data.draw(_TREES)}\n" if colon else f"{line.rstrip()} {data.draw(_WORDS)}\n"
    text = "".join([*_LINES[:number], changed, *_LINES[number + 1 :]])
    _survives(folder, text.encode("utf-8", "surrogatepass"))


@settings(max_examples=100, deadline=None)
@given(st.data())
def test_a_good_configuration_with_lines_dropped_and_moved(folder: Path, data: st.DataObject) -> None:
    lines = data.draw(st.lists(st.sampled_from(_LINES), max_size=len(_LINES)))
    _survives(folder, "".join(lines).encode())
