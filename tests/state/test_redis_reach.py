"""Every way to a Redis: TLS, sentinels, a cluster; and what their URLs may say."""

import datetime
import ipaddress
import os
import subprocess
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID
from redis import Redis
from redis.backoff import NoBackoff
from redis.exceptions import RedisError
from redis.retry import Retry
from redis_servers import RedisServer, free_port, wait_until
from state_stores import MINUTE, admitted, charge, limit

from callgate.clock import ManualClock, SystemClock
from callgate.errors import StateError
from callgate.state.open import open_ledger
from callgate.state.redis import RedisLedger
from callgate.state.redis_url import read_url

CALLS = limit(100)


def certificates(directory: Path) -> None:
    """`ca.pem`, and `key.pem` with `cert.pem` for 127.0.0.1."""
    now = datetime.datetime.now(datetime.UTC)

    def name(text: str) -> x509.Name:
        return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, text)])

    def make(
        subject: str, issuer: str, key: ec.EllipticCurvePrivateKey, signer: ec.EllipticCurvePrivateKey
    ) -> bytes:
        builder = (
            x509.CertificateBuilder()
            .subject_name(name(subject))
            .issuer_name(name(issuer))
            .public_key(key.public_key())
            .serial_number(x509.random_serial_number())
            .not_valid_before(now - datetime.timedelta(days=1))
            .not_valid_after(now + datetime.timedelta(days=1))
            .add_extension(x509.BasicConstraints(ca=subject == issuer, path_length=None), critical=True)
            .add_extension(
                x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address("127.0.0.1"))]),
                critical=False,
            )
        )
        return builder.sign(signer, hashes.SHA256()).public_bytes(serialization.Encoding.PEM)

    ca, own = ec.generate_private_key(ec.SECP256R1()), ec.generate_private_key(ec.SECP256R1())
    (directory / "ca.pem").write_bytes(make("ca", "ca", ca, ca))
    (directory / "cert.pem").write_bytes(make("server", "ca", own, ca))
    (directory / "key.pem").write_bytes(
        own.private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        )
    )


def test_tls_is_used_and_the_servers_certificate_is_checked(tmp_path: Path) -> None:
    certificates(tmp_path)
    port = free_port()
    options = ["--tls-port", str(port), "--tls-cert-file", f"{tmp_path}/cert.pem"]
    options += ["--tls-key-file", f"{tmp_path}/key.pem", "--tls-ca-cert-file", f"{tmp_path}/ca.pem"]
    server = RedisServer(*options, "--tls-auth-clients", "optional").start()
    for scheme in ("rediss", "valkeys"):
        url = f"{scheme}://127.0.0.1:{port}/0?timeout=20&connect_timeout=20&ssl_ca_certs={tmp_path}/ca.pem"
        ledger = RedisLedger(url, SystemClock())
        admitted(ledger, charge(CALLS))
        ledger.close()
    untrusting = RedisLedger(f"rediss://127.0.0.1:{port}/0?timeout=20&connect_timeout=20", SystemClock())
    with pytest.raises(StateError) as caught:
        untrusting.open()
    assert caught.value.code == "STA020"
    untrusting.close()
    server.remove()


def test_sentinels_name_the_master_and_the_new_one_after_a_failover(tmp_path: Path) -> None:
    first, second = (
        RedisServer("--repl-diskless-sync-delay", "0", port=free_port()).start() for _ in range(2)
    )
    second.run("REPLICAOF", "127.0.0.1", first.port)
    port = free_port()
    (tmp_path / "sentinel.conf").write_text(
        f"port {port}\nbind 127.0.0.1\ndir {tmp_path}\nsentinel monitor calls 127.0.0.1 {first.port} 1\n"
        "sentinel down-after-milliseconds calls 300\nsentinel failover-timeout calls 2000\n"
    )
    command = ["setpriv", "--pdeathsig", "KILL", "redis-server", f"{tmp_path}/sentinel.conf", "--sentinel"]
    sentinel = subprocess.Popen(command, stdout=subprocess.DEVNULL)
    ask = Redis(host="127.0.0.1", port=port, retry=Retry(NoBackoff(), 0))
    try:
        wait_until(lambda: knows_a_replica(ask), "the sentinel knows the replica")
        url = f"redis+sentinel://127.0.0.1:{free_port()},127.0.0.1:{port}/calls/0?timeout=5&connect_timeout=5"
        ledger = RedisLedger(url, SystemClock())
        for _ in range(3):
            admitted(ledger, charge(CALLS))
        assert int(str(first.run("WAIT", 1, 20_000))) == 1
        first.kill()
        wait_until(lambda: works(ledger), "the gate has found the new master")
        assert second.run("ROLE")[0] == "master"  # type: ignore[index]
        assert ledger.used("calls|", MINUTE)[0] >= 4
        ledger.close()
        lost = RedisLedger(f"redis+sentinel://127.0.0.1:{port}/no-such-master", SystemClock())
        with pytest.raises(StateError) as caught:
            lost.open()
        assert caught.value.code == "STA020"
        lost.close()
    finally:
        ask.close()
        sentinel.kill()
        sentinel.wait()
        first.remove()
        second.remove()


