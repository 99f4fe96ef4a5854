"""Bytes of a policy file → Document, or every finding about it. Does no I/O.

bytes ─ source_text ─▶ text ─ yaml_tree ─▶ located tree ─ form ─▶ reader ─ warn ─▶ Document
"""

from callgate.diagnostics import Source
from callgate.digest import lean as sha256
from callgate.errors import PolicyError
from callgate.policy.findings import Findings
from callgate.policy.form import detect_form
from callgate.policy.model import Document
from callgate.policy.source_text import SourceText, decode
from callgate.policy.values import describe
from callgate.policy.yaml_tree import MapNode, Node, ScalarNode, parse


def load_policy(data: bytes, file: str) -> Document:
    """Return the policy that `data` holds; `file` is the name that places in it are told by.

    Raises PolicyError with every error and warning, in the order of the file. A Document carries the warnings
    of a file without errors. Never raises anything else, whatever the bytes are.
    """
    text = decode(data, file)
    findings = Findings(text)
    document = _read(text, sha256(data).hexdigest()[:12], findings)
    if document is None or findings.errors:
        raise PolicyError(findings.sorted())
    from callgate.policy.warn import warn

    warn(document, text, findings)
    return _with_warnings(document, findings)


def _read(text: SourceText, revision: str, findings: Findings) -> Document | None:
    tree = parse(text, findings)
    if tree is None:
        if not findings.errors:
            _is_empty(text, findings)
        return None
    if not isinstance(tree, MapNode):
        _not_a_mapping(tree, text, findings)
        return None
    form = detect_form(tree, text.text.lstrip().startswith("{"), findings)
    if form == "native":
        from callgate.policy.native import read_native

        return read_native(tree, text.file, revision, findings)
    if form == "intercept":
        from callgate.policy.intercept import read_intercept

        return read_intercept(tree, text.file, revision, findings)
    if form == "hosted":
        from callgate.policy.hosted import read_hosted

        return read_hosted(tree, text.file, revision, findings)
    return None


def _not_a_mapping(tree: Node, text: SourceText, findings: Findings) -> None:
    if isinstance(tree, ScalarNode) and tree.kind == "null":
        _is_empty(text, findings)
        return
    help = "a policy starts with keys such as `default:` and `tools:`"
    findings.error("POL002", f"a policy must be a mapping, found {describe(tree)}", tree.source, help)


def _is_empty(text: SourceText, findings: Findings) -> None:
    help = "write `default: deny`, `hide` or `tools`"
    findings.error("POL023", "the file holds no policy", Source(text.file, 1, 1), help)


def _with_warnings(document: Document, findings: Findings) -> Document:
    warnings = findings.sorted()
    if not warnings:
        return document
    from msgspec.structs import replace

    return replace(document, warnings=warnings)
