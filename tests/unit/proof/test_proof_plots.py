"""Plots are well-formed and stay on their sheet, whatever is drawn."""

from __future__ import annotations

import math
import re
from xml.etree import ElementTree

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from offpath.proof.findings import Estimate, RunTrace
from offpath.proof.plots.canvas import NARROW, WIDE, fitted, width_of
from offpath.proof.plots.distribution import Latencies, distribution
from offpath.proof.plots.forest import Panel, Row, forest
from offpath.proof.plots.markup import Element, tag
from offpath.proof.plots.scales import Linear, Log, linear_ticks, log_ticks
from offpath.proof.plots.timeline import timeline
from offpath.proof.plots.words import difference_text, percent_text, plain_number, ratio_text, time_text
from unit.proof.report_making import SEED_RUN, trace

SVG = "{http://www.w3.org/2000/svg}"
positive = st.floats(1e-6, 1e5)


def drawn(plot: Element | None) -> ElementTree.Element:
    """The plot as XML; every coordinate is a number on the sheet."""
    assert plot is not None
    root = ElementTree.fromstring(plot.render())
    _, _, width, height = (float(each) for each in root.attrib["viewBox"].split())
    for mark in root.iter():
        for name, bound in (("x", width), ("x1", width), ("x2", width), ("cx", width), ("y", height), ("y2", height)):
            if name in mark.attrib:
                assert -10 <= float(mark.attrib[name]) <= bound + 10, (mark.tag, mark.attrib)
        if "d" in mark.attrib:
            places = [float(each) for each in re.findall(r"-?[\d.]+", mark.attrib["d"])]
            assert all(-10 <= x <= width + 10 for x in places[::2])
            assert all(-10 <= y <= height + 10 for y in places[1::2])
    return root


def texts(root: ElementTree.Element) -> list[str]:
    return [(each.text or "").replace("\xa0", " ") for each in root.iter(f"{SVG}text")]


def marks(root: ElementTree.Element, class_: str) -> list[dict[str, str]]:
    return [each.attrib for each in root.iter() if class_ in each.attrib.get("class", "").split()]


@pytest.mark.parametrize("width", [WIDE, NARROW])
def test_a_ratio_lies_between_its_line_of_no_difference_and_its_limit(width: int) -> None:
    row = Row("seed", "model 0 ms", Estimate(1.004, 0.998, 1.009), Estimate(1, 0.997, 1.003), 1.01)
    root = drawn(forest([Panel("p50", (row,))], width, "Ratios", "on / off"))
    point, one, limit = (marks(root, name)[0] for name in ("point", "one", "limit"))
    assert float(one["x1"]) < float(point["cx"]) < float(limit["x1"])
    interval = marks(root, "interval")[0]
    assert float(interval["x1"]) < float(one["x1"]) < float(point["cx"]) < float(interval["x2"]) < float(limit["x1"])
    band = marks(root, "band")[0]
    assert float(band["x"]) < float(one["x1"]) < float(band["x"]) + float(band["width"])
    assert "1.004 [0.998, 1.009]" in texts(root)
    assert "limit 1.01" in texts(root)
    assert not marks(root, "bad")


@given(values=st.lists(st.tuples(st.floats(), st.floats(), st.floats()), min_size=1, max_size=4), limit=positive)
@example(values=[(1.0, 1.0, 1.795e308)], limit=1.01)
@settings(max_examples=40, deadline=None)
def test_any_ratio_can_be_drawn(values: list[tuple[float, float, float]], limit: float) -> None:
    rows = tuple(Row("a", "", Estimate(*each), Estimate(*each), limit, missed=True) for each in values)
    root = drawn(forest([Panel("p50", rows), Panel("p99", rows)], WIDE, "Ratios", "on / off"))
    # What is no number has no mark.
    assert len(marks(root, "point")) == 2 * sum(all(map(math.isfinite, each)) for each in values)


def test_the_steps_of_a_histogram_are_as_high_as_its_counts() -> None:
    edges = tuple(0.001 * 1.1**n for n in range(5))
    arm = Latencies("on", edges, (10, 40, 20, 10), ((0.5, 0.0012),))
    root = drawn(distribution([arm], WIDE, "Distribution"))
    density = next(each["d"] for each in marks(root, "line") if "on" in each["class"].split())
    heights = [float(each.split()[1]) for each in density[1:].split("L")]
    floor = max(heights)
    steps = sorted({round(floor - height) for height in heights})
    assert steps[-1] == pytest.approx(2 * steps[-2], rel=0.02)
    assert steps[-2] == pytest.approx(2 * steps[-3], rel=0.02)


@pytest.mark.parametrize("width", [WIDE, NARROW])
@pytest.mark.parametrize(
    "arm",
    [
        pytest.param(Latencies("on", (0.001, 0.002), (7,), ((0.5, 0.0015),)), id="one bin"),
        pytest.param(Latencies("off", (0.001, 0.0010001), (1,), ()), id="one request"),
        pytest.param(Latencies("on", (0.001, 0.002, 0.003), (0, 5), ((0.99, 9.0),)), id="zero counts"),
        pytest.param(Latencies("on", (1e-6, 1e-3, 1.0, 3600.0), (1, 1_000_000, 1), ()), id="hours and microseconds"),
    ],
)
def test_odd_distributions(arm: Latencies, width: int) -> None:
    drawn(distribution([arm, Latencies("no storage", arm.edges, arm.counts, ())], width, "Distribution"))


