"""What the evaluators say of all runs, from their sums; and which evaluators are on."""

# No `from __future__ import annotations`: FastAPI reads the annotations of routes.

import asyncio
import time
from collections.abc import Iterable, Mapping, Sequence
from typing import Annotated, Any, Final, NamedTuple

from fastapi import FastAPI, Query
from starlette.requests import Request
from starlette.responses import Response

from offpath.api.answer import json_answer
from offpath.api.body import FieldError
from offpath.api.context import ServiceContext
from offpath.api.documents import problems
from offpath.api.evaluation_documents import EnabledEvaluatorDocument, EvaluationSummaryDocument
from offpath.api.principal import principal_of
from offpath.errors import NotFoundError
from offpath.ledger.estimate import Summary, VersionSummary, summarize
from offpath.ledger.evaluation_sums import FACET
from offpath.ledger.moment import moment, seconds_at
from offpath.ledger.rollup import DAY, HOUR, RollupKey, Sums, add, bucket
from offpath.ledger.window import hours, seconds_of, stretches
from offpath.runs.status import ComponentKind
from offpath.storage.ledger import Ledger
from offpath_evaluators.registry import near

LONGEST: Final = 400 * DAY
MOST_HOURS: Final = 24
"""Hours of a summary by hour; of a single evaluation as many as MOST_HOURS_OF_ONE."""
MOST_HOURS_OF_ONE: Final = 31 * 24
MOST_GROUPS: Final = 500
"""Groups of an answer unless the caller asks for fewer; each takes its time."""
EXAMPLES: Final = 3
_DIGITS: Final = 6
_COMPONENTS: Final = ("agent", "team", "workflow")
_TIMES: Final = ("day", "hour")
Rows = list[tuple[RollupKey, Sums]]


class Grouping(NamedTuple):
    """How rows of sums are put together."""

    kind: str | None = None
    """"agent", "team" or "workflow": one group for each; "component": for each of all three."""
    time: str | None = None
    """"day" or "hour"."""

    @classmethod
    def read(cls, text: str | None) -> "Grouping":
        """From "agent", "day" or "agent,day".

        Raises:
            FieldError: It is neither.
        """
        parts = [part.strip().lower() for part in (text or "").split(",") if part.strip()]
        kinds = [part for part in parts if part in (*_COMPONENTS, "component")]
        times = [part for part in parts if part in _TIMES]
        if len(kinds) + len(times) < len(parts) or len(kinds) > 1 or len(times) > 1:
            raise FieldError(
                f"group_by {(text or '')[:60]!r} is not understood; send one of agent, team, workflow, component, or "
                "one of day, hour, or one of each: agent,day",
                ("query", "group_by"),
            )
        return cls(kinds[0] if kinds else None, times[0] if times else None)


class Group(NamedTuple):
    """What one row of the answer is about."""

    evaluation: str
    component: tuple[str, str] | None
    start: int | None


class Answer(NamedTuple):
    """What is said of a group."""

    row: dict[str, Any]
    failed: int
    """Runs that did not pass."""


class EvaluationSummary:
    """What the routes over all runs do."""

    def __init__(self, context: ServiceContext) -> None:
        self.context = context

    async def evaluators(self) -> list[dict[str, Any]]:
        """`GET /evaluators`."""
        return [each.describe() for each in self.context.builtins.evaluators]

    async def summary(
        self,
        request: Request,
        since: float,
        until: float,
        now: float,
        evaluator: str | None,
        component: tuple[ComponentKind, str] | None,
        grouping: Grouping,
        examples: int,
        limit: int,
    ) -> Response:
        """`GET /evaluations/summary`."""
        principal_of(request).require_unbound("the summary of evaluations")
        ledger = self.context.ledger
        rows = await _read(ledger, since, until, now, evaluator, component, grouping)
        if evaluator is not None and not rows:
            self._check_known(evaluator, await _read(ledger, since, until, now, None, None, Grouping()))
        # Off the event loop: a million runs are some thousand rows.
        found, total = await asyncio.to_thread(grouped, rows, grouping, limit)
        if examples and grouping.time is None:
            covered = stretches(since, until, now)
            await _add_examples(ledger, found, covered[0].start, covered[-1].end, component, examples)
        return json_answer(
            {
                "window": {"since": moment(since), "until": moment(until)},
                "as_of": moment(now),
                "unbooked": await ledger.unbooked(),
                "group_by": [part for part in grouping if part is not None],
                "groups_total": total,
                "groups": [answer.row for answer in found.values()],
            }
        )

    def _check_known(self, name: str, rows: Rows) -> None:
        enabled = [each.name for each in self.context.builtins.evaluators]
        known = sorted({*enabled, *(key.value for key, _ in rows)})
        if name not in known:
            raise NotFoundError(f"there is no evaluation {name[:80]!r} in this window{near(name[:80], known)}")


