"""Every mistake in callgate.yaml is found in one pass, at its place, with what to do about it."""

from pathlib import Path

import pytest
from config_files import HTTP_SERVER, LEAST, POLICY, SERVER, expect, findings, write

from callgate.config.load import load_config
from callgate.errors import ConfigError

CHILD = "servers: {a: {command: [a], policy: git.yaml, "
URL = 'servers: {a: {url: "https://x.example.com", policy: git.yaml, '
JWT = "issuer: i, audience: a, jwks: jwks.json"


@pytest.mark.parametrize(
    ("marked", "wanted"),
    [
        # What no YAML file may have.
        ("«servers»:", "CFG002 `servers` must be a mapping, found nothing"),
        ("«[a]»", "CFG002 a configuration must be a mapping, found a list | servers"),
        ("«5»", "CFG002 found a number"),
        (SERVER + "«servers»: {}", "CFG022 duplicate key `servers` | line 1"),
        (SERVER + "workers: «!!int» 1", "CFG019 `!!int`"),
        (SERVER + "«<<»: {workers: 1}", "CFG020"),
        (SERVER + "«1»: 2", "CFG021"),
        (SERVER + "workers: «.inf»", "CFG024"),
        (SERVER + "workers: «*w»", "CFG018"),
        # Keys.
        (SERVER + "«worker»: 2", "CFG001 at the top of the file | did you mean `workers`?"),
        (SERVER + "«host»: ::1", "CFG001 | write `listen: {host: …}`"),
        (SERVER + "«tools»: {}", "CFG001 | that is a key of policies"),
        (LEAST + "«mcpServers»: {}", "CFG001 | `servers`"),
        (SERVER + "listen: {«prot»: 1}", "CFG001 in `listen` | `port`"),
        (CHILD + "«commnd»: 1}}", "CFG001 in server `a` | `command`"),
        (CHILD + "«args»: [b]}}", "CFG001 | command: [PROGRAM, ARGUMENT]"),
        (CHILD + "«token»: b}}", "CFG001 | `headers` or `env`"),
        # Servers.
        ("«workers: 1»", "CFG004 the file needs `servers`"),
        ("servers: «{}»", "CFG023 there is no server"),
        ("servers: «[a]»", "CFG002 `servers` must be a mapping"),
        ("servers: {«ä»: {command: [a], policy: git.yaml}}", "CFG005 `ä` cannot name a server | a-z"),
        (
            "servers: {Git: {command: [a], policy: git.yaml}, «git»: {command: [a], policy: git.yaml}}",
            "CFG005 differ in capital letters",
        ),
        ("servers: {«a/b»: {command: [a], policy: git.yaml}}", "CFG005 `a/b`"),
        ("servers: {«.a»: {command: [a], policy: git.yaml}}", "CFG005 `.a`"),
        (f"servers: {{«{'a' * 64}»: {{command: [a], policy: git.yaml}}}}", "CFG005"),
        ("servers: {«metrics»: {command: [a], policy: git.yaml}}", "CFG032 `metrics`"),
        ("servers: {«.well-known»: {command: [a], policy: git.yaml}}", "CFG032 `.well-known`"),
        ("servers: {a: «x»}", "CFG002 server `a` must be a mapping"),
        ("servers: {a: «{command: [a]}»}", "CFG004 server `a` needs `policy`"),
        ("servers: {a: «{policy: git.yaml}»}", "CFG030 neither | `command: [PROGRAM]`"),
        (
            "servers: {a: {command: [a], «url»: http://127.0.0.1, policy: git.yaml}}",
            "CFG030 server `a` has both `command` and `url`",
        ),
        ("servers: {a: {command: «a b», policy: git.yaml}}", "CFG002 must be a list | `[a, b]`"),
        ("servers: {a: {command: «[]», policy: git.yaml}}", "CFG027 names no program"),
        ("servers: {a: {command: «['']», policy: git.yaml}}", "CFG027"),
        ("servers: {a: {command: [a, «5»], policy: git.yaml}}", "CFG002 must be text | quote it"),
        ('servers: {a: {command: [a, «"x\\0"»], policy: git.yaml}}', "CFG038 NUL"),
        ("servers: {a: {command: [«~/bin/x»], policy: git.yaml}}", "CFG028 `~` is not expanded"),
        (CHILD + "«headers»: {a: b}}}", "CFG031 `headers` is for servers with a `url`"),
        (URL + "«env»: {a: b}}}", "CFG031 `env` is for servers with a `command`"),
        (URL + "«max_children»: 4}}", "CFG031"),
        (CHILD + "«forward_identity»: true}}", "CFG031"),
        (URL + "headers: {«Callgate-Identity»: ann}}}", "CFG038 written by the gate itself"),
        (CHILD + "env: {«CALLGATE_SESSION»: x}}}", "CFG038 written by the gate itself"),
        ("servers: {a: {command: [a], policy: «''»}}", "CFG028 `policy` names no file"),
        ("servers: {a: {command: [a], policy: «none.yaml»}}", "CFG047 none.yaml`: there is no such file"),
        ("servers: {a: {command: [a], policy: «.»}}", "CFG047 it is a directory"),
        ("servers: {a: {url: «docs.example.com», policy: git.yaml}}", "CFG036 not an http URL | https://"),
        ("servers: {a: {url: «ftp://x», policy: git.yaml}}", "CFG036"),
        ("servers: {a: {url: «http://x:99999», policy: git.yaml}}", "CFG036"),
        ("servers: {a: {url: «http://1.2.3», policy: git.yaml}}", "CFG036"),
        ("servers: {a: {url: «http://u:p@x.example.com», policy: git.yaml}}", "CFG036 user or a password"),
        ("servers: {a: {url: «http://x.example.com/#a», policy: git.yaml}}", "CFG036 fragment"),
        # Quantities.
        (CHILD + "timeout: «5 fortnights»}}", "CFG033 unknown unit `fortnights` | ms, s, m, h, d"),
        (CHILD + "timeout: «soon»}}", "CFG033 `soon` is not a duration | `90s`"),
        (CHILD + "timeout: «-5s»}}", "CFG033"),
        (CHILD + "timeout: «0»}}", "CFG035 `timeout` must be from 100ms to 1d, found `0`"),
        (CHILD + "timeout: «2d»}}", "CFG035"),
        (CHILD + "timeout: «[1]»}}", "CFG002"),
        (CHILD + "max_request: «5XB»}}", "CFG034 unknown unit `XB`"),
        (CHILD + "max_request: «lots»}}", "CFG034"),
        (CHILD + "max_request: «1.5»}}", "CFG034 whole number of bytes"),
        (CHILD + "max_request: «2GiB»}}", "CFG035 from 1KiB to 1GiB"),
        (CHILD + "max_in_flight: «0»}}", "CFG035 whole number from 1"),
        (CHILD + "max_in_flight: «1.5»}}", "CFG035"),
        (CHILD + "max_in_flight: «'5'»}}", "CFG002 must be a number | without quotes"),
        (SERVER + "listen: {port: «65536»}", "CFG035"),
        # Environments, headers and secrets.
        (CHILD + "env: {«a-b»: x}}}", "CFG038 `a-b` is not the name of an environment variable"),
        (CHILD + "env: {A: «5»}}}", "CFG002 `A` must be text, `{env: NAME}` or `{file: PATH}` | quote"),
        (CHILD + "env: {A: «{}»}}}", "CFG037 says neither"),
        (CHILD + "env: {A: «{env: X, file: token}»}}}", "CFG037 says both"),
        (CHILD + "env: {A: {«evn»: X}}}}", "CFG001 | `env`"),
        (CHILD + "env: {A: {env: «'X Y'»}}}}", "CFG038"),
        (CHILD + 'env: {A: {env: X, prefix: «"a\\n"»}}}}', "CFG037 `prefix` must be plain ASCII"),
        (URL + "headers: {«'a b'»: x}}}", "CFG038 is not the name of a header"),
        (URL + "headers: {«Host»: x}}}", "CFG038 the header `Host` is written by the gate itself"),
        (URL + "headers: {«Mcp-Method»: x}}}", "CFG038"),
        (URL + 'headers: {A: «"x\\r\\nB: y"»}}}', "CFG038 the value of `A` cannot be sent"),
        (URL + "headers: {A: «''»}}}", "CFG038"),
        (URL + "headers: {A: x, «a»: y}}}", "CFG008 the header `a` is given twice"),
        (SERVER + "sessions: {secret: «abc»}", "CFG037 secrets are not written here | {env: NAME}"),
        # Listening.
        (SERVER + "listen: {host: «http://x»}", "CFG039 | the port has a key of its own"),
        (SERVER + "listen: {host: «'127.0.0.1:80'»}", "CFG039"),
        (SERVER + "listen: {tls: «{cert: tls.crt}»}", "CFG004 `tls` needs `key`"),
        (SERVER + "listen: {tls: «{key: tls.key}»}", "CFG004 `tls` needs `cert`"),
        (SERVER + "listen: {hosts: [«'*'»]}", "CFG039 | name each host"),
        (SERVER + "listen: {hosts: [«'https://x/'»]}", "CFG039 | leave out the scheme"),
        (SERVER + "listen: {hosts: [a, «A»]}", "CFG008 given twice"),
        (SERVER + "listen: {hosts: «a»}", "CFG002 must be a list | `[a]`"),
        (SERVER + "listen: {origins: [«'*'»]}", "CFG039 | any web page"),
        (SERVER + "listen: {origins: [«'null'»]}", "CFG039 | any web page"),
        (SERVER + "listen: {origins: [«https://x/path»]}", "CFG039 | as browsers send it"),
        (SERVER + "listen: {allow_unauthenticated: «yes»}", "CFG002 | write `true`"),
        # Authentication.
        (SERVER + "auth: «{}»", "CFG004 `auth` needs `keys` or `jwt`"),
        (SERVER + "auth: {«jwt»: {" + JWT + "}}", "CFG046 `jwt` needs `resource`"),
        (
            SERVER + "auth: {resource: https://x.example.com, jwt: «{issuer: i, jwks: jwks.json}»}",
            "CFG004 `jwt` needs `audience`",
        ),
        (
            SERVER + "auth: {resource: https://x.example.com, jwt: «{audience: a}»}",
            "CFG004 `jwt` needs `issuer` and `jwks`",
        ),
        (
            SERVER + "auth: {resource: https://x.example.com, jwt: {" + JWT + ", algorithms: [«HS256»]}}",
            "CFG044 whoever can check such a token can make one | RS256",
        ),
        (
            SERVER + "auth: {resource: https://x.example.com, jwt: {" + JWT + ", algorithms: [«none»]}}",
            "CFG044 anybody can make such a token",
        ),
        (
            SERVER + "auth: {resource: https://x.example.com, jwt: {" + JWT + ", algorithms: [«RS25»]}}",
            "CFG003 | `RS256`",
        ),
        (
            SERVER + "auth: {resource: https://x.example.com, jwt: {" + JWT + ", algorithms: «[]»}}",
            "CFG027",
        ),
        (
            SERVER
            + "auth: {resource: https://x.example.com, jwt: {issuer: i, audience: a, jwks: «http://id.example.com»}}",
            "CFG045 plain http to another machine",
        ),
        (SERVER + "auth: {keys: keys.yaml, resource: «gate»}", "CFG036"),
        (SERVER + "auth: {keys: keys.yaml, resource: «http://gate.example.com»}", "CFG045"),
        (SERVER + "auth: {keys: keys.yaml, scopes: [«'a b'»]}", "CFG005 one word"),
        # The rest.
        (SERVER + "state: «redi://x»", "CFG048 | `redis`"),
        (SERVER + "state: «memory»", "CFG048 | memory://"),
        (SERVER + "on_state_failure: «open»", "CFG003 `deny` or `allow`"),
        (SERVER + "audit: «~/x»", "CFG028"),
        (SERVER + "telemetry: {metrics: «on»}", "CFG003"),
        (SERVER + "telemetry: {otlp_endpoint: «x»}", "CFG036"),
        (SERVER + "workers: «0»", "CFG035"),
        (SERVER + "drain: «-1»", "CFG035"),
    ],
)
def test_a_mistake_is_told_at_its_place(tmp_path: Path, marked: str, wanted: str) -> None:
    expect(tmp_path, marked, wanted)


