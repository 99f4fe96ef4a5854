"""The Kubernetes example without a cluster: its parts fit together, and a gate lives with files mounted as there."""

import os
import re
import shutil
import subprocess
import time
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import anyio
import httpx2
import pytest
import yaml
from example_files import EXAMPLES, ExampleGate, http_client, new_key, substituted, write_keys
from tests.support.http_servers import sdk_server

pytestmark = pytest.mark.filterwarnings("ignore")

FOLDER = EXAMPLES / "kubernetes"
KUSTOMIZATION: dict[str, Any] = yaml.safe_load((FOLDER / "kustomization.yaml").read_text())
CONFIG_TEXT = (FOLDER / "config/callgate.yaml").read_text()
CONFIG: dict[str, Any] = yaml.safe_load(CONFIG_TEXT)
README = (FOLDER / "README.md").read_text()
NAME = "app.kubernetes.io/name"
PATIENCE_SECONDS = 60.0
# Kind to what it needs: the version that the cluster serves, and the members without which it is refused.
KINDS = {
    "Namespace": ("v1", set()),
    "Deployment": ("apps/v1", {"selector", "template"}),
    "Service": ("v1", {"ports"}),
    "PodDisruptionBudget": ("policy/v1", {"selector"}),
    "NetworkPolicy": ("networking.k8s.io/v1", {"podSelector"}),
}


def objects() -> dict[str, dict[str, Any]]:
    """Every object that the kustomization names, by its kind."""
    found = [yaml.safe_load((FOLDER / file).read_text()) for file in KUSTOMIZATION["resources"]]
    assert len({each["kind"] for each in found}) == len(found)
    return {each["kind"]: each for each in found}


def pod() -> dict[str, Any]:
    spec: dict[str, Any] = objects()["Deployment"]["spec"]["template"]["spec"]
    return spec


def container() -> dict[str, Any]:
    (found,) = pod()["containers"]
    return dict(found)


def seconds(text: str) -> int:
    return int(text.removesuffix("s"))


def test_every_object_has_what_its_kind_needs() -> None:
    found = objects()
    assert found.keys() == KINDS.keys()
    for kind, each in found.items():
        version, needed = KINDS[kind]
        assert (each["apiVersion"], each["metadata"]["name"]) == (version, "callgate")
        assert needed <= each.get("spec", {}).keys()
    manifests = {path.name for path in FOLDER.glob("*.yaml")} - {"kustomization.yaml"}
    assert manifests == set(KUSTOMIZATION["resources"])


@pytest.mark.skipif(shutil.which("kubectl") is None, reason="there is no kubectl here")
def test_kubectl_makes_of_it_what_is_meant() -> None:
    made = subprocess.run(["kubectl", "kustomize", str(FOLDER)], capture_output=True, text=True, check=False)
    assert (made.returncode, made.stderr) == (0, "")
    by_kind = {each["kind"]: each for each in yaml.safe_load_all(made.stdout)}
    assert by_kind.keys() == KINDS.keys() | {"ConfigMap"}
    assert by_kind["ConfigMap"]["data"]["callgate.yaml"] == CONFIG_TEXT
    (made_container,) = by_kind["Deployment"]["spec"]["template"]["spec"]["containers"]
    (image,) = KUSTOMIZATION["images"]
    assert made_container["image"] == f"{image['newName']}:{image['newTag']}"


def test_all_of_it_is_about_the_same_pods() -> None:
    found = objects()
    labels = found["Deployment"]["spec"]["template"]["metadata"]["labels"]
    assert labels == {NAME: "callgate"}
    assert found["Deployment"]["spec"]["selector"]["matchLabels"] == labels
    assert found["Service"]["spec"]["selector"] == labels
    assert found["PodDisruptionBudget"]["spec"]["selector"]["matchLabels"] == labels
    assert found["NetworkPolicy"]["spec"]["podSelector"]["matchLabels"] == labels
    assert found["PodDisruptionBudget"]["spec"]["minAvailable"] < found["Deployment"]["spec"]["replicas"]


def test_ports_paths_and_mounts_are_those_of_the_configuration() -> None:
    found, each = objects(), container()
    (port,) = each["ports"]
    assert port["containerPort"] == CONFIG["listen"]["port"]
    assert [one["targetPort"] for one in found["Service"]["spec"]["ports"]] == [port["name"]]
    probes = {name: each[name]["httpGet"] for name in ("startupProbe", "livenessProbe", "readinessProbe")}
    assert all(probe["port"] == port["name"] for probe in probes.values())
    assert [probe["path"] for probe in probes.values()] == ["/healthz", "/healthz", "/readyz"]
    mounts = {mount["name"]: mount["mountPath"] for mount in each["volumeMounts"]}
    assert mounts.keys() == {volume["name"] for volume in pod()["volumes"]}
    assert each["args"][:3] == ["serve", "-c", f"{mounts['config']}/callgate.yaml"]
    (generated,) = KUSTOMIZATION["configMapGenerator"]
    assert {Path(file).name for file in generated["files"]} == {
        "callgate.yaml",
        *(server["policy"] for server in CONFIG["servers"].values()),
    }
    assert CONFIG["audit"].startswith(mounts["state"] + "/")
    secrets = set(re.findall(r"/run/secrets/callgate/([\w.-]+)", CONFIG_TEXT))
    assert set(re.findall(r"--from-file=([\w.-]+)", README)) == secrets
    assert mounts["secrets"] == "/run/secrets/callgate"