async def _add_examples(
    ledger: Ledger,
    found: Mapping[Group, Answer],
    since: float,
    until: float,
    component: tuple[ComponentKind, str] | None,
    most: int,
) -> None:
    """Name the newest runs of each group that did not pass.

    Args:
        since: With `until`, the time that the groups cover.
        component: Whose runs they cover, if that is one component's.
    """
    failed: dict[str, list[Group]] = {}
    for group, answer in found.items():
        if answer.failed:
            failed.setdefault(group.evaluation, []).append(group)
    for name, groups in failed.items():
        # Not more than there are: what is not found takes a walk through all failed results.
        wanted = {group.component or component: min(most, found[group].failed) for group in groups}
        run_ids = await ledger.failed_runs(name, since, until, wanted)
        for group in groups:
            if of_group := run_ids.get(group.component or component):
                found[group].row["examples"] = of_group


async def _read(
    ledger: Ledger,
    since: float,
    until: float,
    now: float,
    evaluator: str | None,
    component: tuple[ComponentKind, str] | None,
    grouping: Grouping,
) -> Rows:
    rows: Rows = []
    for grain, start, end in hours(since, until) if grouping.time == "hour" else stretches(since, until, now):
        rows += await ledger.rollups("evaluation", grain, FACET, start, end, component=component, value=evaluator)
    return rows


def grouped(
    rows: Iterable[tuple[RollupKey, Sums]], grouping: Grouping, limit: int = MOST_GROUPS
) -> tuple[dict[Group, Answer], int]:
    """The first groups of the answer, by evaluation, then component, then time; and how many there are."""
    found: dict[Group, Sums] = {}
    for key, sums in rows:
        if grouping.kind in _COMPONENTS and key.component_kind != grouping.kind:
            continue
        component = None if grouping.kind is None else (key.component_kind, key.component_id)
        start = None if grouping.time is None else bucket(key.start, "day" if grouping.time == "day" else "hour")
        add(found.setdefault(Group(key.value, component, start), {}), sums)
    order = sorted(found, key=lambda group: (group.evaluation, group.component or ("", ""), group.start or 0))
    return {group: Answer(_row_json(group, found[group]), _failed(found[group])) for group in order[:limit]}, len(order)


def _row_json(group: Group, sums: Sums) -> dict[str, Any]:
    row: dict[str, Any] = {"evaluation": group.evaluation}
    if group.component is not None:
        row |= {"component_kind": group.component[0], "component_id": group.component[1]}
    if group.start is not None:
        row["start"] = moment(group.start)
    return row | summary_json(summarize(sums))


def summary_json(summary: Summary) -> dict[str, Any]:
    """A summary, its figures rounded."""
    found: dict[str, Any] = {
        "runs": summary.runs,
        "states": summary.states,
        "population": round(summary.population, 3),
        "coverage": _rounded(summary.coverage),
        "mixed": summary.mixed,
    }
    if summary.versions:
        newest = summary.versions[0]
        found |= {"fingerprint": newest.fingerprint} | _figures(newest)
    if summary.mixed:
        found["versions"] = [
            {
                "fingerprint": each.fingerprint,
                "scored": each.scored,
                "evaluated_at": round(each.evaluated_at, 3),
                "coverage": _rounded(each.coverage),
                **_figures(each),
            }
            for each in summary.versions
        ]
    return found


def _figures(version: VersionSummary) -> dict[str, Any]:
    found: dict[str, Any] = {"stand_in": version.stand_in} if version.stand_in else {}
    for name, estimate in (("pass_rate", version.pass_rate), ("mean", version.mean)):
        if estimate is not None:
            found[name] = {
                "estimate": _rounded(estimate.estimate),
                "low": _rounded(estimate.low),
                "high": _rounded(estimate.high),
                "worst": _rounded(estimate.worst),
                "best": _rounded(estimate.best),
                "naive": _rounded(estimate.naive),
                "n": estimate.n,
                "effective_n": round(estimate.effective_n, 3),
            }
    for name, shares in (("labels", version.labels), ("histogram", version.histogram)):
        if shares:
            found[name] = {label: _rounded(share) for label, share in shares.items()}
    return found