@pytest.mark.parametrize(
    ("marked", "wanted"),
    [
        # Who may reach the gate.
        (
            SERVER + "listen: {host: «0.0.0.0», hosts: [a]}",
            "CFG040 nobody would be asked | allow_unauthenticated",
        ),
        (SERVER + "listen: {host: «gate.example.com», hosts: [a]}", "CFG040"),
        (SERVER + "listen: {host: «'::'», hosts: [a]}", "CFG040"),
        (
            SERVER + "listen: {host: «0.0.0.0», hosts: [a], allow_unauthenticated: true}",
            "CFG107 anyone who can reach `0.0.0.0` may call",
        ),
        (SERVER + "listen: {host: «0.0.0.0»}\nauth: {keys: keys.yaml}", "CFG104 | hosts"),
        (
            SERVER + "listen: {allow_unauthenticated: «true»}\nauth: {keys: keys.yaml}",
            "CFG049 says that anyone may call",
        ),
        # Several processes.
        (SERVER + "workers: «2»", "CFG042 2 workers cannot share the server `a`"),
        (HTTP_SERVER + "workers: «2»\nstate: memory://", "CFG043 cannot count in memory | redis://"),
        (HTTP_SERVER + "on_state_failure: «allow»", "CFG103 without any limit"),
        # Secrets that are seen.
        (
            URL + "headers: {«Authorization»: Bearer x}}}",
            "CFG101 `Authorization` looks like a secret | prefix",
        ),
        (URL + "headers: {«X-Api-Key»: x}}}", "CFG101 | `{env: NAME}`"),
        (URL + "headers: {«Gitlab-Token»: x}}}", "CFG101"),
        (CHILD + "env: {«GITHUB_TOKEN»: x}}}", "CFG101"),
        (CHILD + "env: {«DB_PASSWORD_PROD»: x}}}", "CFG101"),
        (CHILD + "env: {«AWS_SECRET_ACCESS_KEY»: x}}}", "CFG101"),
        (HTTP_SERVER + "state: «redis://:x@host/0»", "CFG101 holds a password | `state: {env: NAME}`"),
        (
            "servers: {a: {url: «http://x.example.com», policy: git.yaml, headers: {A: {env: X}}}}",
            "CFG102 `x.example.com` travel in plain http",
        ),
        (SERVER + "auth: {keys: «none.txt»}", "CFG105 there is no file"),
        (CHILD + "cwd: «/none»}}", "CFG105 there is no folder `/none`"),
        (HTTP_SERVER + "state: «redis://gate@a?password_file=/none»", "CFG105 there is no file `/none`"),
        (CHILD + "env: {«TOKEN»: x, A: {file: «none»}}}}", "CFG101 && CFG105"),
    ],
)
def test_what_must_hold_between_keys_is_told(tmp_path: Path, marked: str, wanted: str) -> None:
    expect(tmp_path, marked, *wanted.split(" && "))


