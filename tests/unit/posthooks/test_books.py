"""What ends of runs and jobs mean for states, results and sums: each once, and what a new result replaces is gone."""

from __future__ import annotations

import itertools
import logging
from collections import Counter
from collections.abc import Sequence
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from offpath.ledger.booking import Batch, Booking, EndedJob
from offpath.ledger.evaluation_row import EvaluationRow
from offpath.ledger.evaluation_sums import entry_sums
from offpath.ledger.plan import PlanEntry, RunPlan
from offpath.ledger.rollup import RollupKey, Sums, add
from offpath.ledger.run_facts import RunFacts
from offpath.ledger.state import State
from offpath.posthooks import names
from offpath.posthooks.books import Booked, Books, occasion_names
from offpath.posthooks.job_result import JobResult
from offpath.posthooks.notification.rules import ChannelRules, NoticeRules, channel_of
from offpath.runs.job import HookKind, JobInfo, JobState, job_key

RUN = "r1"
TONE = names.judged("tone")
TIME = 1_763_600_000.0
ALL_EVENTS = NoticeRules(
    channels=(
        ChannelRules(
            "ops",
            {
                "run_error": None,
                "evaluation_failed": None,
                "below_threshold": None,
                "hook_dead": None,
                "budget_exhausted": None,
            },
        ),
    )
)


def plan(run_id: str = RUN, /, **entries: PlanEntry) -> RunPlan:
    return RunPlan(
        run_id=run_id,
        session_id="s1",
        component_kind="agent",
        component_id="support",
        component_name="Support",
        nested=False,
        created_at=TIME,
        status="completed",
        duration=1.0,
        error_type="",
        traceparent="",
        entries=entries,
    )


def pending(hook: str = names.EVALUATE, probability: float = 1.0) -> PlanEntry:
    return PlanEntry("pending", probability, hook)


def row(
    name: str, value: float | None = 1.0, *, at: float = TIME + 1, state: State = "scored", **more: Any
) -> EvaluationRow:
    return EvaluationRow(
        run_id=RUN,
        name=name,
        fingerprint=more.pop("fingerprint", "f1"),
        state=state,
        subject="output",
        evaluator=name,
        version=1,
        evaluated_at=at,
        duration=0.1,
        value=value if state == "scored" else None,
        passed=None if value is None or state != "scored" else value >= 0.5,
        **more,
    )


class Store:
    """Plans, results and sums in memory, as a ledger keeps them."""

    def __init__(self, *plans: RunPlan, books: Books | None = None) -> None:
        self.books = books or Books(None, analytics=False)
        self.plans = {each.run_id: each for each in plans}
        self.sums: dict[RollupKey, Sums] = {}
        self.results: dict[tuple[str, str, str], EvaluationRow] = {}
        self.notices: Counter[str] = Counter()
        self._ids = itertools.count(1)

    def book(self, *bookings: Booking) -> Booked:
        """Book them together."""
        wanted = {each.run_id for each in bookings}
        change = self.books.book(
            Batch(list(bookings), {run_id: self.plans[run_id] for run_id in wanted & self.plans.keys()})
        )
        self.plans.update(change.plans)
        for found in change.evaluations:
            self.results[found.run_id, found.name, found.fingerprint] = found
        for key, delta in change.deltas.items():
            add(self.sums.setdefault(key, {}), delta)
        self.notices.update(notice.event for notice in change.notices)
        return change

    def run_ended(self, run_id: str = RUN) -> Booking:
        return Booking(next(self._ids), run_id, None, None)

    def job_ended(
        self,
        *rows: EvaluationRow,
        hook: str = names.EVALUATE,
        occasion: str = "",
        state: JobState = JobState.SUCCEEDED,
        kind: HookKind = "evaluation",
        result: bytes | None = None,
        run_id: str = RUN,
    ) -> Booking:
        key = job_key(run_id, "post", hook, occasion)
        info = JobInfo(
            key=key,
            run_id=run_id,
            component_kind="agent",
            component_id="support",
            phase="post",
            hook=hook,
            kind=kind,
            version="1",
            state=state,
            attempts=1,
            queued_at=TIME,
            outcome="success" if state is JobState.SUCCEEDED else "error",
            finished_at=TIME + 2,
        )
        if result is None and state is JobState.SUCCEEDED:
            result = msgspec.json.encode(JobResult(list(rows)))
        return Booking(next(self._ids), run_id, key, EndedJob(info, result, ""))

    def states(self, grain: str = "hour") -> dict[str, dict[str, int]]:
        """Runs by state, as the sums have it."""
        return {
            key.value: {state: count for state, count in sums["states"].items() if count}
            for key, sums in self.sums.items()
            if key.measure == "evaluation" and key.grain == grain
        }

    def check(self) -> None:
        """Sums are what the plans that are counted say, in all of their numbers; days are as hours."""
        for grain in ("hour", "day"):
            wanted: dict[str, Sums] = {}
            for each in self.plans.values():
                for name, entry in each.entries.items() if each.counted else ():
                    add(wanted.setdefault(name, {}), entry_sums(entry))
            found = {
                key.value: sums for key, sums in self.sums.items() if key.measure == "evaluation" and key.grain == grain
            }
            assert {name: lean(sums) for name, sums in found.items()} == {
                name: lean(sums) for name, sums in wanted.items()
            }

    def entry(self, name: str) -> PlanEntry:
        return self.plans[RUN].entries[name]