def _failed(sums: Sums) -> int:
    """Runs that did not pass, of all versions."""
    return sum(version.get("j", 0) - version.get("y", 0) for version in sums.get("fp", {}).values())


def _rounded(figure: float | None) -> float | None:
    return None if figure is None else round(figure, _DIGITS)


def read_time(text: str, name: str) -> float:
    """Seconds since the epoch.

    Raises:
        FieldError: It is no time.
    """
    try:
        return seconds_at(text)
    except ValueError as error:
        raise FieldError(f"{name}: {error}", ("query", name)) from None


def read_window(window: str, since: str | None, until: str | None, now: float) -> tuple[float, float]:
    """Beginning and end of what is asked for.

    Raises:
        FieldError: They are no times, in the wrong order, or too far apart.
    """
    try:
        length = seconds_of(window)
    except ValueError as error:
        raise FieldError(str(error), ("query", "window")) from None
    last = now if until is None else read_time(until, "until")
    first = last - length if since is None else read_time(since, "since")
    if not first < last:
        raise FieldError("since must be before until", ("query", "since"))
    if last - first > LONGEST:
        raise FieldError(f"the window is longer than {LONGEST // DAY} days; ask for less", ("query", "window"))
    return first, last


def one_component(given: Sequence[tuple[ComponentKind, str | None]]) -> tuple[ComponentKind, str] | None:
    """The component that a request is narrowed to.

    Raises:
        FieldError: It names several.
    """
    named = [(kind, component_id) for kind, component_id in given if component_id is not None]
    if len(named) > 1:
        raise FieldError("name one agent, team or workflow only", ("query", named[1][0]))
    return named[0] if named else None


def add_evaluation_summary_routes(app: FastAPI, routes: EvaluationSummary) -> None:
    """Add the routes over all runs."""

    @app.get(
        "/evaluators",
        tags=["evaluations"],
        summary="List the evaluators that are on",
        response_class=Response,
        responses={200: {"model": list[EnabledEvaluatorDocument]}},
    )
    async def list_evaluators() -> Response:
        """Each with its options, the runs that it is for, and the share of them that it gets."""
        return json_answer(await routes.evaluators())

    @app.get(
        "/evaluations/summary",
        tags=["evaluations"],
        summary="Summarize the evaluations",
        response_class=Response,
        responses={200: {"model": EvaluationSummaryDocument}, **problems(404, 422)},
    )
    async def summarize_evaluations(
        request: Request,
        window: Annotated[str, Query(description="How far back: 24h, 7d, 4w.")] = "7d",
        since: Annotated[str | None, Query(description="In place of window: seconds or ISO 8601.")] = None,
        until: Annotated[str | None, Query(description="Default: now.")] = None,
        evaluator: Annotated[str | None, Query(description="Only this evaluation.")] = None,
        agent: Annotated[str | None, Query(description="Only runs of this agent.")] = None,
        team: Annotated[str | None, Query(description="Only runs of this team.")] = None,
        workflow: Annotated[str | None, Query(description="Only runs of this workflow.")] = None,
        group_by: Annotated[
            str | None, Query(description="agent, team, workflow or component, and day or hour: agent,day.")
        ] = None,
        examples: Annotated[int, Query(ge=0, le=20, description="Failed runs to name in each group.")] = EXAMPLES,
        limit: Annotated[int, Query(ge=1, le=MOST_GROUPS, description="Groups at most.")] = MOST_GROUPS,
    ) -> Response:
        """Pass rate and mean by evaluator, weighted by the probability with which each run was chosen, with an interval
        of 95 %, the share of runs that have a score, and bounds for the others. Times are of the runs' beginning."""
        now = time.time()
        first, last = read_window(window, since, until, now)
        grouping = Grouping.read(group_by)
        if grouping.time == "hour":
            most = MOST_HOURS if evaluator is None else MOST_HOURS_OF_ONE
            if last - first > most * HOUR:
                advice = "" if evaluator else f", or {MOST_HOURS_OF_ONE} of one evaluator"
                raise FieldError(f"by hour at most {most} hours can be asked for{advice}", ("query", "window"))
        component = one_component([("agent", agent), ("team", team), ("workflow", workflow)])
        return await routes.summary(request, first, last, now, evaluator, component, grouping, examples, limit)
