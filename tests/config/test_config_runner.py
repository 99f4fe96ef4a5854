"""`runner` of callgate.yaml: every key reaches its field, every mistake is told, and what is read for whom."""

from pathlib import Path
from typing import Any

import jsonschema_rs
import pytest
from config_files import HTTP_SERVER, LEAST, POLICY, SERVER, config, expect, findings, load, write

from callgate.cli.main import main
from callgate.config import reference, runner_keys
from callgate.config.load import load_config, load_files
from callgate.config.loader import ConfigLoad
from callgate.config.model import Secret
from callgate.config.runner_model import PackagesConfig, RetentionConfig, RunLimits, RunnerConfig
from callgate.config.schema import config_schema
from callgate.errors import ConfigError
from callgate.policy.findings import Findings
from callgate.policy.keys import Key
from callgate.policy.source_text import SourceText
from callgate.policy.values import plain
from callgate.policy.yaml_tree import parse

WHOLE = """\
servers:
  git: {command: [mcp-server-git], policy: git.yaml}
  docs: {url: "http://127.0.0.1:9000/mcp", policy: docs.yaml}
runner:
  policy: docs.yaml
  servers: [docs]
  journal: {env: JOURNAL_URL}
  queue: rediss://queue:6380/2
  backend: bwrap
  accept_tier: sandbox
  concurrency: 8
  pool: 0
  python: ./tls.crt
  limits: {memory: 512MiB, cpu: 5m, time: 1h, threads: 9, disk: 1GB, inodes: 500, output: 2KiB, results: 5KB}
  network: ["API.example.com:443", "*.example.org:8443", "10.0.0.7:5432", "[2001:db8::1]:80"]
  packages:
    enabled: true
    allow: [NumPy, "types-*", zope.interface]
    deny: [Foo__Bar]
    cache: cache
    max_set: 1MiB
    max_cache: 2MiB
    max_packages: 7
    timeout: 30s
    index: https://packages.example.com/simple
  secrets: {API_TOKEN: {env: API}, OTHER: {file: token, prefix: x}}
  retention: {keep: 30d, max_executions: 10, max_bytes: 1GiB, max_queued: 11}
  lease: 30s
  max_attempts: 3
  sync: normal
  drain: 1m
"""


def test_every_key_reaches_its_field(tmp_path: Path) -> None:
    found = config(tmp_path, WHOLE)
    assert found.warnings == ()
    assert found.runner == RunnerConfig(
        policy=str(tmp_path / "docs.yaml"),
        servers=("docs",),
        journal=Secret(env="JOURNAL_URL"),
        queue="rediss://queue:6380/2",
        backend="bwrap",
        accept_tier="sandbox",
        concurrency=8,
        pool=0,
        python=str(tmp_path / "tls.crt"),
        limits=RunLimits(
            memory=512 << 20,
            cpu=300.0,
            time=3600.0,
            threads=9,
            disk=1_000_000_000,
            inodes=500,
            output=2048,
            results=5000,
        ),
        network=("api.example.com:443", "*.example.org:8443", "10.0.0.7:5432", "[2001:db8::1]:80"),
        packages=PackagesConfig(
            enabled=True,
            allow=("numpy", "types-*", "zope-interface"),
            deny=("foo-bar",),
            cache=str(tmp_path / "cache"),
            max_set=1 << 20,
            max_cache=2 << 20,
            max_packages=7,
            timeout=30.0,
            index="https://packages.example.com/simple",
        ),
        secrets={"API_TOKEN": Secret(env="API"), "OTHER": Secret(file=str(tmp_path / "token"), prefix="x")},
        retention=RetentionConfig(keep=30 * 86_400.0, max_executions=10, max_bytes=1 << 30, max_queued=11),
        lease=30.0,
        max_attempts=3,
        sync="normal",
        drain=60.0,
    )


@pytest.mark.parametrize(
    ("written", "wanted"),
    [
        ("journal: sqlite:/var/runs.db", "sqlite:/var/runs.db"),
        ("journal: sqlite:./runs.db", "sqlite:{}/runs.db"),
        ("journal: sqlite:runs.db", "sqlite:{}/runs.db"),
        ("journal: postgresql://runs@db/runs", "postgresql://runs@db/runs"),
        ("journal: postgres://runs@db/runs?sslmode=verify-full", "postgresql://runs@db/runs?sslmode=verify-full"),
    ],
)  # fmt: skip
def test_a_journal_is_a_file_of_its_own_or_a_database(tmp_path: Path, written: str, wanted: str) -> None:
    found = config(tmp_path, f"runner: {{{written}}}")
    assert found.runner is not None
    assert found.runner.journal == wanted.format(tmp_path)