@pytest.mark.parametrize(
    "text",
    [
        SERVER + "listen: {host: 127.0.0.5}",
        SERVER + "listen: {host: localhost}",
        SERVER + "listen: {host: '::1'}",
        SERVER + "listen: {host: 0.0.0.0, hosts: [a]}\nauth: {keys: keys.yaml}",
        SERVER + "listen: {host: 10.0.0.1}\nauth: {keys: keys.yaml}",
        SERVER + "listen: {host: 0.0.0.0}\nauth: {keys: keys.yaml, resource: https://gate.example.com}",
        HTTP_SERVER + "workers: 4",
        HTTP_SERVER + "workers: 4\nstate: sqlite:state.db",
        HTTP_SERVER + "workers: 4\nstate: redis://localhost",
        HTTP_SERVER + "state: redis+sentinel://a,b:26380/main/0",
        HTTP_SERVER + "state: unix:///run/redis.sock",
        SERVER + "state: memory://",
        URL + "headers: {Authorization: {env: X}}}}",
        CHILD + "env: {PATH: /bin, TOKENIZER: fast, KEYBOARD: us, GITHUB_TOKEN: {env: X}}}}",
        "servers: {a: {url: http://127.0.0.1, policy: git.yaml, headers: {Authorization: {env: X}}}}",
        "servers: {a: {url: http://x.example.com, policy: git.yaml, headers: {X-Region: eu}}}",
        SERVER + "auth: {resource: http://localhost:8722, jwt: {" + JWT + "}}",
        SERVER + "auth: {resource: https://x.example.com, jwt: [{" + JWT + "}]}",
    ],
)
def test_what_is_right_is_not_complained_of(tmp_path: Path, text: str) -> None:
    assert findings(tmp_path, text) == ()


