"""compose.yaml: valid, complete, closed, and with settings that offpath knows. No Docker is needed."""

from __future__ import annotations

import importlib.util
import json
import os
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import jsonschema_rs
import pytest

from offpath.settings import Settings
from unit.deploy.compose_file import REQUIRED, MissingVariableError, interpolated, variables_of

OURS = ("service", "api", "worker", "upgrade")
"""Services whose environment is the settings of offpath."""
UNASKED = {
    "traffic": "it only sends, and listens nowhere",
    "upgrade": "it ends, and what needs it waits for that",
}
"""Services without a health check, and why."""
SCHEMA = "OFFPATH_TEST_COMPOSE_SCHEMA"
"""A file with the Compose specification's schema, instead of the one that check-jsonschema brings."""


@pytest.fixture(scope="module")
def services(composition: dict[str, Any]) -> dict[str, dict[str, Any]]:
    found: dict[str, dict[str, Any]] = composition["services"]
    return found


def schema() -> dict[str, Any]:
    named = os.environ.get(SCHEMA)
    if named is None:
        package = importlib.util.find_spec("check_jsonschema")
        if package is None or package.origin is None:
            pytest.skip("check-jsonschema, which has the Compose specification's schema, is not installed")
        named = str(Path(package.origin).parent / "builtin_schemas" / "vendor" / "compose-spec.json")
    found: dict[str, Any] = json.loads(Path(named).read_text())
    return found


def test_it_is_valid_by_the_specifications_schema(written: dict[str, Any], composition: dict[str, Any]) -> None:
    validator = jsonschema_rs.validator_for(schema())
    for document in (written, composition):
        assert [f"{error.instance_path}: {error.message}" for error in validator.iter_errors(document)] == []
    broken = {**composition, "services": {"api": {"image": 7}}}
    assert not validator.is_valid(broken)


def test_both_profiles_have_what_they_promise(services: dict[str, dict[str, Any]]) -> None:
    def profile(name: str) -> set[str]:
        return {service for service, options in services.items() if name in options["profiles"]}

    assert profile("minimal") == {"service", "prometheus"}
    assert profile("full") == {
        "upgrade",
        "api",
        "worker",
        "postgres",
        "collector",
        "tempo",
        "loki",
        "prometheus",
        "alertmanager",
        "grafana",
    }
    assert profile("traffic") == {"traffic"}
    for name, options in services.items():
        for needed in options.get("depends_on", {}):
            assert set(options["profiles"]) <= set(services[needed]["profiles"]), f"{name} needs {needed}"


@pytest.mark.parametrize("missing", sorted(REQUIRED))
@pytest.mark.parametrize("value", [None, ""])
def test_without_a_secret_it_refuses_and_says_what_to_do(
    written: dict[str, Any], missing: str, value: str | None
) -> None:
    variables = {name: text for name, text in REQUIRED.items() if name != missing}
    if value is not None:
        variables[missing] = value
    with pytest.raises(MissingVariableError, match=rf'^{missing} run "sh deploy/prepare.sh"'):
        interpolated(written, variables)


def images(root: Path, services: dict[str, dict[str, Any]]) -> Iterator[tuple[str, str]]:
    """Each service with each image that it or its Dockerfile names."""
    for name, options in services.items():
        if "build" not in options:
            yield name, options["image"]
            continue
        text = (root / options["build"]["context"] / "Dockerfile").read_text()
        arguments = dict(re.findall(r"^ARG (\w+)=(\S+)$", text, re.MULTILINE))
        for image in re.findall(r"^FROM (\S+)", text, re.MULTILINE):
            yield name, interpolated(image, arguments)


def test_every_image_has_a_version(root: Path, services: dict[str, dict[str, Any]]) -> None:
    named = list(images(root, services))
    assert len({image for _, image in named}) >= 9
    for name, image in named:
        repository, _, tag = image.rpartition(":")
        assert repository, f"{name}: {image} has no tag"
        assert re.search(r"\d+\.\d+", tag), f"{name}: {image} names no version"
        assert "latest" not in tag