def lean(sums: Sums) -> Sums:
    """Without zeros; and without the time of the latest result, which is no sum: it stays when its result goes."""
    found = {
        name: lean(value) if isinstance(value, dict) else value for name, value in sums.items() if name != "latest"
    }
    return {name: value for name, value in found.items() if value}


def test_a_run_counts_once_whatever_its_states() -> None:
    store = Store(
        plan(pii=pending(), tone=pending(TONE), rare=PlanEntry("sampled_out", 0.1), other=PlanEntry("filtered"))
    )
    change = store.book(store.run_ended())
    assert store.plans[RUN].counted
    assert store.states() == {
        "pii": {"pending": 1},
        "tone": {"pending": 1},
        "rare": {"sampled_out": 1},
        "other": {"filtered": 1},
    }
    assert sorted(change.skipped) == [("other", "filtered"), ("rare", "sampled_out")]
    assert store.book(store.run_ended()).empty, "a second booking of the same end changes nothing"
    store.check()


def test_a_result_replaces_what_is_pending_and_a_later_one_replaces_it() -> None:
    store = Store(plan(pii=pending(), refusal=pending()))
    store.book(store.run_ended(), store.job_ended(row("pii", 0.0), row("refusal")))
    assert store.states() == {"pii": {"scored": 1}, "refusal": {"scored": 1}}
    assert store.entry("pii").passed is False
    store.check()
    # Evaluated again by hand, with another version: the sums have the new one alone, the results have both.
    store.book(store.job_ended(row("pii", 1.0, at=TIME + 9, fingerprint="f2"), occasion="pii.0123abcd"))
    assert store.states()["pii"] == {"scored": 1}
    assert (store.entry("pii").passed, store.entry("pii").fingerprint) == (True, "f2")
    assert len(store.results) == 3
    store.check()
    # The same version once more updates its result.
    store.book(store.job_ended(row("pii", 0.25, at=TIME + 10, fingerprint="f2"), occasion="pii.4567abcd"))
    assert len(store.results) == 3
    assert store.entry("pii").value == 0.25
    store.check()


def test_an_older_result_changes_no_newer_one() -> None:
    store = Store(plan(pii=pending()))
    store.book(store.run_ended(), store.job_ended(row("pii", 1.0, at=TIME + 9)))
    store.book(store.job_ended(row("pii", 0.0, at=TIME + 1), occasion="pii.0123abcd"))
    assert store.entry("pii").value == 1.0
    store.check()


def test_another_attempt_that_came_to_nothing_leaves_the_result_of_its_version() -> None:
    store = Store(plan(pii=pending()))
    store.book(store.run_ended(), store.job_ended(row("pii", 1.0)))
    store.book(store.job_ended(row("pii", state="failed", at=TIME + 9), occasion="pii.0123abcd"))
    assert store.entry("pii").state == "scored"
    assert [found.state for found in store.results.values()] == ["scored"]
    # Of another version it is a result of its own, which the run's state does not follow.
    store.book(store.job_ended(row("pii", state="failed", at=TIME + 9, fingerprint="f2"), occasion="pii.4567abcd"))
    assert store.entry("pii").state == "scored"
    assert len(store.results) == 2
    store.check()


@pytest.mark.parametrize("state", ["sampled_out", "filtered"])
def test_a_run_that_nobody_drew_stays_out_though_it_was_evaluated_by_hand(state: State) -> None:
    store = Store(plan(pii=PlanEntry(state, 0.1)))
    store.book(store.run_ended())
    store.book(store.job_ended(row("pii"), occasion="pii.0123abcd"))
    assert store.states() == {"pii": {state: 1}}
    assert (RUN, "pii", "f1") in store.results, "the result itself is there to be seen"
    store.check()


@pytest.mark.parametrize("state", ["budget", "overload"])
def test_a_run_that_was_drawn_and_left_out_counts_once_it_is_evaluated(state: State) -> None:
    store = Store(plan(tone=PlanEntry(state, 0.25)))
    store.book(store.run_ended())
    store.book(store.job_ended(row("tone"), hook=TONE, occasion="0123abcd"))
    assert store.states() == {"tone": {"scored": 1}}
    assert store.entry("tone").probability == 0.25
    store.check()