def test_every_mistake_of_every_file_is_told_at_once(tmp_path: Path) -> None:
    (tmp_path / "bad.yaml").write_text("tools: {t: {rules: [{action: alow}]}}\n")
    (tmp_path / "docs.yaml").write_text("default: deny\n")
    text = (
        "servers:\n  a: {command: [a], policy: bad.yaml}\n  b: {comand: [b], policy: none.yaml}\n"
        "  c: {command: [c], policy: docs.yaml}\nworker: 2\n"
    )
    found = findings(tmp_path, text)
    assert [(each.code, Path(each.source.file).name) for each in found if each.source] == [
        ("CFG030", "callgate.yaml"),
        ("CFG001", "callgate.yaml"),
        ("CFG047", "callgate.yaml"),
        ("CFG001", "callgate.yaml"),
        ("POL003", "bad.yaml"),
        ("POL110", "docs.yaml"),
    ]


def test_a_bad_policy_refuses_the_whole(tmp_path: Path) -> None:
    path = write(tmp_path, LEAST)
    (tmp_path / "docs.yaml").write_text("defaul: deny\n")
    with pytest.raises(ConfigError) as error:
        load_config(path)
    assert error.value.exit_status == 3
    (tmp_path / "docs.yaml").write_text(POLICY)
    load_config(path)


