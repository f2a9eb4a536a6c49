"""The dashboards as Grafana gets them. Rules of grafana/dashboard-linter are among the tests, which is not on every
machine; so is that each query is PromQL, where promtool is.
"""

from __future__ import annotations

import json
import re
import shutil
import subprocess
from collections.abc import Callable
from itertools import combinations
from pathlib import Path
from typing import Any

import pytest
import typer

from offpath.cli import app
from offpath.dashboards.catalogue import DASHBOARDS
from offpath.dashboards.dashboard import Dashboard, Row
from offpath.dashboards.files import files
from offpath.dashboards.grafana import document
from offpath.dashboards.layout import places
from offpath.dashboards.panel import Panel, Target
from offpath.dashboards.promql import DASHBOARD_SCOPE, family, metrics_in
from offpath.dashboards.queries import queries, variable_queries
from offpath.dashboards.rules import alerts
from offpath.errors import ConfigurationError
from offpath.reference.pages import stale
from offpath.settings import Settings
from offpath.telemetry import names

ROOT = Path(__file__).parents[3]
DATASOURCE = {"type": "prometheus", "uid": "${datasource}"}
UNITS = {"s", "short", "percentunit", "currencyUSD"}
"""Of Grafana's, those that are used here."""
SELECTOR = re.compile(r"([a-zA-Z_:][\w:]*)\{([^}]*)\}")

NOT_SHOWN: dict[str, str] = {}
"""Metrics that no panel shows, each with the reason."""

OF_ALL_INSTANCES = {"Cost of a run": "workers add up costs, services count runs, and they are different instances"}
"""Panels that show the same whatever instance is chosen, each with the reason."""

DOCUMENTS: list[dict[str, Any]] = [document(dashboard) for dashboard in DASHBOARDS]
dashboards = pytest.mark.parametrize("made", DOCUMENTS, ids=[each["uid"] for each in DOCUMENTS])


def panels(check: Callable[[dict[str, Any]], None]) -> Callable[[dict[str, Any]], None]:
    """A test for each dashboard that checks each of its panels, and names those that are wrong."""

    def test(made: dict[str, Any]) -> None:
        wrong = []
        for each in made["panels"]:
            if each["type"] != "row":
                try:
                    check(each)
                except AssertionError as error:
                    wrong.append(f"{each['title']}: {error}")
        assert not wrong, "\n".join(wrong)

    parametrized: Callable[[dict[str, Any]], None] = dashboards(test)
    return parametrized


def expressions(panel: dict[str, Any]) -> list[str]:
    return [target["expr"] for target in panel["targets"]]


def test_the_committed_files_are_what_the_code_makes() -> None:
    assert stale("dashboards", ROOT) == [], "run: python -m offpath.reference dashboards --write"
    there = {path.name for path in (ROOT / "dashboards").glob("*.json")}
    assert there == {path for path in files() if path.endswith(".json")}


def test_it_is_the_same_every_time() -> None:
    assert files() == files()


@dashboards
def test_each_is_found_by_its_uid_and_the_tag(made: dict[str, Any]) -> None:
    assert made["uid"].startswith("offpath-")
    assert made["tags"] == ["offpath"]
    assert made["schemaVersion"] == 42
    assert [(link["type"], link["tags"], link["keepTime"]) for link in made["links"]] == [
        ("dashboards", ["offpath"], True)
    ]
    assert made["id"] is None, "Grafana gives it, and takes another one for a mistake"


@dashboards
def test_alerts_that_fired_are_marked(made: dict[str, Any]) -> None:
    (marks,) = [each for each in made["annotations"]["list"] if each["datasource"] == DATASOURCE]
    pattern = re.search(r'alertname=~"([^"]*)"', marks["expr"])
    assert pattern
    assert all(re.fullmatch(pattern[1], each.alert) for each in alerts())


def test_the_four_are_there() -> None:
    assert [each["uid"] for each in DOCUMENTS] == [
        f"offpath-{name}" for name in ("overview", "hooks", "evaluations", "models")
    ]


# -- rules of dashboard-linter ----------------------------------------------------------------------------------------


