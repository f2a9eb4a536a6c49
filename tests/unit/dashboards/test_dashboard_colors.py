"""Colours of the dashboards: they say what a series means, and tell lines apart."""

from __future__ import annotations

import re
from typing import Any

import pytest

from offpath.dashboards.catalogue import DASHBOARDS
from offpath.dashboards.colors import OUTCOME_COLORS
from offpath.dashboards.grafana import document
from offpath.telemetry import names

DOCUMENTS: list[dict[str, Any]] = [document(dashboard) for dashboard in DASHBOARDS]
OVER_TIME = [panel for made in DOCUMENTS for panel in made["panels"] if panel["type"] == "timeseries"]
over_time = pytest.mark.parametrize("panel", OVER_TIME, ids=[f"{each['id']} {each['title']}" for each in OVER_TIME])


def color_of(panel: dict[str, Any], refid: str, series: str) -> str | None:
    """Of a series with that name in the legend: as Grafana finds it, of several the last one's."""
    found = None
    for each in panel["fieldConfig"]["overrides"]:
        kind, wanted = each["matcher"]["id"], each["matcher"]["options"]
        fits = {"byName": wanted == series, "byFrameRefID": wanted == refid}
        if fits[kind] if kind in fits else re.search(wanted[1:-1], series):
            found = next((it["value"]["fixedColor"] for it in each["properties"] if it["id"] == "color"), found)
    return found


BAD = {
    "Errors, by type": "red",
    "Runs that could not be stored": "red",
    "Telemetry that was lost": "orange",
    "Failed attempts, by hook and error": "red",
    "Retries, by hook": "orange",
    "New dead letters, by hook and reason": "red",
    "Executors that were killed, by reason": "red",
    "Failed evaluations, by evaluator and error": "red",
    "Judged evaluations that are tried again, by hook": "orange",
    "Failed calls, by model and error": "red",
    "Calls without a price, by model": "orange",
    "Failed calls of tools, by tool and error": "red",
}
"""Panels that show only what should not be, and their colour."""


def test_what_should_not_be_is_red_or_orange_and_else_a_sentence() -> None:
    found = {panel["title"]: panel for made in DOCUMENTS for panel in made["panels"] if panel["title"] in BAD}
    assert {title: color_of(panel, "A", "any") for title, panel in found.items()} == BAD
    for title, panel in found.items():
        assert panel["fieldConfig"]["defaults"]["custom"]["drawStyle"] == "bars", title
        assert all(each.endswith(" > 0") for each in [target["expr"] for target in panel["targets"]]), (
            f"{title}: bars of 0 are an empty panel"
        )


def test_a_word_has_one_colour_in_all_dashboards() -> None:
    words = {"positive": "green", "Assistant positive": "green", "negative": "red", "Assistant negative": "red"}
    for made in DOCUMENTS:
        for panel in made["panels"]:
            if panel["title"].startswith("Feedback"):
                assert {word: color_of(panel, "A", word) for word in words} == words
            if panel["title"] == "Attempts per minute, by outcome":
                assert {word: color_of(panel, "A", word) for word in names.OUTCOME.values} == dict(OUTCOME_COLORS)


@over_time
def test_lines_with_a_colour_of_their_own_are_told_apart(panel: dict[str, Any]) -> None:
    found = [color_of(panel, each["refId"], each["legendFormat"]) for each in panel["targets"]]
    told = [each for each in found if each not in (None, "text")]
    assert len(set(told)) == len(told)


@over_time
def test_areas_are_those_of_a_sum(panel: dict[str, Any]) -> None:
    custom = panel["fieldConfig"]["defaults"]["custom"]
    if custom["drawStyle"] == "line":
        assert bool(custom["fillOpacity"]) == (custom["stacking"]["mode"] == "normal")