def _defaults(table: tuple[Key, ...]) -> str:
    given = [key for key in table if key.default and (" " not in key.default or key.default[0] in "[{")]
    return ", ".join(f"{key.name}: {key.default}" for key in given)


def test_a_default_that_is_written_changes_nothing(tmp_path: Path) -> None:
    written = (
        f"runner: {{{_defaults(runner_keys.RUNNER)}, limits: {{{_defaults(runner_keys.LIMITS)}}}, "
        f"packages: {{{_defaults(runner_keys.PACKAGES)}}}, retention: {{{_defaults(runner_keys.RETENTION)}}}}}"
    )
    assert "concurrency: 4" in written
    assert "max_cache: 4GiB" in written
    assert config(tmp_path, written).runner == RunnerConfig()


@pytest.mark.parametrize(
    ("around", "table"),
    [
        ("runner: {«}", runner_keys.RUNNER),
        ("runner: {limits: {«}}", runner_keys.LIMITS),
        ("runner: {packages: {«}}", runner_keys.PACKAGES),
        ("runner: {retention: {«}}", runner_keys.RETENTION),
    ],
    ids=["runner", "limits", "packages", "retention"],
)
def test_the_examples_are_valid(tmp_path: Path, around: str, table: tuple[Key, ...]) -> None:
    (tmp_path / "runner-policy.yaml").write_text(POLICY)
    for key in table:
        text = around.replace("«", f"{key.name}: {key.example}")
        assert [each for each in findings(tmp_path, text) if each.severity == "error"] == [], key.name