def knows_a_replica(sentinel: Redis) -> bool:
    try:
        return len(sentinel.sentinel_slaves("calls")) == 1
    except RedisError:
        return False


def works(ledger: RedisLedger) -> bool:
    try:
        admitted(ledger, charge(CALLS))
    except StateError as error:
        if error.code not in ("STA020", "STA021", "STA023"):
            raise
        return False
    return True


def test_a_cluster_is_followed_to_the_server_that_has_the_stores_slot() -> None:
    nodes = [
        RedisServer("--cluster-enabled", "yes", "--cluster-port", str(free_port()), port=free_port()).start()
        for _ in range(2)
    ]
    nodes[0].run("CLUSTER", "ADDSLOTSRANGE", 0, 8191)
    nodes[1].run("CLUSTER", "ADDSLOTSRANGE", 8192, 16383)
    nodes[0].run("CLUSTER", "MEET", "127.0.0.1", nodes[1].port, nodes[1].options[3])
    wait_until(
        lambda: all("cluster_state:ok" in str(node.run("CLUSTER", "INFO")) for node in nodes),
        "the cluster is up",
    )
    for node in nodes:
        ledger = RedisLedger(f"redis://127.0.0.1:{node.port}?timeout=20&connect_timeout=20", SystemClock())
        ledger.open()
        first = admitted(ledger, charge(CALLS), charge(limit(5, id="other"), key="x"))
        ledger.settle(first, spent=False)
        admitted(ledger, charge(CALLS))
        ledger.close()
    ledger = RedisLedger(f"redis://127.0.0.1:{nodes[0].port}?timeout=20&connect_timeout=20", SystemClock())
    assert ledger.used("calls|", MINUTE)[0] == 2
    ledger.close()
    for node in nodes:
        node.remove()


def test_urls_say_where_and_how() -> None:
    full = read_url(
        "rediss://ann:p%40ss@[::1]:7000/3?prefix=team.a&timeout=1.5&connect_timeout=0.5&replicas=2"
        "&after_loss=continue&ssl_ca_certs=/ca.pem"
    )
    assert full.hosts == (("::1", 7000),)
    assert (full.username, full.password and full.password.text, full.db) == ("ann", "p@ss", 3)
    assert (full.prefix, full.timeout, full.connect_timeout) == ("team.a", 1.5, 0.5)
    assert (full.replicas, full.goes_on, full.tls, full.ca_certs) == (2, True, True, "/ca.pem")
    plain = read_url("valkey://cache")
    assert (plain.hosts, plain.db, plain.tls, plain.password) == ((("cache", 6379),), 0, False, None)
    assert read_url("redis+unix:///run/r.sock?db=2").socket == "/run/r.sock"
    several = read_url("redis+sentinel://a,b:1/main/4")
    assert (several.hosts, several.master, several.db) == ((("a", 26379), ("b", 1)), "main", 4)


@pytest.mark.parametrize(
    "url",
    [
        "redis://",
        "redis://host:0",
        "redis://host:x",
        "redis://host/x",
        "redis://host/0/1",
        "redis://host/0?db=1",
        "redis://a,b",
        "redis://host#x",
        "redis://host?colour=red",
        "redis://host?timeout=0",
        "redis://host?timeout=soon",
        "redis://host?prefix={x}",
        "redis://host?prefix=",
        "redis://host?replicas=-1",
        "redis://host?after_loss=maybe",
        "redis://host?ssl_ca_certs=/x",
        "redis://host?=",
        "redis://host?timeout=1&timeout=2",
        "unix://host/x",
        "unix:relative",
        "redis+sentinel://a,b",
        "redis://:secret@host?password_env=X",
        "redis://host?password_env=CALLGATE_NO_SUCH",
        "redis://user:secret/@host",
        "redis://user:secret?@host",
        "redis://user:secret?a=b@host",
        "redis://user:secret#@host",
        "redis://user:secret@user:secret@host",
        "redis://user:secret@ho st:port",
        "redis+smtp://user:secret@host",
        "redsi://user:secret@host",
    ],
)
def test_other_urls_are_refused_and_never_show_a_password(url: str) -> None:
    with pytest.raises(StateError) as caught:
        open_ledger(url, ManualClock(), state_dir="/", durable_sessions=False, outlives_process=False)
    assert caught.value.code == "STA001"
    assert "secret" not in f"{caught.value.message} {caught.value.help}"


def test_a_password_file_that_cannot_be_read_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(StateError) as caught:
        read_url(f"redis://host?password_file={tmp_path}/none")
    assert caught.value.code == "STA020"
    (tmp_path / "empty").touch()
    with pytest.raises(StateError, match="empty"):
        read_url(f"redis://host?password_file={tmp_path}/empty")


def test_sessions_are_counted_in_redis_too(tmp_path: Path) -> None:
    server = RedisServer().start()
    here = limit(2, id="here", scope="session")
    for _ in range(2):
        ledger = open_ledger(
            server.url(), SystemClock(), state_dir="/", durable_sessions=False, outlives_process=False
        )
        admitted(ledger, charge(here))
        ledger.close()
    ledger = RedisLedger(server.url(), SystemClock())
    assert ledger.used("here|", MINUTE)[0] == 2
    ledger.close()
    assert os.listdir(tmp_path) == []
    server.remove()
