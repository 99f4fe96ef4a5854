"""`runner` → RunnerConfig: how `callgate runner` executes agents' code."""

from collections.abc import Collection

from callgate.config.findings import ConfigFindings
from callgate.config.model import Secret, ServerConfig
from callgate.config.places import Folder, path_is_usable, url
from callgate.config.quantities import count, duration, show_size, size
from callgate.config.runner_keys import LIMITS, PACKAGES, RETENTION, RUNNER
from callgate.config.runner_model import PackagesConfig, RetentionConfig, RunLimits, RunnerConfig
from callgate.config.runner_values import destination, journal, package, queue, secrets
from callgate.config.section import Reader, Section, each_of, one_of
from callgate.config.servers import NamedPolicy
from callgate.policy.findings import did_you_mean
from callgate.policy.keys import names
from callgate.policy.values import boolean, string
from callgate.policy.yaml_tree import ListNode, Node, ScalarNode
from callgate.text import quote

_HOUR = 3_600.0
_DAY = 86_400.0
_YEAR = 366 * _DAY
_TIB = 1 << 40
_BWRAP_KEYS = ("python", "network", "packages")


def read_runner(
    node: Node, folder: Folder, findings: ConfigFindings
) -> tuple[RunnerConfig, NamedPolicy | None, Section]:
    """Return the section, the policy it names, and what `check_runner` needs when the rest of the file is known."""
    section = Section(node, "`runner`", "in `runner`", RUNNER, findings, _hint)
    policies: list[NamedPolicy] = []

    def policy(node: Node, what: str, findings: ConfigFindings) -> str | None:
        written = string(node, what, findings)
        if written is None or not path_is_usable(written, what, node, findings):
            return None
        policies.append(NamedPolicy("", folder.absolute(written), folder.display(written), node.source))
        return policies[0].path

    section.take("policy", policy)
    section.take("servers", each_of(string))
    section.take("journal", journal(folder))
    section.take("queue", queue(folder))
    section.take("backend", one_of("bwrap", "monty"))
    section.take("accept_tier", one_of("sandbox", "weak", "interpreter"))
    section.take("concurrency", count(1, 1_000))
    section.take("pool", count(0, 1_000))
    section.take("python", folder.present)
    section.take("limits", _limits)
    section.take("network", each_of(destination))
    section.take("packages", _packages(folder))
    section.take("secrets", secrets(folder))
    section.take("retention", _retention)
    section.take("lease", duration(1.0, 600.0))
    section.take("max_attempts", count(1, 100))
    section.take("sync", one_of("full", "normal"))
    section.take("drain", duration(0.0, _DAY))
    section.take("trusted_gates", each_of(string))
    return RunnerConfig(**section.values), policies[0] if policies else None, section


def check_runner(
    runner: RunnerConfig, section: Section, servers: Collection[ServerConfig], findings: ConfigFindings
) -> None:
    """Record what does not go together within `runner`, and with the servers of the file."""
    known = {server.name for server in servers}
    named = section.at("servers")
    for item in named.items if isinstance(named, ListNode) and "servers" in section.found else ():
        if isinstance(item, ScalarNode) and item.kind == "string" and item.text not in known:
            listed = ", ".join(quote(name, 63) for name in sorted(known)[:10])
            help = did_you_mean(item.text, known) or (f"the servers are {listed}" if known else None)
            findings.error("CFG056", f"there is no server {quote(item.text, 63)}", item.source, help)
    _check_backend(runner, section, findings)
    _check_journal(runner, section, findings)