@pytest.mark.parametrize(
    ("marked", "wanted"),
    [
        ("runner: «[]»", "CFG002 `runner` must be a mapping"),
        ("runner: {«concurency»: 1}", "CFG001 in `runner` | `concurrency`"),
        ("runner: {«timeout»: 1}", "CFG001 | write `limits: {time: …}`"),
        ("runner: {«per_execution»: {}}", "CFG001 | that is a key of policies"),
        ("runner: {«audit»: a}", "CFG001 | at the top of the file"),
        (SERVER + "«journal»: sqlite:a", "CFG001 | write `runner: {journal: …}`"),
        ("runner: {limits: {«memry»: 1}}", "CFG001 in `limits` | `memory`"),
        ("runner: {packages: {«alow»: 1}}", "CFG001 in `packages` | `allow`"),
        ("runner: {retention: {«kep»: 1}}", "CFG001 in `retention` | `keep`"),
        (LEAST + "runner: {servers: [git, «gti»]}", "CFG056 there is no server `gti` | `git`"),
        (LEAST + "runner: {servers: [«zzzzz»]}", "CFG056 `zzzzz` | the servers are `docs`, `git`"),
        ("runner: {servers: [«git»]}", "CFG056 there is no server `git`"),
        (LEAST + "runner: {servers: [git, «git»]}", "CFG008 twice"),
        ("runner: {policy: «none.yaml»}", "CFG047 none.yaml`: there is no such file"),
        ("runner: {policy: «''»}", "CFG028"),
        ("runner: {journal: «memory://»}", "CFG052 in memory | would lose what was accepted"),
        ("runner: {journal: «postgrsql://db»}", "CFG052 | `postgresql`"),
        ("runner: {journal: «mysql://db»}", "CFG052 | write `sqlite:PATH`"),
        ("runner: {journal: «postgresql:db»}", "CFG052"),
        ("runner: {journal: «'sqlite:'»}", "CFG052 names no SQLite file"),
        ("runner: {journal: «'sqlite::memory:'»}", "CFG052"),
        ("runner: {journal: «'sqlite:~/a'»}", "CFG052"),
        ("runner: {journal: {env: A, «fil»: b}}", "CFG001"),
        ("runner: {queue: «redi://x»}", "CFG053 | `redis`"),
        ("runner: {queue: «memory»}", "CFG053 | memory://"),
        ("runner: {queue: «memory://x»}", "CFG053"),
        ("runner: {queue: «'redis:'»}", "CFG053"),
        ("runner: {backend: «docker»}", "CFG003 `bwrap` or `monty`"),
        ("runner: {accept_tier: «none»}", "CFG003 `sandbox`, `weak` or `interpreter`"),
        ("runner: {concurrency: «0»}", "CFG035"),
        ("runner: {limits: {memory: «1KiB»}}", "CFG035 from 32MiB"),
        ("runner: {limits: {cpu: «0»}}", "CFG035"),
        ("runner: {limits: {time: «1w»}}", "CFG033 unknown unit `w`"),
        ("runner: {limits: {disk: «5 apples»}}", "CFG034"),
        ("runner: {lease: «10ms»}", "CFG035 from 1s to 10m"),
        ("runner: {network: «a:1»}", "CFG002 must be a list | `[a:1]`"),
        ("runner: {network: [«example.com»]}", "CFG054 no place to connect to | HOST:PORT"),
        ("runner: {network: [«'https://example.com:443'»]}", "CFG054 | leave out the scheme"),
        ("runner: {network: [«'*:443'»]}", "CFG054"),
        ("runner: {network: [«'a*.example.com:443'»]}", "CFG054"),
        ("runner: {network: [«'*.*.example.com:443'»]}", "CFG054"),
        ("runner: {network: [«'example.com:*'»]}", "CFG054"),
        ("runner: {network: [«'example.com:0'»]}", "CFG054"),
        ("runner: {network: [«'example.com:65536'»]}", "CFG054"),
        ("runner: {network: [«'::1:80'»]}", "CFG054"),
        ("runner: {network: [«'[a]:80'»]}", "CFG054"),
        ("runner: {network: [«'*.10.0.0.1:80'»]}", "CFG054 an address has no parts"),
        ("runner: {network: [a.b:1, «A.B:01»]}", "CFG008 twice"),
        ("runner: {packages: {allow: «[]»}}", "CFG027"),
        ("runner: {packages: {allow: [«'numpy>=2'»]}}", "CFG055 | versions"),
        ("runner: {packages: {deny: [«'a[b]'»]}}", "CFG055"),
        ("runner: {packages: {deny: [a.b, «A_B»]}}", "CFG008 twice"),
        ("runner: {packages: {index: «http://packages.example.com»}}", "CFG045"),
        ("runner: {packages: {index: «https://u:p@packages.example.com»}}", "CFG036 user or a password"),
        ("runner: {packages: {max_set: 2GiB, max_cache: «1GiB»}}", "CFG058 2GiB"),
        ("runner: {secrets: {A: «b»}}", "CFG037 secrets are not written here"),
        ("runner: {secrets: {«a-b»: {env: A}}}", "CFG005 `a-b` is not the name of a secret"),
        ("runner: {backend: «monty»}", "CFG057 no wall | accept_tier: interpreter"),
        ("runner: {backend: monty, accept_tier: «weak»}", "CFG057"),
        ("runner: {accept_tier: «interpreter»}", "CFG057 | `backend: monty`"),
        (
            "runner: {backend: monty, accept_tier: interpreter, «network»: []}",
            "CFG057 `network` means nothing with `backend: monty` | delete",
        ),
        # Warnings.
        ("runner: {accept_tier: «weak»}", "CFG110 weaker walls"),
        ("runner: {queue: «redis://q»}", "CFG109 belongs to one | postgresql"),
        ("runner: {queue: «{env: Q}», journal: sqlite:a}", "CFG109"),
        ("runner: {journal: «postgresql://u:p@db/x»}", "CFG101 holds a password | journal: {env: NAME}"),
        ("runner: {queue: «'redis://:p@q'», journal: {env: J}}", "CFG101 | queue: {env: NAME}"),
        ("runner: {network: [«localhost:80»]}", "CFG111 `localhost`"),
        ("runner: {network: [«'[::1]:80'»]}", "CFG111"),
        ("runner: {network: [«169.254.169.254:80»]}", "CFG111"),
        ("runner: {secrets: {A: {file: «none»}}}", "CFG105"),
    ],
)
def test_a_mistake_is_told_at_its_place(tmp_path: Path, marked: str, wanted: str) -> None:
    expect(tmp_path, marked, wanted)


def test_a_password_is_never_shown(tmp_path: Path) -> None:
    for key in (
        "journal: postgresql://u:hunter22@db/x",
        "queue: 'redis://:hunter22@q'",
        "queue: 'redi://:hunter22@q'",
    ):
        found = findings(tmp_path, f"runner: {{{key}}}")
        assert found
        assert "hunter22" not in repr(found)