@dashboards
def test_it_is_made_from_code_and_says_so(made: dict[str, Any]) -> None:
    assert made["editable"] is False


@dashboards
def test_the_data_source_is_chosen(made: dict[str, Any]) -> None:
    chosen = [each for each in made["templating"]["list"] if each["type"] == "datasource"]
    assert [(each["name"], each["label"], each["query"]) for each in chosen] == [
        ("datasource", "Data source", "prometheus")
    ]


@dashboards
def test_variables_are_asked_for_again_when_the_time_changes(made: dict[str, Any]) -> None:
    by_name = {each["name"]: each for each in made["templating"]["list"] if each["type"] == "query"}
    assert list(by_name)[:4] == ["cluster", "namespace", "job", "instance"]
    for each in by_name.values():
        assert each["datasource"] == DATASOURCE
        assert each["refresh"] == 2
        assert each["multi"] is True
        assert each["includeAll"] is True
        assert each["label"] == each["name"].title()
        assert each["query"]["query"] == each["definition"]
        assert re.fullmatch(r"label_values\([a-z_]+(\{.*\})?, \w+\)", each["definition"])
    assert by_name["job"]["allValue"] == by_name["instance"]["allValue"] == ".+"
    # Where no server adds these labels, nothing has them.
    assert by_name["cluster"]["allValue"] == by_name["namespace"]["allValue"] == ".*"


@panels
def test_a_panel_has_title_description_unit_and_queries(panel: dict[str, Any]) -> None:
    assert panel["title"]
    assert panel["datasource"] == DATASOURCE
    assert panel["fieldConfig"]["defaults"]["unit"] in UNITS
    assert panel["targets"]
    assert all(target["datasource"] == DATASOURCE for target in panel["targets"])
    question, metrics = panel["description"].split("\n\n")
    assert "?" in question, "what does it answer?"
    assert question.endswith((".", "?"))
    for each in metrics_in(" ".join(expressions(panel))):
        assert f"`{each.name}`" in metrics


@panels
def test_every_selector_is_of_the_deployments_and_instances_chosen(panel: dict[str, Any]) -> None:
    known = {family(each) + suffix for each in names.METRICS for suffix in ("", "_total", "_bucket", "_count", "_sum")}
    for expression in expressions(panel):
        selectors = SELECTOR.findall(expression)
        assert selectors
        for name, matchers in selectors:
            assert name in known
            scope = DASHBOARD_SCOPE[:-1] if panel["title"] in OF_ALL_INSTANCES else DASHBOARD_SCOPE
            assert matchers.startswith(",".join(scope))
            assert ("$instance" in matchers) == (panel["title"] not in OF_ALL_INSTANCES)
        without = SELECTOR.sub("", expression)
        assert not known & set(re.findall(r"\w+", without)), "a metric without braces"


@panels
def test_windows_are_grafanas_rate_interval(panel: dict[str, Any]) -> None:
    for expression in (SELECTOR.sub(r"\1", each) for each in expressions(panel)):
        assert set(re.findall(r"\[([^\]]*)\]", expression)) <= {"$__rate_interval"}
        assert set(re.findall(r"offset ([^\s)]+)", expression)) <= {"$__rate_interval"}


@panels
def test_counters_are_only_read_by_how_they_grow(panel: dict[str, Any]) -> None:
    """As they are only to see whether they are new, beside what they were."""
    for expression in expressions(panel):
        for found in SELECTOR.finditer(expression):
            if not found[1].endswith(("_total", "_bucket", "_count", "_sum")):
                continue
            before, after = expression[: found.start()], expression[found.end() :]
            grows = before.endswith(("rate(", "increase(", "count_over_time(")) and after.startswith(
                "[$__rate_interval])"
            )
            compared = after.startswith((" offset $__rate_interval", " unless "))
            assert grows or compared, found[0]
        assert expression.count("histogram_quantile(") == len(
            re.findall(r"histogram_quantile\([\d.]+, sum by \(le[^)]*\) \(rate\(\w+_bucket\{", expression)
        )


