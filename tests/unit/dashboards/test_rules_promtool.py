"""What promtool says of the rules, and what the cases in dashboards/prometheus/tests cover."""

import re
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml  # type: ignore[import-untyped]  # its stubs are not among the tools

from offpath.dashboards.promql import label, metrics_in
from offpath.dashboards.rules import RULES_FILE, alerts

DASHBOARDS = Path(__file__).parents[3] / "dashboards"
RULES = DASHBOARDS / RULES_FILE
CASES = sorted((RULES.parent / "tests").glob("*.yml"))
PROMTOOL = shutil.which("promtool")

needs_promtool = pytest.mark.skipif(
    PROMTOOL is None, reason="promtool is not on PATH; it comes with Prometheus (Debian: apt install prometheus)"
)


@needs_promtool
def test_promtool_takes_the_rules() -> None:
    done = _promtool("check", "rules", "--lint=all", "--lint-fatal", str(RULES))
    assert done.returncode == 0, done.stdout + done.stderr


@needs_promtool
@pytest.mark.parametrize("case", CASES, ids=lambda path: path.stem)
def test_alerts_fire_when_they_must_and_are_silent_when_they_must(case: Path) -> None:
    done = _promtool("test", "rules", str(case))
    assert done.returncode == 0, done.stdout + done.stderr


@needs_promtool
def test_a_case_that_is_wrong_is_seen(tmp_path: Path) -> None:
    """So that the test above is worth something: an alert that must not be there, and is."""
    text = (RULES.parent / "tests" / "cost.yml").read_text(encoding="utf-8")
    broken = text.replace("../rules.yml", str(RULES)).replace("0x69 1x10", "0x80")
    assert broken != text
    (tmp_path / "broken.yml").write_text(broken, encoding="utf-8")
    done = _promtool("test", "rules", str(tmp_path / "broken.yml"))
    assert done.returncode == 1
    assert "OffpathUnpricedModels" in done.stdout + done.stderr


def test_every_alert_has_a_case_that_fires_and_one_that_does_not() -> None:
    fires: set[str] = set()
    silent: set[str] = set()
    for group in _groups():
        for case in group["alert_rule_test"]:
            (fires if case["exp_alerts"] else silent).add(case["alertname"])
    names = {rule.alert for rule in alerts()}
    assert fires == names
    assert silent == names


def test_every_rule_of_an_alert_has_a_case_that_fires() -> None:
    apart = ("long", "stage", "scope", "cause", "of")
    fired = {
        (case["alertname"], *(exp["exp_labels"].get(name) for name in apart))
        for group in _groups()
        for case in group["alert_rule_test"]
        for exp in case["exp_alerts"]
    }
    assert fired == {(rule.alert, *(dict(rule.labels).get(name) for name in apart)) for rule in alerts()}


def test_alerts_on_new_series_have_a_case_with_the_first_event_of_one() -> None:
    """A series that is not there at first, `_x`, of a group in which the alert fires."""
    first: set[str] = set()
    for group in _groups():
        born = {
            metric.name
            for each in group["input_series"]
            if str(each["values"]).startswith("_x") and "stale" not in str(each["values"])
            for metric in metrics_in(each["series"])
        }
        if born:
            first |= {case["alertname"] for case in group["alert_rule_test"] if case["exp_alerts"]}
    assert first >= {
        "OffpathErrorRate",
        "OffpathCommitErrors",
        "OffpathLatencyBudgetBurn",
        "OffpathDeadLetters",
        "OffpathNotificationsFailing",
        "OffpathPassRateDrop",
        "OffpathCoverageDrop",
        "OffpathUnpricedModels",
    }


def test_series_of_cases_are_such_as_the_page_has() -> None:
    """A case with a metric or label that nobody records would prove nothing."""
    for group in _groups():
        for each in group["input_series"]:
            name, _, matchers = each["series"].partition("{")
            given = dict(re.findall(r'(\w+)="((?:[^"\\]|\\.)*)"', matchers))
            if name == "up":
                continue
            (metric,) = metrics_in(name)
            values = {label(attribute): attribute.values for attribute in metric.labels}
            for key, value in given.items():
                if key in {"cluster", "namespace", "job", "instance", "le"}:
                    continue
                assert key in values, f"{group['name']}: {name} has no label {key}"
                assert not values[key] or value in values[key], f"{group['name']}: {key} is never {value}"


def _promtool(*arguments: str) -> subprocess.CompletedProcess[str]:
    assert PROMTOOL is not None
    return subprocess.run([PROMTOOL, *arguments], capture_output=True, text=True, timeout=100, check=False)


def _groups() -> list[dict[str, Any]]:
    assert CASES
    return [group for path in CASES for group in yaml.safe_load(path.read_text(encoding="utf-8"))["tests"]]