@pytest.mark.parametrize(
    "text",
    [
        "runner: {}",
        "servers: {}\nrunner: {}",
        "runner: {queue: redis://q, journal: postgresql://runs@db/runs}",
        "runner: {queue: {env: Q}, journal: {env: J}}",
        "runner: {backend: monty, accept_tier: interpreter}",
        HTTP_SERVER + "runner: {servers: []}",
    ],
)
def test_what_is_right_is_not_complained_of(tmp_path: Path, text: str) -> None:
    assert findings(tmp_path, text) == ()


def test_serving_needs_servers_and_running_does_not(tmp_path: Path) -> None:
    path = write(tmp_path, "runner: {}")
    for text, code in (("runner: {}", "CFG004"), ("servers: {}\nrunner: {}", "CFG023")):
        write(tmp_path, text)
        assert load_config(path)[0].servers == ()
        assert load_config(path, "runner")[0].runner == RunnerConfig()
        with pytest.raises(ConfigError) as error:
            load_config(path, "serve")
        assert error.value.code == code
    write(tmp_path, "drain: 5s")
    assert load_config(path, "runner")[0].runner is None
    with pytest.raises(ConfigError):
        load_config(path)


def test_the_runner_s_policy_is_read_for_the_runner_and_not_for_serving(tmp_path: Path) -> None:
    path = write(tmp_path, SERVER + "runner: {policy: runner.yaml}")
    (tmp_path / "runner.yaml").write_text(f"description: mine\n{POLICY}")
    loaded = load_files(path, "runner")
    assert loaded.documents.keys() == {"a"}
    assert loaded.runner_policy is not None
    assert loaded.runner_policy.description == "mine"
    assert str(tmp_path / "runner.yaml") in loaded.seen
    (tmp_path / "runner.yaml").write_text("nonsense: 1\n")
    assert load_files(path, "serve").runner_policy is None
    for purpose in ("runner", None):
        with pytest.raises(ConfigError) as error:
            load_files(path, purpose)
        assert error.value.code == "POL001"


def test_what_the_reader_s_process_hands_over_is_what_is_read_here(tmp_path: Path) -> None:
    path = write(tmp_path, WHOLE)
    assert ConfigLoad(path, "runner").result() == load_files(path, "runner")
    assert ConfigLoad(path).result() == load_files(path, "serve")


def test_the_check_of_a_file_for_the_runner_only_says_so(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = write(tmp_path, "runner: {policy: git.yaml}")
    assert main(["config", "check", "--format", "plain", path]) == 0
    assert "0 servers and a runner" in capsys.readouterr().out
    (tmp_path / "git.yaml").write_text("nonsense: 1\n")
    assert main(["config", "check", "--format", "plain", path]) == 3
    assert "POL001" in capsys.readouterr().out


def _data(text: str) -> Any:
    source = SourceText("callgate.yaml", text)
    recorded = Findings(source)
    node = parse(source, recorded)
    assert node is not None
    return plain(node, recorded)


def test_the_schema_takes_what_the_reader_takes_and_refuses_what_it_can(tmp_path: Path) -> None:
    validator = jsonschema_rs.Draft7Validator(config_schema())
    for text in (WHOLE, "runner: {}", "servers: {}\nrunner: {journal: sqlite:a}"):
        assert [each for each in findings(tmp_path, text) if each.severity == "error"] == []
        validator.validate(_data(text))
    for text in (
        "runner: []",
        "runner: {nope: 1}",
        "runner: {limits: {nope: 1}}",
        "runner: {pool: -1}",
        "runner: {backend: docker}",
        "runner: {packages: {allow: []}}",
        "runner: {secrets: {A: text}}",
        "runner: {secrets: {a-b: {env: A}}}",
        "runner: {lease: soon}",
    ):
        assert findings(tmp_path, text)
        assert not validator.is_valid(_data(text)), text


def test_the_runner_that_the_reference_page_shows_is_valid(tmp_path: Path) -> None:
    (tmp_path / "runner-policy.yaml").write_text(POLICY)
    shown = [part.split("```")[0] for part in reference.reference().split("```yaml\n")]
    whole = next(text for text in shown if text.startswith("runner:\n"))
    assert load(tmp_path, whole).runner_policy is not None
    assert config(tmp_path, whole).warnings == ()