def test_every_service_is_confined(services: dict[str, dict[str, Any]]) -> None:
    for name, options in services.items():
        assert options["read_only"] is True, name
        assert options["cap_drop"] == ["ALL"], name
        assert options["security_opt"] == ["no-new-privileges:true"], name
        assert "privileged" not in options, name
        user, _, group = options["user"].partition(":")
        assert int(user) > 0, f"{name} is root"
        assert group.isdigit(), name
        limits = options["deploy"]["resources"]["limits"]
        assert set(limits) == {"cpus", "memory", "pids"}, name


def test_every_service_says_how_it_is(services: dict[str, dict[str, Any]]) -> None:
    for name, options in services.items():
        check = options["healthcheck"]
        assert (check.get("disable", False) is True) == (name in UNASKED), name
        if name not in UNASKED:
            assert check["test"][0] == "CMD", f"{name}: there is not a shell in every image"
            assert {"interval", "timeout", "retries", "start_period"} <= set(check), name


def test_the_images_own_health_check_is_that_of_the_services(root: Path, services: dict[str, dict[str, Any]]) -> None:
    text = (root / "Dockerfile").read_text()
    _, _, command = text.partition("HEALTHCHECK")[2].partition("CMD ")
    assert ["CMD", *json.loads(command.splitlines()[0])] == services["service"]["healthcheck"]["test"]


def test_nothing_listens_beyond_this_machine(services: dict[str, dict[str, Any]]) -> None:
    ports = [port for options in services.values() for port in options.get("ports", [])]
    assert ports
    assert [port for port in ports if not port.startswith("127.0.0.1:")] == []
    assert "ports" not in services["postgres"]
    assert services["postgres"]["networks"] == ["database"]


def test_each_mounted_file_is_there_and_read_only(
    root: Path, composition: dict[str, Any], services: dict[str, dict[str, Any]]
) -> None:
    seen = set()
    for name, options in services.items():
        for mount in options.get("volumes", []):
            if isinstance(mount, dict):
                assert mount["read_only"] is True, name
                assert (root / mount["source"]).is_dir(), f"{name}: {mount['source']}"
                continue
            source, target, *mode = mount.split(":")
            if source.startswith("."):
                assert (root / source).is_dir(), (
                    f"{name}: {source} is no directory: a file's new content would not show"
                )
                assert mode == ["ro"], f"{name}: {source}"
            else:
                assert source in composition["volumes"], f"{name}: no volume {source}"
            seen.add((name, target))
    assert ("prometheus", "/etc/offpath/prometheus") in seen
    named = {mount.split(":")[0] for o in services.values() for mount in o.get("volumes", []) if isinstance(mount, str)}
    assert set(composition["volumes"]) <= named, "a volume that nobody uses"


def test_secrets_are_read_from_files_that_git_does_not_have(root: Path, composition: dict[str, Any]) -> None:
    ignored = (root / "deploy/secrets/.gitignore").read_text().splitlines()
    assert "*" in ignored
    script = (root / "deploy/prepare.sh").read_text()
    for name, secret in composition["secrets"].items():
        # `environment` instead of `file` is refused by Compose where the root is read-only.
        assert secret == {"file": f"./deploy/secrets/{name}"}
        assert f"secret {name}\n" in script
    used = {name for options in composition["services"].values() for name in options.get("secrets", [])}
    assert used == set(composition["secrets"])


def test_no_secret_stands_in_the_file(written: dict[str, Any]) -> None:
    for name, options in written["services"].items():
        for variable, value in options.get("environment", {}).items():
            if re.search(r"(KEY|PASSWORD|SECRET|TOKEN)$", variable):
                assert value == "" or value.startswith("${"), f"{name}: {variable} has a value in compose.yaml"


