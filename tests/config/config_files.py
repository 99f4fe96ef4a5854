"""Configurations written into a folder, and what is found in them."""

from pathlib import Path

from tests.support.marks import unmark

from callgate.config.load import load_files
from callgate.config.loaded import Loaded
from callgate.config.model import ServeConfig
from callgate.diagnostics import Diagnostic
from callgate.errors import ConfigError

POLICY = "default: deny\ntools: {a: {rules: []}}\n"
LEAST = """\
servers:
  git: {command: [mcp-server-git], policy: git.yaml}
  docs: {url: "http://127.0.0.1:9000/mcp", policy: docs.yaml}
"""
SERVER = "servers: {a: {command: [a], policy: git.yaml}}\n"
HTTP_SERVER = 'servers: {a: {url: "http://127.0.0.1:1/mcp", policy: git.yaml}}\n'
URL_SERVER = 'servers: {{a: {{url: "https://docs.example.com/mcp", policy: git.yaml, {}}}}}'
"""To be filled with the other keys of the server."""


def write(folder: Path, text: str) -> str:
    """Put a configuration beside two good policies and some other files. Returns its path."""
    contents = {"git.yaml": POLICY, "docs.yaml": POLICY}
    for name in ("git.yaml", "docs.yaml", "keys.yaml", "tls.crt", "tls.key", "jwks.json", "ca.pem", "token"):
        if not (folder / name).exists():
            (folder / name).write_text(contents.get(name, ""))
    path = folder / "callgate.yaml"
    path.write_text(text)
    return str(path)


def load(folder: Path, text: str) -> Loaded:
    """Load a configuration that must be valid."""
    return load_files(write(folder, text))


def config(folder: Path, text: str) -> ServeConfig:
    return load(folder, text).config


def findings(folder: Path, text: str) -> tuple[Diagnostic, ...]:
    """Return everything that is found in the files, valid or not."""
    try:
        loaded = load(folder, text)
    except ConfigError as error:
        return error.diagnostics
    return (*loaded.config.warnings, *(each for doc in loaded.documents.values() for each in doc.warnings))


def expect(folder: Path, marked: str, *wanted: str) -> None:
    """Assert that exactly the marked places are found, in order, each with a code and words of its message.

    Each of `wanted` is `CODE words`, or `CODE words | words of the help`.
    """
    text, places = unmark(marked)
    found = findings(folder, text)
    told = "\n".join(f"{each.code} {each.source} {each.message} | {each.help}" for each in found)
    shown = [(each.source.line, each.source.column, each.source.length) for each in found if each.source]
    assert shown == places, told
    assert len(found) == len(wanted), told
    for each, want in zip(found, wanted, strict=True):
        message, _, help = want.partition(" | ")
        code, _, words = message.partition(" ")
        assert each.code == code, told
        assert words in each.message, told
        assert help in (each.help or ""), told