@pytest.mark.parametrize(
    ("edges", "counts"),
    [((), ()), ((0.001, 0.002), (0,)), ((0.0, 1.0), (3,)), ((2.0, 1.0), (3,)), ((1.0, 2.0), (1, 2))],
)
def test_what_is_no_histogram_is_not_drawn(edges: tuple[float, ...], counts: tuple[int, ...]) -> None:
    assert distribution([Latencies("on", edges, counts, ())], WIDE, "Distribution") is None


def test_hooks_are_shown_on_an_axis_of_the_response_and_on_one_of_their_own() -> None:
    root = drawn(timeline(SEED_RUN, WIDE, "One run"))
    assert {"The first 406 ms", "The whole run, 3.2 s", "log_analytics", "send_notification"} <= set(texts(root))
    first, whole = (float(each["width"]) for each in marks(root, "response"))
    assert first > 5 * whole  # the same response
    hooks = [float(each["width"]) for each in marks(root, "hook") if "width" in each]
    assert hooks[1] < hooks[3]  # in the whole: 2 s and 3 s
    assert "goes on" in texts(root)
    assert not marks(root, "bad")


def test_a_failed_hook_says_so() -> None:
    root = drawn(timeline(trace(("alerts", 0.1, 0.2, 0.3, "dead", 3)), WIDE, "One run"))
    assert "The whole run" in texts(root)  # one axis is enough
    assert "100 ms, dead, 3 attempts" in texts(root)
    assert len(marks(root, "bad")) == 2  # waiting and running


@pytest.mark.parametrize("width", [WIDE, NARROW])
@pytest.mark.parametrize(
    "run",
    [
        pytest.param(trace(), id="no hook"),
        pytest.param(trace(responded=0.0), id="no time"),
        pytest.param(trace(("sleeps", 0.1, 0.2, 3600.0, "succeeded", 1), responded=0.002), id="an hour"),
        pytest.param(trace(*((f"h{n}" * 30, 0.1, 0.2 + n, 1.0 + n, "succeeded", 1) for n in range(15))), id="fifteen"),
        pytest.param(trace(("h", 0.1, math.nan, math.inf, "running", 0)), id="unfinished"),
        pytest.param(trace(("h", 9.0, 5.0, 1.0, "succeeded", 1)), id="clock went back"),
        pytest.param(trace(("h", -0.2, -0.1, -0.05, "succeeded", 1)), id="before the request"),
    ],
)
def test_odd_runs(run: RunTrace, width: int) -> None:
    drawn(timeline(run, width, "One run"))


@given(low=positive, factor=st.floats(1.0001, 1e6), most=st.integers(3, 12))
@settings(deadline=None)
def test_ticks_are_few_ascending_and_on_the_axis(low: float, factor: float, most: int) -> None:
    for find in (linear_ticks, log_ticks):
        ticks = find(low, low * factor, most)
        assert len(ticks) <= most
        assert ticks == sorted(set(ticks))
        assert all(low * 0.999 <= tick <= low * factor * 1.001 for tick in ticks)


def test_scales_hold_on_to_their_ends() -> None:
    assert [Linear(0, 10, 100, 200)(value) for value in (-5, 0, 5, 50)] == [100, 100, 150, 200]
    assert [Log(1, 100, 0, 50)(value) for value in (-1, 1, 10, 1e9)] == [0, 0, 25, 50]
    assert Linear(3, 3, 0, 10)(3) == Log(3, 3, 0, 10)(3) == 0


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        (time_text(0.0000123), "12.3 µs"),
        (time_text(0.024), "24.0 ms"),
        (time_text(0.9999), "1.00 s"),
        (time_text(3.1, 2), "3.1 s"),
        (time_text(300), "5.00 min"),
        (time_text(7200), "2.00 h"),
        (time_text(math.nan), "—"),
        (plain_number(12345.6), "12,346"),
        (ratio_text(Estimate(1.0042, 0.998, 1.0101)), "1.004 [0.998, 1.010]"),
        (ratio_text(Estimate(30.0, 25.0, 41.0)), "30.00 [25.00, 41.00]"),
        (percent_text(Estimate(1.0042, 0.998, 1.0101)), "+0.4 % [−0.2, +1.0]"),
        (percent_text(Estimate(1.00004, 0.998, 1.0101)), "0.0 % [−0.2, +1.0]"),
        (difference_text(Estimate(12.2, -6.4, 31.0)), "+12 µs [−6, +31]"),
        (difference_text(Estimate(2695, -715, 6793)), "+2.69 ms [−0.71, +6.79]"),
        (difference_text(Estimate(math.inf, 0, math.inf)), "— µs [0.00, —]"),
    ],
)
def test_figures(text: str, wanted: str) -> None:
    assert text.replace("\xa0", " ") == wanted


def test_a_long_name_keeps_both_ends() -> None:
    name = "evaluator:a_name_that_is_much_too_long:groundedness"
    short = fitted(name, 150)
    assert width_of(short, 12) <= 150
    assert short.startswith("evaluat")
    assert short.endswith("edness")
    assert fitted("short", 150) == "short"


def test_markup_is_escaped_once() -> None:
    element = tag("p", "a < b & 'c'", class_='x"y', data_n=0.5, title=None)
    assert element.render() == '<p class="x&quot;y" data-n="0.5">a &lt; b &amp; \'c\'</p>'
