"""What is recorded is what is documented, and the other way round."""

from __future__ import annotations

import ast
from collections import Counter
from pathlib import Path
from typing import get_type_hints

import pytest
from opentelemetry.semconv._incubating.attributes import gen_ai_attributes, messaging_attributes, user_agent_attributes
from opentelemetry.semconv.attributes import (
    client_attributes,
    error_attributes,
    http_attributes,
    network_attributes,
    server_attributes,
    url_attributes,
)

from offpath.reference.pages import main, stale, telemetry_page
from offpath.telemetry import instruments as instruments_module
from offpath.telemetry import names
from offpath.telemetry.instruments import Counter as CounterInstrument
from offpath.telemetry.instruments import Gauge, Histogram, Instruments, UpDown

ROOT = Path(__file__).parents[3]
SOURCE = ROOT / "service" / "offpath"
OURS = names.METRICS

NOT_YET: frozenset[str] = frozenset()
"""Metrics of this version that no code records yet; a test fails as soon as one of them is recorded."""


def recorded_in_code() -> set[str]:
    """Instruments that some code outside their definition takes from something called instruments."""
    found: set[str] = set()
    for path in SOURCE.rglob("*.py"):
        tree = ast.parse(path.read_text(encoding="utf-8"))
        aliases = {
            target.id
            for node in ast.walk(tree)
            if isinstance(node, ast.Assign) and _is_instruments(node.value, set())
            for target in node.targets
            if isinstance(target, ast.Name)
        }
        for node in ast.walk(tree):
            if not isinstance(node, ast.Attribute):
                continue
            inside = path.name == "instruments.py" and isinstance(node.value, ast.Name) and node.value.id == "self"
            if not inside and _is_instruments(node.value, aliases):
                found.add(node.attr)
    return found


def _is_instruments(node: ast.expr, aliases: set[str]) -> bool:
    """`instruments()`, a variable assigned from it, or an attribute or variable whose name ends in instruments."""
    if isinstance(node, ast.Call):
        return _is_instruments(node.func, aliases)
    if isinstance(node, ast.Tuple):
        return any(_is_instruments(each, aliases) for each in node.elts)
    if isinstance(node, ast.Attribute):
        return node.attr.endswith("instruments")
    return isinstance(node, ast.Name) and (node.id.endswith("instruments") or node.id in aliases)


def test_every_metric_in_code_is_defined() -> None:
    defined = {metric.parameter for metric in OURS}
    methods = {name for name in vars(Instruments) if not name.startswith("__")}
    assert recorded_in_code() - defined - methods - {"instruments", "connect"} == set()


def test_every_defined_metric_is_recorded_or_said_to_come_later() -> None:
    later = {metric.parameter for metric in OURS if metric.feature in names.LATER}
    recorded = recorded_in_code() & {metric.parameter for metric in OURS}
    assert {metric.parameter for metric in OURS} - recorded - later == NOT_YET
    assert recorded & later == set(), "recorded now: take its feature out of names.LATER"


def test_no_instrument_is_made_elsewhere() -> None:
    for path in SOURCE.rglob("*.py"):
        if path.name != "instrument.py":
            text = path.read_text(encoding="utf-8")
            for kind in ("counter", "histogram", "gauge", "up_down_counter"):
                assert f"create_{kind}(" not in text, path
                assert f"create_observable_{kind}(" not in text, path


def test_the_page_is_what_the_code_makes() -> None:
    assert stale("telemetry", ROOT) == [], "run: python -m offpath.reference telemetry --write"


def test_a_metric_that_is_not_on_the_page_is_noticed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["telemetry", "--write", "--root", str(tmp_path)]) == 0
    extra = names.Metric("offpath.brand.new", "counter", "{thing}", "New.")
    monkeypatch.setattr(names, "METRICS", (*names.METRICS, extra))
    assert main(["telemetry", "--check", "--root", str(tmp_path)]) == 1
    assert "docs/reference/telemetry.md is stale" in capsys.readouterr().err


def test_the_page_says_everything() -> None:
    page = telemetry_page()
    for metric in names.METRICS:
        assert f"### `{metric.name}`" in page
    for span in names.SPANS:
        assert f"### `{span.name}`" in page
    for attribute in names.attributes():
        assert f"| `{attribute.key}` |" in page


def test_the_annotations_are_the_definitions() -> None:
    kinds = {"counter": CounterInstrument, "updown": UpDown, "histogram": Histogram, "gauge": Gauge}
    annotated = {
        name: hint
        for name, hint in get_type_hints(Instruments, vars(instruments_module)).items()
        if not name.startswith("_")
    }
    assert annotated == {metric.parameter: kinds[metric.kind] for metric in OURS}


def test_names_are_unique() -> None:
    for found in (
        [metric.name for metric in names.METRICS],
        [metric.parameter for metric in OURS],
        [span.name for span in names.SPANS],
    ):
        assert [name for name, count in Counter(found).items() if count > 1] == []
    for metric in names.METRICS:
        parameters = [label.parameter for label in metric.labels]
        assert len(set(parameters)) == len(parameters), metric.name


def test_standard_attributes_are_those_of_the_conventions() -> None:
    registry = {
        value
        for module in (
            gen_ai_attributes,
            messaging_attributes,
            error_attributes,
            http_attributes,
            network_attributes,
            server_attributes,
            url_attributes,
            client_attributes,
            user_agent_attributes,
        )
        for name, value in vars(module).items()
        if name.isupper()
    }
    standard = {attribute.key for attribute in names.attributes() if attribute.standard}
    assert standard - registry == set()


def test_everything_else_is_ours() -> None:
    for attribute in names.attributes():
        assert attribute.standard != attribute.key.startswith("offpath."), attribute.key
    for metric in names.METRICS:
        assert metric.standard != metric.name.startswith("offpath."), metric.name


def test_labels_are_bounded() -> None:
    ids = {names.RUN_ID, names.PARENT_RUN_ID, names.CONVERSATION_ID, names.RESPONSE_ID, names.TOOL_CALL_ID}
    ids |= {names.JOB_KEY, names.RESPONSE_MODEL, names.INPUT_MESSAGES, names.EXPLANATION}
    for metric in names.METRICS:
        assert not ids & set(metric.labels), metric.name


@pytest.mark.parametrize(
    ("bounds", "count", "last"),
    [
        (names.CLIENT_SECONDS, 14, 81.92),
        (names.TOKENS, 14, 67_108_864.0),
        (names.AGENT_SECONDS, 13, 409.6),
        (names.WORKFLOW_SECONDS, 11, 7200.0),
        (names.HTTP_SECONDS, 17, 409.6),
        (names.OVERHEAD_SECONDS, 11, 0.05),
        (names.COMMIT_SECONDS, 16, 1.6),
        (names.HOOK_SECONDS, 17, 655.36),
        (names.DELAY_SECONDS, 12, 4096.0),
        (names.SCORE, 11, 1.0),
    ],
)
def test_buckets_are_floats_that_grow_to_their_end(bounds: tuple[float, ...], count: int, last: float) -> None:
    assert all(isinstance(bound, float) for bound in bounds), "Prometheus would show le=1 beside le=1.0"
    assert list(bounds) == sorted(set(bounds))
    assert (len(bounds), bounds[-1]) == (count, last)


def test_every_histogram_has_buckets_and_nothing_else_has() -> None:
    for metric in names.METRICS:
        assert bool(metric.buckets) == (metric.kind == "histogram"), metric.name


def test_an_unknown_metric_is_a_key_error() -> None:
    assert names.metric("offpath.runs").kind == "counter"
    with pytest.raises(KeyError):
        names.metric("offpath.nothing")
