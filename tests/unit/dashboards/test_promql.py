"""Queries take their names from the metrics, and a wrong one fails when it is made."""

from __future__ import annotations

import json
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest

from offpath.dashboards.promql import (
    Series,
    added,
    label,
    largest,
    metrics_in,
    per_hour,
    per_minute,
    selectors,
    share,
    smallest,
    some,
)
from offpath.errors import ConfigurationError
from offpath.telemetry import names

needs_promtool = pytest.mark.skipif(
    shutil.which("promtool") is None, reason="promtool is not on the PATH (Debian: prometheus)"
)
SCOPE = 'cluster=~"$cluster",namespace=~"$namespace",job=~"$job",instance=~"$instance"'


def test_names_are_those_of_the_page() -> None:
    assert Series.of("offpath.runs").selector("_total") == f"offpath_runs_total{{{SCOPE}}}"
    assert Series.of("offpath.evaluation.rate").selector() == f"offpath_evaluation_rate_ratio{{{SCOPE}}}"
    assert Series.of("offpath.hooks.oldest.age", scope=()).selector() == "offpath_hooks_oldest_age_seconds"
    assert label(names.EVALUATION_NAME) == "gen_ai_evaluation_name"


def test_a_metric_that_is_not_there_is_refused() -> None:
    with pytest.raises(ConfigurationError, match=r"no metric 'offpath\.run'"):
        Series.of("offpath.run")


def test_a_label_that_the_metric_has_not_is_refused() -> None:
    with pytest.raises(ConfigurationError, match=r"offpath\.runs has no label offpath\.hook "):
        Series.of("offpath.runs").where(names.HOOK, "x")
    with pytest.raises(ConfigurationError, match=r"offpath\.runs has no label offpath\.stage "):
        Series.of("offpath.runs").rate(names.STAGE)
    # Another metric's label of the same key has other values.
    with pytest.raises(ConfigurationError, match=r"offpath\.hooks\.dead has no label offpath\.reason "):
        Series.of("offpath.hooks.dead").increase(names.SKIP_REASON)


def test_a_value_that_the_label_never_has_is_refused() -> None:
    with pytest.raises(ConfigurationError, match="never 'failed', but completed, error"):
        Series.of("offpath.runs").where(names.RUN_STATUS, "failed")
    with pytest.raises(ConfigurationError, match="never 'failed'"):
        Series.of("offpath.runs").where_not(names.RUN_STATUS, "failed")


def test_samples_that_the_kind_has_not_are_refused() -> None:
    with pytest.raises(ConfigurationError, match=r"offpath\.workers is a gauge"):
        Series.of("offpath.workers").rate()
    with pytest.raises(ConfigurationError, match=r"offpath\.runs is a counter"):
        Series.of("offpath.runs").quantile(0.95)


def test_matchers() -> None:
    runs = Series.of("offpath.runs", scope=())
    assert runs.where(names.RUN_STATUS, "error").selector("_total") == 'offpath_runs_total{offpath_run_status="error"}'
    either = runs.where(names.RUN_STATUS, "error", "blocked")
    assert either.selector("_total") == 'offpath_runs_total{offpath_run_status=~"error|blocked"}'
    assert runs.where_not(names.ERROR_TYPE, "").selector("_total") == 'offpath_runs_total{error_type!=""}'
    assert runs.like(names.AGENT_NAME, "$agent").selector("_total") == 'offpath_runs_total{gen_ai_agent_name=~"$agent"}'
    assert runs.unlike(names.ERROR_TYPE, "|x").selector("_total") == 'offpath_runs_total{error_type!~"|x"}'
    assert runs.selector("_total") == "offpath_runs_total", "what is chosen of a series leaves it as it was"


def test_aggregations() -> None:
    queued = Series.of("offpath.hooks.queued", scope=())
    delay = Series.of("offpath.hook.queue.delay", scope=())
    assert queued.rate(names.HOOK) == "sum by (offpath_hook) (rate(offpath_hooks_queued_total[$__rate_interval]))"
    assert queued.increase(window="5m") == "sum (increase(offpath_hooks_queued_total[5m]))"
    assert delay.quantile(0.5, names.HOOK, window="5m") == (
        "histogram_quantile(0.5, sum by (le, offpath_hook) (rate(offpath_hook_queue_delay_seconds_bucket[5m])))"
    )
    assert delay.mean(window="5m") == (
        "sum (rate(offpath_hook_queue_delay_seconds_sum[5m])) / "
        "(sum (rate(offpath_hook_queue_delay_seconds_count[5m])) > 0)"
    )
    backlog = Series.of("offpath.hooks.backlog", scope=()).shared(names.HOOK, names.STATE)
    assert backlog == "max by (cluster, namespace, job, offpath_hook, offpath_state) (offpath_hooks_backlog)"
    assert added(backlog, names.HOOK, names.STATE) == f"sum by (offpath_hook, offpath_state) ({backlog})"
    assert (largest(backlog, names.HOOK), smallest(backlog)) == (
        f"max by (offpath_hook) ({backlog})",
        f"min ({backlog})",
    )
    assert some("x") == "(x) > 0"
    assert (per_minute("x"), per_hour("x"), share("a", "b")) == ("60 * x", "3600 * x", "(a or 0 * b) / (b > 0)")


