"""What is chosen at the head of a dashboard: which panels follow it, and that the others say so."""

from __future__ import annotations

import re

import pytest

from offpath.dashboards.catalogue import DASHBOARDS
from offpath.dashboards.dashboard import Dashboard, Row, Variable, not_narrowed, variables
from offpath.dashboards.grafana import document
from offpath.dashboards.panel import Panel, Target
from offpath.dashboards.promql import Series, label, selectors
from offpath.dashboards.queries import queries, variable_queries
from offpath.errors import ConfigurationError
from offpath.telemetry import names

NOT_FOLLOWED = {
    ("Judges' tokens for a result, by evaluator", "agent"): "it is divided into tokens, which have no agent",
    ("Judges' tokens for a result, by evaluator", "subject"): "it is divided into tokens, which have no subject",
    ("Judges' tokens per minute, by model", "model"): "the models to choose from are those of users' calls",
    ("Judges' spend per hour, by model", "model"): "the models to choose from are those of users' calls",
    ("Their calls per minute, by model", "model"): "the models to choose from are those of users' calls",
    ("Time of their calls, p95, by model", "model"): "the models to choose from are those of users' calls",
}
"""Panels and variables that they do not follow, though their metrics have the label, each with the reason."""


def panel(title: str, expression: str) -> Panel:
    return Panel(title, "Why?", (Target(expression),), "short", "nothing", width=24)


def dashboard(*made: Panel, variables: tuple[Variable, ...] = ()) -> Dashboard:
    return Dashboard("offpath-test", "Test", "?", (Row("Row", made),), variables)


@pytest.mark.parametrize("dashboard", DASHBOARDS, ids=[each.uid for each in DASHBOARDS])
def test_a_panel_follows_each_variable_or_says_that_it_does_not(dashboard: Dashboard) -> None:
    """And does follow it where its metrics have the label."""
    text = {each["title"]: each["description"] for each in document(dashboard)["panels"] if each["type"] != "row"}
    for shown in dashboard.panels:
        every = " ".join(target.expression for target in shown.targets)
        said = re.search(r" Not narrowed by ([^.]*)\.", text[shown.title])
        titles = said[1].split(", ") if said else []
        for variable in variables(dashboard):
            follows = re.search(rf"\${variable.name}\b", every) is not None
            assert follows == (variable.title not in titles), f"{shown.title}: {variable.title}"
            has = any(variable.label in map(label, metric.labels) for metric, _ in selectors(every))
            excused = (shown.title, variable.name) in NOT_FOLLOWED
            assert not has or follows != excused, f"{shown.title} could follow ${variable.name}"


def test_a_panel_that_follows_a_variable_in_half_of_its_queries_is_refused() -> None:
    retried, dead = Series.of("offpath.hooks.retried"), Series.of("offpath.hooks.dead")
    hook = Variable.of("hook", "Hook", retried.selector("_total"), names.HOOK)
    ratio = panel("Ratio", f"{retried.like(names.HOOK, '$hook').rate()} / {dead.rate()}")
    with pytest.raises(ConfigurationError, match=r"Ratio: some of its queries follow \$hook, others do not"):
        document(dashboard(ratio, variables=(hook,)))
    first = panel("First", retried.like(names.HOOK, "$hook").grown())
    assert not_narrowed(dashboard(first, variables=(hook,)), first) == ()
    assert not_narrowed(dashboard(first), panel("All", dead.rate())) == ()
    alone = dashboard(panel("All", dead.rate()), variables=(hook,))
    assert not_narrowed(alone, alone.panels[0]) == (hook,)


def test_a_variable_that_the_dashboard_has_not_is_refused() -> None:
    chosen = Series.of("offpath.hooks.queued").like(names.HOOK, "$hook").rate()
    with pytest.raises(ConfigurationError, match=r"Queued asks for \$hook"):
        queries(dashboard(panel("Queued", chosen)))
    hook = Variable.of("hook", "Hook", Series.of("offpath.hooks.queued").selector("_total"), names.HOOK)
    assert 'offpath_hook=~".*"' in queries(dashboard(panel("Queued", chosen), variables=(hook,)))[0][1]


def test_a_variable_that_depends_on_a_later_one_is_refused() -> None:
    series = Series.of("offpath.hooks.queued")
    late = Variable.of("hook", "Hook", series.like(names.HOOK_KIND, "$kind").selector("_total"), names.HOOK)
    kind = Variable.of("kind", "Kind", series.selector("_total"), names.HOOK_KIND)
    assert len(variable_queries(dashboard(variables=(kind, late)))) == 6
    with pytest.raises(ConfigurationError, match=r"the variable hook asks for \$kind"):
        variable_queries(dashboard(variables=(late, kind)))
