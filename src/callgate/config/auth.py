"""`auth` → AuthConfig: how callers prove who they are."""

from callgate.config.findings import ConfigFindings
from callgate.config.keys import AUTH, JWT
from callgate.config.model import Algorithm, AuthConfig, JwtConfig
from callgate.config.places import Folder, is_loopback, split_url, url
from callgate.config.quantities import duration
from callgate.config.section import Section, each_of, one_or_more
from callgate.policy.findings import did_you_mean
from callgate.policy.values import string
from callgate.policy.yaml_tree import MapNode, Node
from callgate.text import quote

ALGORITHMS: tuple[Algorithm, ...] = (
    "RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384", "ES512", "EdDSA",
)  # fmt: skip


def read_auth(node: Node, folder: Folder, findings: ConfigFindings) -> AuthConfig:
    """Return how callers are known."""
    section = Section(node, "`auth`", "in `auth`", AUTH, findings)
    section.take("keys", folder.present)
    section.take("jwt", one_or_more(lambda node, what, findings: _jwt(node, what, folder, findings)))
    section.take("resource", url(secure=True))
    section.take("authorization_servers", each_of(url(secure=True), at_least=1))
    section.take("scopes", each_of(word, at_least=1), "scopes_supported")
    if isinstance(node, MapNode) and not {"keys", "jwt"} & section.found.keys():
        help = "write `keys: FILE` for API keys, or `jwt: {issuer: …, audience: …, jwks: …}` for tokens"
        findings.error("CFG004", "`auth` needs `keys` or `jwt`", node.source, help)
    if "jwt" in section.found and "resource" not in section.found:
        findings.error(
            "CFG046",
            "`jwt` needs `resource`: the address that tokens are meant for",
            section.found["jwt"][0].source,
            "write `resource: https://gate.example.com`, the address that clients use",
        )
    issuers: tuple[JwtConfig, ...] = section.values.get("jwt", ())
    if "authorization_servers" not in section.found:
        own = tuple(dict.fromkeys(each.issuer for each in issuers if _is_address(each.issuer)))
        section.values["authorization_servers"] = own
    return AuthConfig(**section.values)


def word(node: Node, what: str, findings: ConfigFindings) -> str | None:
    """Read a text without white space: a scope, say (RFC 6749 section 3.3)."""
    text = string(node, what, findings)
    if text is None or (text and all("!" <= letter <= "~" and letter not in '"\\' for letter in text)):
        return text
    findings.error("CFG005", f"{what} must be one word of plain ASCII, found {quote(text)}", node.source)
    return None


def _jwt(node: Node, what: str, folder: Folder, findings: ConfigFindings) -> JwtConfig | None:
    before = findings.errors
    section = Section(node, what, "in `jwt`", JWT, findings)
    section.take("issuer", _name)
    section.take("audience", _name)
    section.take("jwks", lambda node, what, findings: _jwks(node, what, folder, findings))
    section.take("algorithms", each_of(_algorithm, at_least=1))
    section.take("identity_claim", _name)
    section.take("required_scopes", each_of(word))
    section.take("leeway", duration(0.0, 600.0))
    # Without `issuer`, `audience` and `jwks` there was an error.
    return JwtConfig(**section.values) if findings.errors == before else None


def _name(node: Node, what: str, findings: ConfigFindings) -> str | None:
    text = string(node, what, findings)
    if text is None or (text.strip() and text.isprintable()):
        return text
    findings.error("CFG005", f"{what} must not be empty or hold characters that cannot be seen", node.source)
    return None


def _jwks(node: Node, what: str, folder: Folder, findings: ConfigFindings) -> str | None:
    text = string(node, what, findings)
    if text is None:
        return None
    return url(secure=True)(node, what, findings) if "://" in text else folder.present(node, what, findings)


def _algorithm(node: Node, what: str, findings: ConfigFindings) -> Algorithm | None:
    text = string(node, what, findings)
    if text is None:
        return None
    for known in ALGORITHMS:
        if known == text:
            return known
    if text.upper().startswith("HS") or text.lower() == "none":
        message = f"the algorithm {quote(text)} cannot be used: whoever can check such a token can make one"
        help = "have tokens signed with RS256, ES256 or EdDSA"
        if text.lower() == "none":
            message = f"the algorithm {quote(text)} cannot be used: anybody can make such a token"
        findings.error("CFG044", message, node.source, help)
    else:
        help = did_you_mean(text, ALGORITHMS) or f"the algorithms are {', '.join(ALGORITHMS)}"
        findings.error("CFG003", f"unknown algorithm {quote(text)}", node.source, help)
    return None


def _is_address(text: str) -> bool:
    parts = split_url(text)
    if parts is None:
        return False
    return parts.scheme == "https" or (parts.scheme == "http" and is_loopback(parts.hostname or ""))
