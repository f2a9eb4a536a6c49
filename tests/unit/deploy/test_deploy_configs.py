"""The configuration of what runs beside offpath: accepted by its own tool where there is one, and of one piece."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml  # type: ignore[import-untyped]

Reader = Callable[[str], Any]


def test_every_file_is_yaml(root: Path) -> None:
    files = [path for pattern in ("*.yaml", "*.yml") for path in (root / "deploy").rglob(pattern)]
    assert len(files) >= 9
    for path in files:
        assert all(isinstance(each, dict) for each in yaml.safe_load_all(path.read_text())), path


def test_promtool_accepts_the_configuration_and_its_rules(root: Path, tmp_path: Path) -> None:
    promtool = shutil.which("promtool")
    if promtool is None:
        pytest.skip("promtool is not installed (Debian package prometheus)")
    (tmp_path / "token").write_text("t")
    text = (root / "deploy/prometheus/prometheus.yml").read_text()
    text = text.replace("/run/secrets/metrics_token", str(tmp_path / "token"))
    assert "/etc/offpath/prometheus/*.yml" in text
    text = text.replace("/etc/offpath/prometheus/*.yml", str(root / "dashboards/prometheus/*.yml"))
    configuration = tmp_path / "prometheus.yml"
    configuration.write_text(text)
    done = subprocess.run([promtool, "check", "config", str(configuration)], capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "SUCCESS: 1 rule files found" in done.stdout
    configuration.write_text(text.replace("scrape_interval", "scrape_intervall"))
    assert subprocess.run([promtool, "check", "config", str(configuration)], capture_output=True).returncode != 0


def listening(options: dict[str, Any]) -> set[str]:
    """The ports that a service of compose.yaml answers at, as its health check and its published ports say."""
    text = json.dumps([options.get("healthcheck", {}), options.get("ports", []), options.get("environment", {})])
    return set(re.findall(r"\b(\d{4,5})\b", text))


def test_prometheus_scrapes_services_that_are_there(read: Reader, composition: dict[str, Any]) -> None:
    configuration = read("deploy/prometheus/prometheus.yml")
    services = composition["services"]
    names = set(services) | {
        alias
        for options in services.values()
        if isinstance(options.get("networks"), dict)
        for network in options["networks"].values()
        for alias in (network or {}).get("aliases", [])
    }
    targets = {
        (job["job_name"], name, discovery["port"])
        for job in configuration["scrape_configs"]
        for discovery in job.get("dns_sd_configs", [])
        for name in discovery["names"]
    }
    assert {name for _, name, _ in targets} <= names
    # Rules compare and add up within a job: what services and workers read from one database must not count twice.
    assert {(name, port) for job, name, port in targets if job == "offpath"} == {("api", 7777), ("worker", 7778)}
    for _, name, port in targets:
        if name in ("api", "worker", "tempo"):
            assert str(port) in listening(services[name]) | {"3200"}
    assert services["service"]["networks"] == {"default": {"aliases": ["api"]}}
    assert "--enable-feature=exemplar-storage" in services["prometheus"]["command"]


def test_prometheus_and_offpath_read_one_token(read: Reader, composition: dict[str, Any]) -> None:
    (job,) = (job for job in read("deploy/prometheus/prometheus.yml")["scrape_configs"] if job["job_name"] == "offpath")
    file = job["authorization"]["credentials_file"]
    for name in ("service", "api", "worker", "prometheus"):
        assert composition["services"][name]["secrets"] == [Path(file).name]
    assert composition["services"]["api"]["environment"]["OFFPATH_METRICS_TOKEN_FILE"] == file


def test_the_collector_uses_what_it_declares(read: Reader, root: Path, composition: dict[str, Any]) -> None:
    configuration = read("deploy/collector/collector.yaml")
    used = {"extensions": set(configuration["service"]["extensions"])}
    for pipeline in configuration["service"]["pipelines"].values():
        for kind, components in pipeline.items():
            used.setdefault(kind, set()).update(components)
        # Memory is looked at before anything is kept.
        assert pipeline["processors"][0] == "memory_limiter"
    for kind in ("receivers", "processors", "exporters", "extensions"):
        assert used[kind] == set(configuration[kind]), kind
    assert "metrics" not in configuration["service"]["pipelines"]
    for exporter in configuration["exporters"].values():
        host = re.fullmatch(r"http://(\w+):\d+(/\w+)?", exporter["endpoint"])
        assert host is not None
        assert host[1] in composition["services"]
    receivers = read("deploy/tempo/tempo.yaml")["distributor"]["receivers"]["otlp"]["protocols"]
    assert configuration["exporters"]["otlp_http/tempo"]["endpoint"].endswith(
        ":" + receivers["http"]["endpoint"].partition(":")[2]
    )
    check = composition["services"]["collector"]["healthcheck"]["test"]
    port = configuration["extensions"]["health_check"]["endpoint"].partition(":")[2]
    assert f"http://127.0.0.1:{port}/" in check
    scraped = configuration["service"]["telemetry"]["metrics"]["readers"][0]["pull"]["exporter"]["prometheus"]
    assert f"port: {scraped['port']}" in (root / "deploy/prometheus/prometheus.yml").read_text()


def test_what_is_kept_lies_on_volumes(read: Reader, composition: dict[str, Any]) -> None:
    """The roots are read-only, so that any other place would fail at the first write."""

    def targets(service: str) -> list[str]:
        mounts = composition["services"][service]["volumes"]
        return [mount.split(":")[1] for mount in mounts if isinstance(mount, str) and not mount.startswith(".")]

    loki = read("deploy/loki/loki.yaml")
    storage = loki["common"]["storage"]["filesystem"]
    for path in (loki["common"]["path_prefix"], loki["compactor"]["working_directory"], *storage.values()):
        assert path.startswith(tuple(targets("loki"))), path
    trace = read("deploy/tempo/tempo.yaml")["storage"]["trace"]
    for path in (trace["wal"]["path"], trace["local"]["path"]):
        assert path.startswith(tuple(targets("tempo"))), path
    assert "--storage.tsdb.path=/prometheus" in composition["services"]["prometheus"]["command"]
    assert targets("prometheus") == ["/prometheus"]
    assert "--storage.path=/alertmanager" in composition["services"]["alertmanager"]["command"]
    assert targets("alertmanager") == ["/alertmanager"]
    assert targets("postgres") == ["/var/lib/postgresql"]
    assert targets("service") == ["/data"]
    assert composition["services"]["service"]["environment"]["OFFPATH_DATABASE_URL"] == "sqlite:////data/offpath.db"


def test_grafanas_data_sources_lead_to_each_other(read: Reader, composition: dict[str, Any]) -> None:
    sources = {each["uid"]: each for each in read("deploy/grafana/datasources/datasources.yaml")["datasources"]}
    assert set(sources) == {"prometheus", "tempo", "loki", "alertmanager"}
    assert [uid for uid, each in sources.items() if each.get("isDefault")] == ["prometheus"]
    for each in sources.values():
        host = re.fullmatch(r"http://(\w+):\d+", each["url"])
        assert host is not None
        assert host[1] in composition["services"]
    (exemplars,) = sources["prometheus"]["jsonData"]["exemplarTraceIdDestinations"]
    assert (exemplars["name"], exemplars["datasourceUid"]) == ("trace_id", "tempo")
    assert sources["tempo"]["jsonData"]["tracesToLogsV2"]["datasourceUid"] == "loki"
    assert sources["loki"]["jsonData"]["derivedFields"][0]["datasourceUid"] == "tempo"
    interval = read("deploy/prometheus/prometheus.yml")["global"]["scrape_interval"]
    assert sources["prometheus"]["jsonData"]["timeInterval"] == interval


def test_grafana_finds_the_dashboards(read: Reader, root: Path, composition: dict[str, Any]) -> None:
    grafana = composition["services"]["grafana"]
    mounts = {source: target for source, target, _ in (m.split(":") for m in grafana["volumes"] if m.startswith("."))}
    (provider,) = read("deploy/grafana/dashboards/dashboards.yaml")["providers"]
    assert provider["options"]["path"] == mounts["./dashboards"]
    home = grafana["environment"]["GF_DASHBOARDS_DEFAULT_HOME_DASHBOARD_PATH"]
    assert json.loads((root / "dashboards" / Path(home).name).read_text())["uid"] == "offpath-overview"
    for directory in ("datasources", "dashboards"):
        assert mounts[f"./deploy/grafana/{directory}"] == f"/etc/grafana/provisioning/{directory}"


def test_alerts_have_somewhere_to_go(read: Reader, root: Path) -> None:
    configuration = read("deploy/alertmanager/alertmanager.yml")
    receivers = {each["name"] for each in configuration["receivers"]}
    routes = [configuration["route"], *configuration["route"]["routes"]]
    assert {route["receiver"] for route in routes} <= receivers
    rules = yaml.safe_load((root / "dashboards/prometheus/rules.yml").read_text())
    severities = {rule["labels"]["severity"] for group in rules["groups"] for rule in group["rules"] if "alert" in rule}
    text = json.dumps(configuration)
    assert severities
    for severity in severities:
        assert severity in text, f"no route or inhibition knows the severity {severity!r}"


def test_the_quickstarts_configuration_is_one(root: Path, tmp_path: Path) -> None:
    promtool = shutil.which("promtool")
    if promtool is None:
        pytest.skip("promtool is not installed (Debian package prometheus)")
    page = (root / "docs/quickstart-grafana.md").read_text()
    (snippet,) = re.findall(r"```yaml\n(global:\n.*?)```", page, re.DOTALL)
    (tmp_path / "token").write_text("t")
    text = re.sub(r"(credentials_file: )\S+", rf"\g<1>{tmp_path / 'token'}", snippet)
    # Where `offpath dashboards export` puts the rules, as the page has it.
    assert "offpath dashboards export /etc/prometheus/offpath\n" in page
    assert "/etc/prometheus/offpath/prometheus/rules.yml" in text
    text = text.replace("/etc/prometheus/offpath/", f"{root}/dashboards/")
    (tmp_path / "prometheus.yml").write_text(text)
    command = [promtool, "check", "config", str(tmp_path / "prometheus.yml")]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "SUCCESS: 1 rule files found" in done.stdout


def test_the_pages_lead_to_files_that_are_there(root: Path) -> None:
    for page in ("docs/quickstart-grafana.md", "docs/kubernetes.md"):
        for link in re.findall(r"\]\((?!https?:|#)([^)#]+)", (root / page).read_text()):
            assert (root / page).parent.joinpath(link).exists(), f"{page}: {link}"
