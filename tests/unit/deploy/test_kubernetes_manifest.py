"""deploy/kubernetes: settings that offpath knows, probes of paths that exist, and time to end in."""

from __future__ import annotations

import ipaddress
import re
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml  # type: ignore[import-untyped]

from offpath.settings import Settings

SECRET = {"OFFPATH_API_KEY", "OFFPATH_DATABASE_URL", "OFFPATH_METRICS_TOKEN", "OPENAI_API_KEY"}
"""What docs/kubernetes.md puts into the secret."""
SERVED = {"/health", "/ready", "/metrics"}


@pytest.fixture(scope="module")
def documents(root: Path) -> list[dict[str, Any]]:
    files = sorted((root / "deploy/kubernetes").glob("*.yaml"))
    return [each for file in files for each in yaml.safe_load_all(file.read_text()) if each]


@pytest.fixture(scope="module")
def pods(documents: list[dict[str, Any]]) -> dict[str, dict[str, Any]]:
    return {
        each["metadata"]["name"]: each["spec"]["template"] for each in documents if "template" in each.get("spec", {})
    }


def environment(documents: list[dict[str, Any]], pod: dict[str, Any]) -> dict[str, str]:
    """What a pod's container finds, without the secret."""
    (container,) = pod["spec"]["containers"]
    found: dict[str, str] = {}
    for source in container["envFrom"]:
        if "configMapRef" in source:
            name = source["configMapRef"]["name"]
            (data,) = (d["data"] for d in documents if d["kind"] == "ConfigMap" and d["metadata"]["name"] == name)
            found |= data
        else:
            assert source == {"secretRef": {"name": "offpath-secrets"}}
    return found | {each["name"]: each["value"] for each in container.get("env", [])}


@pytest.mark.parametrize("name", ["offpath-api", "offpath-worker", "offpath-upgrade"])
def test_its_settings_are_accepted(
    documents: list[dict[str, Any]],
    pods: dict[str, dict[str, Any]],
    name: str,
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
) -> None:
    monkeypatch.chdir(tmp_path)
    found = environment(documents, pods[name])
    assert not set(found) & SECRET
    for variable, value in found.items():
        assert isinstance(value, str), f"{variable} needs quotes"
        monkeypatch.setenv(variable, value)
    monkeypatch.setenv("OFFPATH_API_KEY", "k" * 64)
    monkeypatch.setenv("OFFPATH_DATABASE_URL", "postgresql://offpath:p@db/offpath")
    monkeypatch.setenv("OFFPATH_METRICS_TOKEN", "t" * 64)
    settings = Settings.load()
    spec = pods[name]["spec"]
    annotations = pods[name]["metadata"].get("annotations", {})
    if name == "offpath-api":
        assert settings.worker == "external"
        assert annotations["prometheus.io/port"] == str(settings.port)
        pause = float(spec["containers"][0]["lifecycle"]["preStop"]["exec"]["command"][1])
        assert spec["terminationGracePeriodSeconds"] > pause + settings.drain_timeout
    if name == "offpath-worker":
        assert annotations["prometheus.io/port"] == str(settings.worker_port)
        assert spec["terminationGracePeriodSeconds"] > settings.drain_timeout
        limit = spec["containers"][0]["resources"]["limits"]["memory"]
        assert int(limit.removesuffix("Gi")) * 1024 >= settings.executors * settings.executor_memory_mb + 768


def test_probes_ask_for_paths_that_are_served_at_ports_that_are_open(pods: dict[str, dict[str, Any]]) -> None:
    for name in ("offpath-api", "offpath-worker"):
        (container,) = pods[name]["spec"]["containers"]
        ports = {port["name"]: str(port["containerPort"]) for port in container["ports"]}
        assert set(ports.values()) == {pods[name]["metadata"]["annotations"]["prometheus.io/port"]}
        for probe in ("startupProbe", "readinessProbe", "livenessProbe"):
            asked = container[probe]["httpGet"]
            assert asked["path"] in SERVED
            assert asked["port"] in ports
        assert container["livenessProbe"]["httpGet"]["path"] == "/health"
        assert container["readinessProbe"]["httpGet"]["path"] == "/ready"


def test_every_pod_is_confined(pods: dict[str, dict[str, Any]]) -> None:
    assert set(pods) == {"offpath-api", "offpath-worker", "offpath-upgrade"}
    for name, pod in pods.items():
        spec = pod["spec"]
        (container,) = spec["containers"]
        assert spec["automountServiceAccountToken"] is False, name
        assert spec["securityContext"]["runAsNonRoot"] is True, name
        assert spec["securityContext"]["runAsUser"] == 10001, name
        assert container["securityContext"]["readOnlyRootFilesystem"] is True, name
        assert container["securityContext"]["capabilities"] == {"drop": ["ALL"]}, name
        assert {mount["mountPath"] for mount in container["volumeMounts"]} == {"/tmp"}
        assert {"requests", "limits"} == set(container["resources"])
        assert re.fullmatch(r"\S+:\d+\.\d+\.\d+", container["image"]), name