@panels
def test_it_says_what_it_means_when_there_is_nothing(panel: dict[str, Any]) -> None:
    said = panel["fieldConfig"]["defaults"]["noValue"]
    assert said
    assert "No data" not in said
    for variable in re.findall(r"OFFPATH_\w+", f"{said} {panel['description']}"):
        assert variable in {option.variable for option in Settings.options().values()}


@panels
def test_commands_that_it_names_exist(panel: dict[str, Any]) -> None:
    for line in re.findall(r"`offpath ([^`]*)`", panel["description"]):
        command: Any = typer.main.get_command(app)
        for word in line.split():
            assert word in command.commands, line
            command = command.commands[word]


# -- the page ---------------------------------------------------------------------------------------------------------


@dashboards
def test_panels_have_numbers_and_places_of_their_own(made: dict[str, Any]) -> None:
    numbers = [panel["id"] for panel in made["panels"]]
    assert len(set(numbers)) == len(numbers)
    assert all(0 < number < 2**31 for number in numbers)
    titles = [panel["title"] for panel in made["panels"] if panel["type"] != "row"]
    assert len(set(titles)) == len(titles)
    for one, other in combinations([panel["gridPos"] for panel in made["panels"]], 2):
        beside = one["x"] + one["w"] <= other["x"] or other["x"] + other["w"] <= one["x"]
        apart = one["y"] + one["h"] <= other["y"] or other["y"] + other["h"] <= one["y"]
        assert beside or apart, (one, other)
    for panel in made["panels"]:
        place = panel["gridPos"]
        assert place["x"] >= 0
        assert place["x"] + place["w"] <= 24


@dashboards
def test_what_matters_most_is_seen_without_scrolling(made: dict[str, Any]) -> None:
    first = [panel for panel in made["panels"] if panel["gridPos"]["y"] == 1]
    assert first
    assert all(panel["type"] == "stat" for panel in first)


def test_the_promise_is_one_picture() -> None:
    found = next(panel for panel in DOCUMENTS[0]["panels"] if panel["title"] == "Response path against hook time")
    shown = {each.name for each in metrics_in(" ".join(expressions(found)))}
    assert shown == {
        "http.server.request.duration",
        "offpath.response.overhead",
        "offpath.hook.duration",
        "offpath.hook.queue.delay",
    }
    assert found["fieldConfig"]["defaults"]["custom"]["scaleDistribution"] == {"log": 10, "type": "log"}


@panels
def test_latency_leads_to_traces(panel: dict[str, Any]) -> None:
    """By exemplars, which only histograms have, and only panels over time can show."""
    for target in panel["targets"]:
        assert not target["exemplar"] or "_bucket{" in target["expr"]
        assert not target["exemplar"] or panel["type"] in ("timeseries", "heatmap")
    if panel["type"] != "stat" and "_bucket{" in " ".join(expressions(panel)):
        assert any(target["exemplar"] for target in panel["targets"])


@panels
def test_titles_fit_on_a_small_screen(panel: dict[str, Any]) -> None:
    """Of 1280 px: a column is 44 px wide, the gap between two is 8, the edges take 18, and a letter about 7.6."""
    wide = panel["gridPos"]["w"]
    assert len(panel["title"]) <= (44.3 * wide + 8 * (wide - 1) - 18) / 7.6


@panels
def test_times_are_shown_as_times(panel: dict[str, Any]) -> None:
    if "histogram_quantile" in " ".join(expressions(panel)):
        assert panel["fieldConfig"]["defaults"]["unit"] == "s"


@panels
def test_series_are_told_apart(panel: dict[str, Any]) -> None:
    """By each label that a query keeps, and by a word where there are several queries."""
    if panel["type"] in ("table", "heatmap"):
        return
    legends = [target["legendFormat"] for target in panel["targets"]]
    assert len(set(legends)) == len(legends)
    for target in panel["targets"]:
        outermost = re.search(r"\b(?:sum|max|min) by \(([^)]*)\)", target["expr"])
        kept = set(re.split(r", ", outermost[1])) - {"le", "offpath_state"} if outermost else set()
        if "{{" in target["legendFormat"] or panel["type"] != "stat":
            assert kept <= set(re.findall(r"\{\{(\w+)\}\}", target["legendFormat"]))