def test_a_dead_job_leaves_its_evaluations_dead_until_it_is_requeued() -> None:
    store = Store(plan(pii=pending(), refusal=pending(), tone=pending(TONE)))
    store.book(store.run_ended(), store.job_ended(state=JobState.DEAD))
    assert store.states() == {"pii": {"dead": 1}, "refusal": {"dead": 1}, "tone": {"pending": 1}}
    store.book(store.job_ended(row("pii"), row("refusal")))
    assert store.states() == {"pii": {"scored": 1}, "refusal": {"scored": 1}, "tone": {"pending": 1}}
    store.check()


def test_a_dead_job_of_a_second_time_takes_no_result_away() -> None:
    store = Store(plan(pii=pending(), refusal=pending()))
    store.book(store.run_ended(), store.job_ended(row("pii"), row("refusal")))
    store.book(store.job_ended(occasion="pii.0123abcd", state=JobState.DEAD))
    assert store.states() == {"pii": {"scored": 1}, "refusal": {"scored": 1}}
    store.check()


def test_a_job_asked_for_by_hand_that_dies_says_so_of_its_evaluations_alone() -> None:
    store = Store(plan(pii=pending(), refusal=pending()))
    store.book(store.run_ended(), store.job_ended(occasion="pii.0123abcd", state=JobState.DEAD))
    assert store.states() == {"pii": {"dead": 1}, "refusal": {"pending": 1}}
    store.check()


def test_a_result_of_an_evaluator_that_was_not_planned_is_added() -> None:
    """A backfill of an evaluator that was not enabled when the run ended."""
    store = Store(plan(pii=pending()))
    store.book(store.run_ended())
    store.book(store.job_ended(row("late", probability=0.5), occasion="late.0123abcd"))
    assert store.states() == {"pii": {"pending": 1}, "late": {"scored": 1}}
    assert store.entry("late").probability == 0.5
    store.check()


@pytest.mark.parametrize(
    "result",
    [b"", b"{", b"[]", b"null", b'{"evaluations": 7}', b'{"evaluations": [{"run_id": "r1"}]}', b"\xff\xfe"],
)
def test_a_result_that_is_not_understood_is_a_failure_and_never_stays_pending(
    result: bytes, caplog: pytest.LogCaptureFixture
) -> None:
    store = Store(plan(pii=pending(), refusal=pending(), tone=pending(TONE)))
    with caplog.at_level(logging.WARNING):
        store.book(store.run_ended(), store.job_ended(result=result))
    assert store.states() == {"pii": {"failed": 1}, "refusal": {"failed": 1}, "tone": {"pending": 1}}
    assert "not understood" in caplog.text
    store.check()


def test_an_evaluator_that_the_code_no_longer_has_fails() -> None:
    """The job ran with code in which one of the two was not enabled any more."""
    store = Store(plan(pii=pending(), gone=pending()))
    store.book(store.run_ended(), store.job_ended(row("pii")))
    assert store.states() == {"pii": {"scored": 1}, "gone": {"failed": 1}}
    store.check()


def test_bookings_of_deleted_runs_change_nothing() -> None:
    store = Store()
    change = store.book(store.run_ended(), store.job_ended(row("pii")), store.job_ended(state=JobState.DEAD))
    assert change.empty
    assert not change.results
    assert not change.skipped


def test_a_booking_whose_job_is_gone_changes_nothing() -> None:
    store = Store(plan(pii=pending()))
    store.book(store.run_ended())
    assert store.book(Booking(7, RUN, f"{RUN}:post:{names.EVALUATE}", None)).empty
    store.check()


def test_a_cancelled_job_changes_nothing() -> None:
    store = Store(plan(pii=pending()))
    store.book(store.run_ended(), store.job_ended(state=JobState.CANCELLED))
    assert store.states() == {"pii": {"pending": 1}}


def test_a_job_booked_before_its_run_is_counted_with_it() -> None:
    """As when the run's own booking was set aside, and is tried again."""
    store = Store(plan(pii=pending()))
    store.book(store.job_ended(row("pii")))
    assert store.sums == {}
    store.book(store.run_ended())
    assert store.states() == {"pii": {"scored": 1}}
    store.check()


@pytest.mark.parametrize(
    ("state", "seen"),
    [
        ("scored", "scored"),
        ("abstained", "abstained"),
        ("failed", "failed"),
        ("not_applicable", "not_applicable"),
        ("budget", "budget"),
    ],
)
def test_each_state_that_a_result_can_have(state: State, seen: str) -> None:
    store = Store(plan(tone=pending(TONE, 0.5)))
    change = store.book(store.run_ended(), store.job_ended(row("tone", state=state, reason="why"), hook=TONE))
    assert store.states() == {"tone": {seen: 1}}
    assert [found.state for found, _ in change.results] == [state]
    store.check()