@pytest.mark.parametrize(
    ("data", "code"),
    [
        (b"", "CFG023"),
        (b"# nothing\n", "CFG023"),
        (b"\xff\xfea", "CFG012"),
        (b"a: \x00", "CFG013"),
        (b"servers: {a: [}", "CFG014"),
        (b"a: b\n--- \nc: d", "CFG015"),
        (b"%YAML 1.1\n---\na: b", "CFG026"),
        (b"[" * 100, "CFG016"),
        (b"a" * ((1 << 20) + 1), "CFG011"),
        (b"\n".join(b"k%d: 1" % n for n in range(300)), "CFG025"),
        ("servers: {a: {command: [a], policy: git.yaml}} # \u202e\n".encode(), "CFG108"),
    ],
)
def test_a_file_that_is_no_configuration_at_all_is_refused(tmp_path: Path, data: bytes, code: str) -> None:
    path = Path(write(tmp_path, ""))
    path.write_bytes(data)
    try:
        found = load_config(str(path))[0].warnings
    except ConfigError as error:
        found = error.diagnostics
    assert code in [each.code for each in found]
    assert not any(each.code.startswith("POL") for each in found)


def test_a_file_that_is_not_there_is_refused(tmp_path: Path) -> None:
    for path in (tmp_path / "none.yaml", tmp_path):
        with pytest.raises(ConfigError) as error:
            load_config(str(path))
        assert (error.value.code, error.value.exit_status) == ("CFG010", 3)