def _check_backend(runner: RunnerConfig, section: Section, findings: ConfigFindings) -> None:
    tier = section.at("accept_tier").source
    if runner.backend == "monty":
        if runner.accept_tier != "interpreter":
            message = (
                "`backend: monty` has no wall of the operating system, and only better tiers are accepted"
            )
            where = tier if "accept_tier" in section.found else section.at("backend").source
            findings.error("CFG057", message, where, "write `accept_tier: interpreter` if that is enough")
        for key in _BWRAP_KEYS:
            if key in section.found:
                message = f"`{key}` means nothing with `backend: monty`"
                findings.error("CFG057", message, section.found[key][0].source, "delete it")
    elif runner.accept_tier == "interpreter":
        message = "`accept_tier: interpreter` is for `backend: monty`: `bwrap` has walls, or does not start"
        findings.error("CFG057", message, tier, "write `backend: monty`, or leave `accept_tier` out")
    elif runner.accept_tier == "weak":
        message = "code may run behind weaker walls, without namespaces"
        findings.warning("CFG110", message, tier, "`sandbox` refuses to start where a wall is missing")


def _check_journal(runner: RunnerConfig, section: Section, findings: ConfigFindings) -> None:
    one_machine = runner.journal is None or (
        isinstance(runner.journal, str) and runner.journal.startswith("sqlite:")
    )
    if one_machine and (isinstance(runner.queue, Secret) or not runner.queue.startswith("memory:")):
        message = "the queue can be shared by several machines, and the journal belongs to one"
        help = "write `journal: postgresql://…`, unless all workers are on this machine"
        findings.warning("CFG109", message, section.at("queue").source, help)


def _hint(key: str) -> str | None:
    if key == "timeout" or key in names(LIMITS):
        return f"write `limits: {{{'time' if key == 'timeout' else key}: …}}`"
    if key in ("per_execution", "grant_secrets"):
        return "that is a key of policies: name the policy file, `policy: FILE`"
    if key in ("listen", "auth", "audit", "state"):
        return f"`{key}` stands at the top of the file, and is shared with `callgate serve`"
    return None


def _limits(node: Node, what: str, findings: ConfigFindings) -> RunLimits:
    section = Section(node, what, "in `limits`", LIMITS, findings)
    section.take("memory", size(32 << 20, 64 * _TIB))
    section.take("cpu", duration(0.1, _YEAR))
    section.take("time", duration(0.1, _YEAR))
    section.take("threads", count(1, 10_000))
    section.take("disk", size(1 << 20, 64 * _TIB))
    section.take("inodes", count(100, 10_000_000))
    section.take("output", size(1_024, 1 << 30))
    section.take("results", size(1_024, 1 << 30))
    section.take("calls", count(1, 1_000_000_000))
    section.take("answers", size(1_024, 1 << 40))
    return RunLimits(**section.values)


def _packages(folder: Folder) -> Reader:
    def read(node: Node, what: str, findings: ConfigFindings) -> PackagesConfig:
        section = Section(node, what, "in `packages`", PACKAGES, findings)
        section.take("enabled", boolean)
        section.take("profile", one_of("data", "none"))
        section.take("allow", each_of(package, at_least=1))
        section.take("deny", each_of(package))
        section.take("cache", folder.file)
        section.take("max_set", size(1 << 20, 64 * _TIB))
        section.take("max_cache", size(1 << 20, 64 * _TIB))
        section.take("max_packages", count(1, 1_000))
        section.take("timeout", duration(1.0, _HOUR))
        section.take("index", url(secure=True))
        found = PackagesConfig(**section.values)
        if found.max_set > found.max_cache:
            message = f"one set of packages may take {show_size(found.max_set)}, and all of them less"
            help = "make `max_cache` larger than `max_set`"
            findings.error("CFG058", message, section.at("max_cache").source, help)
        return found

    return read


def _retention(node: Node, what: str, findings: ConfigFindings) -> RetentionConfig:
    section = Section(node, what, "in `retention`", RETENTION, findings)
    section.take("keep", duration(60.0, 100 * _YEAR))
    section.take("max_executions", count(1, 1_000_000_000))
    section.take("max_bytes", size(1 << 20, 64 * _TIB))
    section.take("max_queued", count(1, 10_000_000))
    return RetentionConfig(**section.values)