def test_selectors_find_their_pods(documents: list[dict[str, Any]], pods: dict[str, dict[str, Any]]) -> None:
    for document in documents:
        spec = document.get("spec", {})
        selector = spec.get("selector", {}).get("matchLabels") or spec.get("selector")
        if not selector:
            continue
        found = [name for name, pod in pods.items() if selector.items() <= pod["metadata"]["labels"].items()]
        assert len(found) == 1, f"{document['kind']} {document['metadata']['name']} selects {found}"


def test_pods_of_a_kind_are_spread(pods: dict[str, dict[str, Any]]) -> None:
    for name in ("offpath-api", "offpath-worker"):
        constraints = pods[name]["spec"]["topologySpreadConstraints"]
        assert {each["topologyKey"] for each in constraints} == {
            "kubernetes.io/hostname",
            "topology.kubernetes.io/zone",
        }
        for each in constraints:
            assert each["labelSelector"]["matchLabels"] == pods[name]["metadata"]["labels"]
            # A cluster of one node must do.
            assert (each["maxSkew"], each["whenUnsatisfiable"]) == (1, "ScheduleAnyway")


def test_policies_open_the_ports_that_there_are(
    documents: list[dict[str, Any]], pods: dict[str, dict[str, Any]]
) -> None:
    policies = {each["metadata"]["name"]: each["spec"] for each in documents if each["kind"] == "NetworkPolicy"}
    assert set(policies) == {"offpath-api", "offpath-worker", "offpath-egress"}

    def chosen(policy: dict[str, Any]) -> set[str]:
        wanted = policy["podSelector"]["matchLabels"].items()
        return {name for name, pod in pods.items() if wanted <= pod["metadata"]["labels"].items()}

    for name in ("offpath-api", "offpath-worker"):
        assert chosen(policies[name]) == {name}
        assert policies[name]["policyTypes"] == ["Ingress"]
        (rule,) = policies[name]["ingress"]
        (container,) = pods[name]["spec"]["containers"]
        assert [port["port"] for port in rule["ports"]] == [port["name"] for port in container["ports"]]
    egress = policies["offpath-egress"]
    assert chosen(egress) == set(pods), "the upgrade reaches the database, too"
    assert egress["policyTypes"] == ["Egress"]
    open_to = {port["port"]: rule.get("to") for rule in egress["egress"] for port in rule["ports"]}
    assert {53, 5432, 4318, 443} <= set(open_to)
    for block in (each["ipBlock"] for each in open_to[443]):
        everything = ipaddress.ip_network(block["cidr"])
        assert all(ipaddress.ip_network(each).subnet_of(everything) for each in block["except"])
    assert any(
        ipaddress.ip_address("169.254.169.254") in ipaddress.ip_network(each)
        for block in open_to[443]
        for each in block["ipBlock"]["except"]
    )


def test_the_pages_scrape_configuration_is_one(root: Path, tmp_path: Path) -> None:
    promtool = shutil.which("promtool")
    if promtool is None:
        pytest.skip("promtool is not installed (Debian package prometheus)")
    page = (root / "docs/kubernetes.md").read_text()
    (snippet,) = re.findall(r"```yaml\n(scrape_configs:\n.*?)```", page, re.DOTALL)
    (tmp_path / "token").write_text("t")
    configuration = tmp_path / "prometheus.yml"
    # Debian's promtool is built without discovery in Kubernetes: the rest of the job is looked at with other targets.
    discovery = "kubernetes_sd_configs:\n      - role: pod\n"
    assert discovery in snippet
    snippet = snippet.replace(discovery, 'static_configs: [{targets: ["127.0.0.1:1"]}]\n')
    configuration.write_text(re.sub(r"(credentials_file: )\S+", rf"\g<1>{tmp_path / 'token'}", snippet))
    done = subprocess.run([promtool, "check", "config", str(configuration)], capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stdout + done.stderr


def test_the_page_names_what_the_secret_needs(root: Path) -> None:
    page = (root / "docs/kubernetes.md").read_text()
    assert {name for name in SECRET if f"--from-literal={name}=" not in page} == set()
    known = {option.variable for option in Settings.options().values()}
    assert {name for name in SECRET if name.startswith("OFFPATH_")} <= known
