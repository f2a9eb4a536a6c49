"""Rules of Prometheus as a file: what they read, what they tell, and that nothing is forgotten."""

import re
from pathlib import Path
from typing import Any

import pytest
import yaml  # type: ignore[import-untyped]  # its stubs are not among the tools

from offpath.dashboards.promql import DEPLOYMENT, TARGET, label, metrics_in
from offpath.dashboards.recording_service import LatencyObjective
from offpath.dashboards.rule import AlertRule, RecordingRule, RuleGroup, rules_yaml
from offpath.dashboards.rules import RULES_FILE, RuleOptions, alerts, groups, rules_text
from offpath.errors import ConfigurationError
from offpath.telemetry.names import HTTP_SECONDS, METRICS

ROOT = Path(__file__).parents[3]
RUNBOOKS = ROOT / "docs" / "runbooks"
EXPECTED = {
    "OffpathDown",
    "OffpathErrorRate",
    "OffpathCommitErrors",
    "OffpathLatencyBudgetBurn",
    "OffpathHooksBehind",
    "OffpathHooksShed",
    "OffpathDeadLetters",
    "OffpathHookPaused",
    "OffpathWorkerGone",
    "OffpathWorkerStuck",
    "OffpathExecutorKilled",
    "OffpathNotificationsFailing",
    "OffpathPassRateDrop",
    "OffpathCoverageDrop",
    "OffpathJudgeBudgetLow",
    "OffpathUnpricedModels",
    "OffpathTelemetryDropped",
}
RULES = [rule for group in groups() for rule in group.rules]
RECORDED = {rule.record for rule in RULES if isinstance(rule, RecordingRule)}
ALERTS = [pytest.param(rule, id=f"{rule.alert}-{number}") for number, rule in enumerate(alerts())]


def test_the_committed_file_is_what_the_code_makes() -> None:
    committed = (ROOT / "dashboards" / RULES_FILE).read_text(encoding="utf-8")
    assert committed == rules_text(), "run: python -m offpath.reference dashboards --write"


def test_the_file_holds_what_the_rules_say() -> None:
    read: list[dict[str, Any]] = yaml.safe_load(rules_text())["groups"]

    assert [group["name"] for group in read] == [group.name for group in groups()]
    for group, made in zip(read, groups(), strict=True):
        assert group.get("interval", "") == made.interval
        for rule, of in zip(group["rules"], made.rules, strict=True):
            assert rule["expr"] == of.expression
            assert rule.get("alert", rule.get("record")) == (of.alert if isinstance(of, AlertRule) else of.record)


def test_texts_survive_quoting() -> None:
    rule = AlertRule("A", "x > 0", "info", 'He said: "no" # {{ $value | printf "%.0f" }}', "C:\\ ünï")
    annotations = yaml.safe_load(rules_yaml([RuleGroup("g", (rule,))]))["groups"][0]["rules"][0]["annotations"]
    assert annotations["summary"] == rule.summary
    assert annotations["description"] == rule.description


def test_every_alert_that_is_promised_is_there() -> None:
    assert {rule.alert for rule in alerts()} == EXPECTED


def test_every_alert_has_a_runbook_and_every_runbook_an_alert() -> None:
    pages = {path.stem for path in RUNBOOKS.glob("*.md")} - {"README"}
    assert pages == EXPECTED
    index = (RUNBOOKS / "README.md").read_text(encoding="utf-8")
    for name in EXPECTED:
        assert f"[{name}]({name}.md)" in index
        text = (RUNBOOKS / f"{name}.md").read_text(encoding="utf-8")
        assert text.startswith(f"# {name}\n")
        assert "## Look" in text
        assert "## Do" in text
        assert "## Harmless when" in text


def test_runbooks_give_each_alert_the_severity_that_it_has() -> None:
    for name in EXPECTED:
        text = (RUNBOOKS / f"{name}.md").read_text(encoding="utf-8")
        for severity in {rule.severity for rule in alerts() if rule.alert == name}:
            assert f"**{severity}" in text, name


def test_links_of_runbooks_lead_somewhere() -> None:
    for page in RUNBOOKS.glob("*.md"):
        for link in re.findall(r"\]\(([^)#]+)\)", page.read_text(encoding="utf-8")):
            assert (page.parent / link).is_file(), f"{page.name}: {link}"


