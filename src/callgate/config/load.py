"""callgate.yaml and the policies it names → what the gate runs on, or every finding about all of these files.

In a process that serves, use `loader.ConfigLoad`: this loads the YAML parser, and takes its time.
"""

import os

from msgspec.structs import replace

from callgate.config.findings import ConfigFindings, own_code
from callgate.config.loaded import Loaded
from callgate.config.model import ServeConfig
from callgate.config.places import Folder
from callgate.config.purpose import Purpose
from callgate.config.read import read_config
from callgate.config.servers import NamedPolicy
from callgate.diagnostics import Diagnostic, Source
from callgate.digest import lean as sha256
from callgate.errors import ConfigError, PolicyError
from callgate.filestate import FileState, look_at
from callgate.policy.load import load_policy
from callgate.policy.model import Document
from callgate.policy.source_text import MAX_BYTES, decode
from callgate.policy.values import describe
from callgate.policy.yaml_tree import MapNode, Node, ScalarNode, parse
from callgate.policyfile import UnreadableFile, read_bounded
from callgate.text import quote

_BEGIN = "write `servers: {NAME: {command: […], policy: FILE}}`"


def load_config(path: str, purpose: Purpose | None = None) -> tuple[ServeConfig, dict[str, Document]]:
    """Return the configuration in the file at `path` (`-`: stdin), and the policy of each server by its name.

    What the file must have depends on what it is read for; None: it needs servers or a `runner`.

    Raises ConfigError with every finding of every file, each under its own file's name.
    """
    loaded = load_files(path, purpose)
    return loaded.config, loaded.documents


def load_files(path: str, purpose: Purpose | None = None) -> Loaded:
    """As `load_config`, with the states of the files read, callgate.yaml and the policies, which the error has as
    well; and with the policy of the runner, unless the purpose is to serve."""
    shown = "stdin" if path == "-" else path
    absolute = os.path.abspath(path)
    seen = {absolute: look_at(absolute)}
    try:
        text_findings, config, policies, of_runner = _read(
            _bytes(path), shown, absolute, Folder(path), purpose
        )
    except ConfigError as error:
        raise ConfigError(error.diagnostics, seen) from None
    if of_runner is not None and purpose != "serve":
        policies.append(of_runner)
    documents, of_policies = _load_policies(policies, text_findings, seen)
    runner_policy = documents.pop("", None)
    found = text_findings.sorted()
    everything = (*found, *of_policies)
    if config is None or any(each.severity == "error" for each in everything):
        raise ConfigError(everything, seen)
    return Loaded(replace(config, warnings=found), documents, seen, runner_policy)


def _bytes(path: str) -> bytes:
    try:
        return read_bounded(path)
    except UnreadableFile as error:
        message = f"cannot read the configuration {quote(path, 200)}: {error.why}"
        raise ConfigError([Diagnostic("error", "CFG010", message, help=error.help)]) from None


def _read(
    data: bytes, shown: str, path: str, folder: Folder, purpose: Purpose | None
) -> tuple[ConfigFindings, ServeConfig | None, list[NamedPolicy], NamedPolicy | None]:
    if len(data) > MAX_BYTES:
        message = f"the file is larger than {MAX_BYTES} bytes"
        raise ConfigError([Diagnostic("error", "CFG011", message, help="no configuration is that large")])
    try:
        text = decode(data, shown)
    except PolicyError as error:
        raise ConfigError([own_code(each) for each in error.diagnostics]) from None
    findings = ConfigFindings(text)
    for place in text.invisible():
        findings.warning("CFG108", "an invisible character", place, "delete it, unless a script needs it")
    tree: Node | None = parse(text, findings)
    if tree is None or (isinstance(tree, ScalarNode) and tree.kind == "null"):
        if not findings.errors:
            findings.error("CFG023", "the file holds no configuration", Source(shown, 1, 1), _BEGIN)
        return findings, None, [], None
    if not isinstance(tree, MapNode):
        message = f"a configuration must be a mapping, found {describe(tree)}"
        findings.error("CFG002", message, tree.source, _BEGIN)
        return findings, None, [], None
    revision = sha256(data).hexdigest()[:12]
    return findings, *read_config(tree, path, revision, folder, purpose, findings)


def _load_policies(
    policies: list[NamedPolicy], findings: ConfigFindings, seen: dict[str, FileState]
) -> tuple[dict[str, Document], list[Diagnostic]]:
    """Return the policies by the names of their servers ("": the runner's), and what was found in them.

    Each file is read once.
    """
    documents: dict[str, Document] = {}
    found: list[Diagnostic] = []
    read: dict[str, Document | None] = {}
    for policy in policies:
        if policy.path not in read:
            seen[policy.path] = look_at(policy.path)
            try:
                read[policy.path] = document = load_policy(read_bounded(policy.path), policy.shown)
                found.extend(document.warnings)
            except UnreadableFile as error:
                message = f"cannot read the policy {quote(policy.shown, 200)}: {error.why}"
                findings.error("CFG047", message, policy.source, error.help)
                continue
            except PolicyError as error:
                read[policy.path] = None
                found.extend(error.diagnostics)
        known = read[policy.path]
        if known is not None:
            documents[policy.server] = known
    return documents, found