def test_a_pod_has_time_to_pause_and_to_drain() -> None:
    pause = container()["lifecycle"]["preStop"]["sleep"]["seconds"]
    assert pod()["terminationGracePeriodSeconds"] >= pause + seconds(CONFIG["drain"]) + 5


def test_the_gates_may_reach_what_their_configuration_names_and_can_be_reached() -> None:
    policy = objects()["NetworkPolicy"]["spec"]
    out = {(port["protocol"], port["port"]) for rule in policy["egress"] for port in rule["ports"]}
    assert ("TCP", urlsplit(CONFIG["state"]).port) in out
    assert all(("TCP", urlsplit(server["url"]).port) in out for server in CONFIG["servers"].values())
    assert [port["port"] for rule in policy["ingress"] for port in rule["ports"]] == ["http"]


def test_the_pods_are_let_in_where_the_strictest_standard_holds() -> None:
    assert objects()["Namespace"]["metadata"]["labels"]["pod-security.kubernetes.io/enforce"] == "restricted"
    outer, inner = pod()["securityContext"], container()["securityContext"]
    assert outer["runAsNonRoot"] is True
    assert outer["seccompProfile"]["type"] == "RuntimeDefault"
    assert inner["allowPrivilegeEscalation"] is False
    assert inner["readOnlyRootFilesystem"] is True
    assert inner["capabilities"]["drop"] == ["ALL"]
    user = str(outer["runAsUser"])
    assert f"USER {user}:{outer['runAsGroup']}" in (EXAMPLES / "container/Containerfile").read_text()


def mount(place: Path, files: dict[str, str], mode: int) -> None:
    """Put files where a ConfigMap or Secret is mounted, as the kubelet does: behind links, replaced all at once."""
    place.mkdir(exist_ok=True)
    version = place / f"..{time.monotonic_ns()}"
    version.mkdir()
    for name, text in files.items():
        (version / name).write_text(text)
        (version / name).chmod(mode)
        if not (place / name).is_symlink():
            (place / name).symlink_to(f"..data/{name}")
    (place / "..data_tmp").symlink_to(version.name)
    before = (place / "..data").resolve() if (place / "..data").exists() else None
    os.replace(place / "..data_tmp", place / "..data")
    if before is not None:
        shutil.rmtree(before)


def test_a_gate_takes_up_edits_of_what_is_mounted_and_answers_probes(tmp_path: Path) -> None:
    config, secrets = tmp_path / "config", tmp_path / "secrets"
    (tmp_path / "state").mkdir()
    key, entry = new_key("ci-bot")
    write_keys(tmp_path / "keys.yaml", entry)
    with sdk_server() as url:
        state = re.search(r"^state: (\S+)", CONFIG_TEXT, re.M)
        server = re.search(r"^    url: (\S+)\n(    ca: \S+\n)", CONFIG_TEXT, re.M)
        assert state is not None
        assert server is not None
        places = {
            state[1]: '"memory://"',
            server[1]: url,
            server[2]: "",
            "/run/secrets/callgate": str(secrets),
            "/var/lib/callgate": str(tmp_path / "state"),
        }
        text = substituted(CONFIG_TEXT, places)
        policy = (FOLDER / "config/docs-policy.yaml").read_text()
        mount(config, {"callgate.yaml": text, "docs-policy.yaml": policy}, 0o644)
        given = {"session-secret": "0123456789abcdef" * 4, "docs-token": "a-token"}
        mount(secrets, given | {"keys.yaml": (tmp_path / "keys.yaml").read_text()}, 0o440)
        with ExampleGate(config) as gate:
            for path in ("/healthz", "/readyz"):
                probed = httpx2.get(gate.base + path, headers={"Host": "10.42.0.17:8722"})
                assert probed.status_code == 200
            assert anyio.run(_is_denied, gate.url("docs"), key)
            mount(config, {"callgate.yaml": text, "docs-policy.yaml": policy + "  add: {rules: []}\n"}, 0o644)
            end = time.monotonic() + PATIENCE_SECONDS
            while anyio.run(_is_denied, gate.url("docs"), key):
                assert time.monotonic() < end, gate.stderr
            assert gate.stop() == 0


async def _is_denied(url: str, key: str) -> bool:
    async with http_client(url, {"Authorization": f"Bearer {key}"}) as client:
        return bool((await client.call_tool("add", {"a": 1, "b": 2})).is_error)