@pytest.mark.parametrize("rule", ALERTS)
def test_an_alert_says_what_a_person_needs(rule: AlertRule) -> None:
    assert re.fullmatch(r"Offpath[A-Z][A-Za-z]+", rule.alert)
    assert rule.severity in {"critical", "warning", "info"}
    assert rule.summary.endswith(".")
    assert rule.description.endswith(".")
    assert "\n" not in rule.summary + rule.description
    if rule.alert not in {"OffpathDown", "OffpathWorkerGone"}:  # there the value says nothing
        assert "$value" in rule.description
    assert "$labels" in rule.summary + rule.description


@pytest.mark.parametrize("rule", ALERTS)
def test_labels_in_texts_are_labels_that_the_alert_has(rule: AlertRule) -> None:
    named = set(re.findall(r"\$labels\.(\w+)", rule.summary + rule.description))
    grouped = {name for found in _by(_expanded(rule.expression)) for name in found}
    known = grouped | {name for name, _ in rule.labels} | set(TARGET)
    assert named <= known, rule.alert


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: getattr(rule, "alert", None) or rule.record)
def test_a_rule_reads_metrics_and_recorded_series_that_there_are(rule: AlertRule | RecordingRule) -> None:
    for name in re.findall(r"\boffpath:[a-z0-9_:]+", rule.expression):
        assert name in RECORDED
    read = _expanded(rule.expression)
    assert metrics_in(read) or read.startswith("vector(")
    words = set(re.findall(r"\b(?:offpath|gen_ai|http_server)_[a-z0-9_]+", read))
    labels = {label(each) for metric in METRICS for each in metric.labels}
    unknown = {word for word in words if word not in labels and not metrics_in(word)}
    assert not unknown


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: getattr(rule, "alert", None) or rule.record)
def test_deployments_are_never_mixed(rule: AlertRule | RecordingRule) -> None:
    for found in [*_by(rule.expression), *_by(rule.expression, "on")]:
        assert set(DEPLOYMENT) <= set(found)
    assert not re.search(r"\b(sum|max|min|avg|count) \(", rule.expression), "an aggregation without `by`"


def test_a_recorded_series_comes_before_what_reads_it() -> None:
    for group in groups():
        seen: set[str] = set()
        of_group = {rule.record for rule in group.rules if isinstance(rule, RecordingRule)}
        for rule in group.rules:
            assert set(re.findall(r"\boffpath:[a-z0-9_:]+", rule.expression)) & of_group <= seen
            if isinstance(rule, RecordingRule):
                seen.add(rule.record)


def test_the_objective_stands_in_the_rules() -> None:
    text = rules_text(RuleOptions(objective=LatencyObjective(share=0.99, seconds=6.4)))
    assert "vector(0.01)" in text
    assert 'le="6.4"' in text
    assert 'le="25.6"' not in text


@pytest.mark.parametrize("share", [0.0, 1.0, 95.0])
def test_a_share_that_is_none_is_refused(share: float) -> None:
    with pytest.raises(ConfigurationError, match="between 0 and 1"):
        LatencyObjective(share=share)


def test_an_objective_that_no_bucket_can_tell_is_refused() -> None:
    with pytest.raises(ConfigurationError, match="no bucket ends at 30 s; take one of .*25.6"):
        LatencyObjective(seconds=30)
    assert LatencyObjective().seconds in HTTP_SECONDS


def test_runbooks_can_be_elsewhere() -> None:
    text = rules_text(RuleOptions(runbooks="https://wiki.example.com/offpath/"))
    assert '"https://wiki.example.com/offpath/OffpathDown.md"' in text
    assert "docs/runbooks/Offpath" not in text


def _expanded(expression: str) -> str:
    """The expression and those of the recorded series in it."""
    by_name = {rule.record: rule.expression for rule in RULES if isinstance(rule, RecordingRule)}
    seen: list[str] = [expression]
    for name in re.findall(r"\boffpath:[a-z0-9_:]+", expression):
        seen.append(_expanded(by_name[name]))
    return "\n".join(seen)


def _by(expression: str, word: str = "by") -> list[list[str]]:
    return [found.split(", ") for found in re.findall(rf"\b{word} \(([^)]*)\)", expression)]