def test_what_is_told_and_how_often() -> None:
    """A budget that is used up is told once for each window, however many runs meet it in one batch."""
    books = Books(ALL_EVENTS, analytics=False, budget_window=lambda at: "2026-11-20")
    plans = [plan(f"r{number}", tone=PlanEntry("budget"), pii=pending()) for number in range(3)]
    store = Store(*plans, books=books)
    change = store.book(*(store.run_ended(each.run_id) for each in plans))
    assert store.notices == {"budget_exhausted": 1}
    assert channel_of(change.notices[0]) == "ops"
    assert "2026-11-20" in change.notices[0].key
    store.book(store.job_ended(row("pii", 0.0)))
    store.book(store.job_ended(row("pii", state="failed", reason="timeout", at=TIME + 3), occasion="pii.0123abcd"))
    store.book(store.job_ended(state=JobState.DEAD, run_id="r2"))
    assert store.notices == {"budget_exhausted": 1, "below_threshold": 1, "evaluation_failed": 1, "hook_dead": 1}


def test_usage_is_counted_in_steps_each_once() -> None:
    store = Store(plan(pii=pending()), books=Books(None, analytics=True))
    facts = RunFacts(
        "agent", "support", "Support", "completed", model="m", model_calls=2, input_tokens=10, output_tokens=4
    )
    result = msgspec.json.encode(JobResult(usage=facts))
    store.book(store.run_ended())
    store.book(store.job_ended(hook=names.ANALYTICS, kind="analytics", result=result))
    store.book(store.job_ended(row("pii"), row("tone", judge_calls=1, input_tokens=7, output_tokens=1, cost=0.001)))
    (sums,) = [
        sums
        for key, sums in store.sums.items()
        if (key.measure, key.grain, key.facet) == ("usage", "hour", "component")
    ]
    assert (sums["runs"], sums["accounted"], sums["calls"]) == (1, 1, 2)
    assert sums["tokens"] == {"input": 10, "output": 4}
    assert {kind: jobs["jobs"] for kind, jobs in sums["hooks"].items()} == {"analytics": 1, "evaluation": 1}
    assert sums["judge"]["cost"] == 1_000_000
    dead = store.job_ended(hook=names.ANALYTICS, kind="analytics", state=JobState.DEAD)
    assert "accounted" not in next(iter(store.book(dead).deltas.values()))


def test_what_an_occasion_names() -> None:
    assert list(occasion_names(names.EVALUATE, "pii+refusal.0123abcd")) == ["pii", "refusal"]
    assert list(occasion_names(TONE, "0123abcd")) == ["tone"]


STATES: st.SearchStrategy[State] = st.sampled_from(["scored", "abstained", "failed", "not_applicable", "budget"])


@given(data=st.data())
def test_whatever_happens_in_whatever_batches_the_sums_are_what_the_plans_say(data: st.DataObject) -> None:
    evaluations = {"pii": names.EVALUATE, "refusal": names.EVALUATE, "tone": TONE}
    start: Sequence[State] = ("pending", "sampled_out", "filtered", "overload", "budget")
    entries = {
        name: PlanEntry(data.draw(st.sampled_from(start)), data.draw(st.sampled_from([1.0, 0.5, 0.1, 1 / 3])), hook)
        for name, hook in evaluations.items()
    }
    store = Store(plan(**entries))
    bookings = [store.run_ended()]
    for step in range(data.draw(st.integers(0, 6))):
        hook = data.draw(st.sampled_from([names.EVALUATE, TONE]))
        covered = [name for name, its in evaluations.items() if its == hook]
        occasion = data.draw(st.sampled_from(["", "+".join(covered) + f".{step:08x}"])) if hook != TONE else ""
        if data.draw(st.integers(0, 3)) == 0:
            bookings.append(store.job_ended(hook=hook, occasion=occasion, state=JobState.DEAD))
            continue
        chosen = data.draw(st.lists(st.sampled_from(covered), unique=True))
        rows = [
            row(
                name,
                data.draw(st.floats(0, 1)),
                at=TIME + data.draw(st.integers(0, 9)),
                state=data.draw(STATES),
                label=data.draw(st.sampled_from([None, "good", "bad"])),
                fingerprint=data.draw(st.sampled_from(["f1", "f2"])),
            )
            for name in chosen
        ]
        bookings.append(store.job_ended(*rows, hook=hook, occasion=occasion))
    while bookings:
        size = data.draw(st.integers(1, len(bookings)))
        store.book(*bookings[:size])
        del bookings[:size]
        store.check()
    assert all(sum(states.values()) == 1 for states in store.states().values())