def test_the_metrics_of_a_query_are_found_again() -> None:
    query = f"{Series.of('offpath.hook.duration').quantile(0.95)} + {Series.of('offpath.runs').rate()}"
    assert [each.name for each in metrics_in(query)] == ["offpath.hook.duration", "offpath.runs"]
    assert metrics_in("vector(1)") == ()
    found = [(each.name, matchers) for each, matchers in selectors('max by (job) (offpath_workers{job="x"}) + up')]
    assert found == [("offpath.workers", 'job="x"')]


def test_what_is_counted_elsewhere_is_taken_from_all_instances() -> None:
    runs = Series.of("offpath.runs").where(names.RUN_NESTED, "false").of_all_instances().selector("_total")
    assert (
        runs == 'offpath_runs_total{cluster=~"$cluster",namespace=~"$namespace",job=~"$job",offpath_run_nested="false"}'
    )


@needs_promtool
def test_the_first_event_of_a_new_series_counts_and_a_new_page_does_not(tmp_path: Path) -> None:
    """At 10 minutes, in the last 5: `known` grew from 2 to 4, `new` appeared at 3, and page b with all that it has.

    `late` appeared at 1 on a page that began within the 5 minutes itself, and before the page was not seen for a while
    `away` was there already.
    """
    finished, page = "offpath_hooks_finished_total", 'offpath_telemetry_dropped_total{job="x",instance="%s"}'
    one = f'{finished}{{job="x",instance="%s",error_type="%s"}}'
    series = {
        page % "a": "0x10",
        one % ("a", "known"): "2x7 4 4 4",
        one % ("a", "new"): "_x7 3 3 3",
        page % "b": "_x7 0 0 0",
        one % ("b", "old"): "_x7 100 100 100",
        one % ("b", "late"): "_x8 1 1",
        page % "c": "0x1 stale _x4 0 0 0",
        one % ("c", "away"): "9x1 stale _x4 9 9 9",
    }
    expected = {"known": 2, "new": 3, "old": 0, "late": 1, "away": 0}
    assert _grown(tmp_path, series, expected) == ""
    # Two deployments that share a job are told apart, and both count.
    apart = {name.replace("{", f'{{namespace="{other}",'): values for other in "pq" for name, values in series.items()}
    assert _grown(tmp_path, apart, {name: 2 * value for name, value in expected.items()}) == ""
    assert "got" in _grown(tmp_path, series, expected | {"late": 0}), "the test sees what is wrong"


@needs_promtool
def test_deployments_that_share_a_job_are_added_and_pages_of_one_are_not(tmp_path: Path) -> None:
    backlog = 'offpath_hooks_backlog{%s,job="x",instance="%s",offpath_hook="h",offpath_state="dead"}'
    series = {backlog % ('namespace="p"', "a"): "3x10", backlog % ('namespace="p"', "b"): "3x10"}
    series |= {backlog % ('namespace="q"', "a"): "4x10", backlog % ('cluster="far"', "a"): "5x10"}
    gauge = Series.of("offpath.hooks.backlog", scope=()).shared(names.HOOK)
    for query, value in ((added(gauge), 12), (largest(gauge), 5), (smallest(gauge), 3)):
        assert _asked(tmp_path, query, series, [{"labels": "{}", "value": value}]) == ""


def _grown(directory: Path, series: dict[str, str], expected: dict[str, int]) -> str:
    """What promtool has to say against `grown` by error type, a minute between two samples."""
    grown = Series.of("offpath.hooks.finished", scope=()).grown(names.ERROR_TYPE, window="5m")
    samples = [{"labels": f'{{error_type="{name}"}}', "value": value} for name, value in sorted(expected.items())]
    return _asked(directory, f"round({grown})", series, samples)


def _asked(directory: Path, query: str, series: dict[str, str], samples: list[dict[str, Any]]) -> str:
    """What promtool has to say against these samples as the answer after ten minutes."""
    (directory / "rules.yml").write_text('{"groups": []}')
    case = {
        "interval": "1m",
        "input_series": [{"series": name, "values": values} for name, values in series.items()],
        "promql_expr_test": [{"expr": query, "eval_time": "10m", "exp_samples": samples}],
    }
    (directory / "test.yml").write_text(json.dumps({"rule_files": ["rules.yml"], "tests": [case]}))
    done = subprocess.run(
        ["promtool", "test", "rules", "test.yml"], cwd=directory, capture_output=True, text=True, timeout=60
    )
    return "" if done.returncode == 0 else done.stdout + done.stderr