@pytest.mark.parametrize("service", OURS)
@pytest.mark.parametrize("changed", [{}, {"OFFPATH_EVALUATORS": "", "OFFPATH_OFFLINE": "false"}])
def test_its_settings_are_accepted(
    written: dict[str, Any],
    service: str,
    changed: dict[str, str],
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
) -> None:
    """The environment of each container, given to offpath itself: unknown names and wrong values are refused there."""
    (tmp_path / "metrics_token").write_text("t" * 64)
    monkeypatch.chdir(tmp_path)
    environment = interpolated(written["services"][service]["environment"], REQUIRED | changed)
    # A stale one in .env does not count: Prometheus knows the file's.
    for name, value in {"OFFPATH_METRICS_TOKEN": "stale", **environment}.items():
        assert isinstance(value, str), f"{service}: {name} is no text in YAML"
        monkeypatch.setenv(name, value.replace("/run/secrets/", f"{tmp_path}/"))
    settings = Settings.load()
    assert settings.api_key is not None
    assert settings.metrics_token is not None
    assert settings.metrics_token.get_secret_value() == "t" * 64
    if service == "upgrade":
        return
    if service == "worker":
        assert (settings.worker_host, settings.worker_port) == ("0.0.0.0", 7778)
        assert environment["PROBE_PORT"] == "7778"
    else:
        assert (settings.host, settings.port) == ("0.0.0.0", 7777)
        assert settings.worker == {"service": "process", "api": "external"}[service]
    assert settings.database_url.startswith("sqlite:" if service == "service" else "postgresql://")
    # An end in order takes as long as the settings say, and Docker waits for it.
    grace = interpolated(written["services"][service]["stop_grace_period"], {})
    assert float(grace.removesuffix("s")) > settings.drain_timeout


def test_the_tables_are_made_and_upgraded_before_anything_uses_them(services: dict[str, dict[str, Any]]) -> None:
    upgrade = services["upgrade"]
    assert upgrade["command"] == ["offpath", "db", "upgrade"]
    assert upgrade["restart"] == "no", "it would run again and again"
    for name in ("api", "worker"):
        assert services[name]["depends_on"]["upgrade"] == {"condition": "service_completed_successfully"}, name
        assert services[name]["environment"]["OFFPATH_DATABASE_URL"] == upgrade["environment"]["OFFPATH_DATABASE_URL"]


def test_executors_have_their_memory_within_the_containers(
    services: dict[str, dict[str, Any]], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.chdir(tmp_path)
    for name in ("service", "worker"):
        for variable in ("OFFPATH_EXECUTORS", "OFFPATH_EXECUTOR_MEMORY_MB"):
            monkeypatch.setenv(variable, services[name]["environment"][variable])
        settings = Settings.load()
        limit = services[name]["deploy"]["resources"]["limits"]["memory"]
        (tmpfs,) = services[name]["tmpfs"]
        of_tmp = int(tmpfs.rpartition("size=")[2].removesuffix("m"))
        taken = settings.executors * settings.executor_memory_mb + 768
        assert of_tmp < 768
        assert taken <= int(limit.removesuffix("g")) * 1024, f"{name}: {taken} MB do not go into {limit}"


def test_each_variable_is_an_option_or_explained(root: Path, written: dict[str, Any]) -> None:
    names = variables_of(written)
    for options in written["services"].values():
        names |= {name for name in options.get("environment", {}) if name.startswith("OFFPATH_")}
    known = {option.variable for option in Settings.options().values()}
    known |= {option.file_variable for option in Settings.options().values()}
    # All of .env reaches the service, which refuses names with its prefix that it does not know.
    assert {name for name in names if name.startswith("OFFPATH_")} <= known
    page = (root / "docs/quickstart-grafana.md").read_text()
    assert {name for name in names - known if f"`{name}`" not in page} == set()
    # With the defaults of compose.yaml, where they are its own.
    example = dict(re.findall(r"^# (\w+)=(.*)$", (root / ".env.example").read_text(), re.MULTILINE))
    assert {name for name in names if not name.endswith("_FILE")} - set(example) <= {"PROBE_PORT"}
    defaults = dict(re.findall(r"\$\{(\w+):-([^}]*)\}", (root / "compose.yaml").read_text()))
    assert {name: example[name] for name in defaults if name not in known} == {
        name: text for name, text in defaults.items() if name not in known
    }


def test_metrics_go_one_way_only(services: dict[str, dict[str, Any]]) -> None:
    for service in ("api", "worker"):
        environment = services[service]["environment"]
        assert environment["OTEL_EXPORTER_OTLP_ENDPOINT"] == "http://collector:4318"
        assert environment["OTEL_METRICS_EXPORTER"] == "none"
    assert "OTEL_EXPORTER_OTLP_ENDPOINT" not in services["service"]["environment"]