@panels
def test_tables_have_the_worst_at_the_top(panel: dict[str, Any]) -> None:
    for by in panel["options"].get("sortBy", []):
        assert by["displayName"] in [target["legendFormat"] for target in panel["targets"]]


@pytest.mark.parametrize("dashboard", DASHBOARDS, ids=[each.uid for each in DASHBOARDS])
def test_users_calls_to_models_are_apart_from_those_of_judges(dashboard: Dashboard) -> None:
    for title, expression in queries(dashboard):
        for name, matchers in SELECTOR.findall(expression):
            if name.startswith("gen_ai_"):
                assert "offpath_purpose=" in matchers, title


def test_panels_that_runbooks_send_people_to_exist() -> None:
    titles = {panel["title"] for made in DOCUMENTS for panel in made["panels"]}
    for page in sorted((ROOT / "docs/runbooks").glob("*.md")):
        text = re.sub(r"\s+", " ", re.sub(r"\n(?=\n|- |#|\d\. |```)", "\0", page.read_text()))
        for line in text.split("\0"):
            if line.strip().startswith("- Dashboard "):
                assert set(re.findall(r'"([^"]+)"', line)) <= titles, page.name


# -- queries ----------------------------------------------------------------------------------------------------------


def test_every_metric_is_shown() -> None:
    shown = {each.name for dashboard in DASHBOARDS for _, text in queries(dashboard) for each in metrics_in(text)}
    missing = {each.name for each in names.METRICS} - shown
    assert missing == set(NOT_SHOWN), "show it, or say in NOT_SHOWN why not"


def test_what_prometheus_gets_has_no_variables() -> None:
    for dashboard in DASHBOARDS:
        found = queries(dashboard, rate_interval="2m")
        assert len(found) == sum(len(panel.targets) for panel in dashboard.panels)
        for _, expression in found:
            assert "$" not in expression
            assert 'cluster=~".*",namespace=~".*",job=~".+"' in expression
        assert "[2m]" in " ".join(expression for _, expression in found)
        assert all("$" not in selector for _, selector in variable_queries(dashboard))


@pytest.mark.skipif(shutil.which("promtool") is None, reason="promtool is not on the PATH (Debian: prometheus)")
def test_every_query_is_promql(tmp_path: Path) -> None:
    found = [each for dashboard in DASHBOARDS for each in queries(dashboard)]
    found += [each for dashboard in DASHBOARDS for each in variable_queries_of(dashboard)]
    rules = [
        {"record": "test:query", "expr": expression, "labels": {"number": str(number), "panel": title}}
        for number, (title, expression) in enumerate(found)
    ]
    file = tmp_path / "rules.yml"
    file.write_text(json.dumps({"groups": [{"name": "panels", "rules": rules}]}))
    done = subprocess.run(["promtool", "check", "rules", str(file)], capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stdout + done.stderr
    assert f"{len(rules)} rules found" in done.stdout


def variable_queries_of(dashboard: Dashboard) -> list[tuple[str, str]]:
    return [(variable.name, selector) for variable, selector in variable_queries(dashboard)]


# -- mistakes ---------------------------------------------------------------------------------------------------------


def panel(title: str, expression: str = "vector(1)", *, width: int = 24, height: int = 8) -> Panel:
    return Panel(title, "Why?", (Target(expression),), "short", "nothing", width=width, height=height)


def dashboard(*made: Panel) -> Dashboard:
    return Dashboard("offpath-test", "Test", "?", (Row("Row", made),))


def test_two_panels_with_one_title_are_refused() -> None:
    with pytest.raises(ConfigurationError, match="two panels have one title"):
        document(dashboard(panel("A"), panel("A")))


def test_panels_that_leave_a_gap_are_refused() -> None:
    for made in ([panel("A", width=8)], [panel("A", width=16), panel("B", width=12)]):
        with pytest.raises(ConfigurationError, match="the grid"):
            places(Row("Row", tuple(made)), 0)
    uneven = (panel("A", width=12, height=8), panel("B", width=12, height=6))
    with pytest.raises(ConfigurationError, match="B does not fit"):
        places(Row("Row", uneven), 0)
