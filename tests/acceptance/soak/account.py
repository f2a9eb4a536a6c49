"""Account: what has to be true of a soak when it is over, a line for each, with what is wrong."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from acceptance.ledger_look import Promise, stored
from acceptance.soak.books import OWN, Books, Result
from acceptance.soak.fates import fates, may_have
from acceptance.soak.inbox import Inbox
from acceptance.soak.traffic import Told

SHOWN: Final = 20
"""Things that are wrong of a line that are kept."""
_UNLUCKY: Final = frozenset({"killed", "timeout"})
"""How an attempt ends that its hook is not to blame for."""


@dataclass(frozen=True)
class Line:
    """One thing that has to be true.

    Attributes:
        found: What there was, in some words.
        wrong: What should not be; nothing if it is true.
        judged: Whether there was enough of it to tell.
    """

    name: str
    found: str
    wrong: tuple[str, ...] = ()
    judged: bool = True

    @property
    def verdict(self) -> str:
        return "BROKEN" if self.wrong else "kept" if self.judged else "not judged"

    @property
    def kept(self) -> bool:
        return not self.wrong


def line(name: str, found: str, wrong: Iterable[str] = (), *, judged: bool = True) -> Line:
    """A line, with the first of what is wrong and how much more there is."""
    every = list(wrong)
    more = [f"... and {len(every) - SHOWN} more"] if len(every) > SHOWN else []
    return Line(name, found, (*every[:SHOWN], *more), judged)


def runs_kept(books: Books, told: Told) -> Line:
    """Each run that a client was told of is stored, once (its id is the table's key), and ended as the client heard."""

    def wrong() -> Iterable[str]:
        for run_id, ends in told.runs.items():
            run = books.runs.get(run_id)
            if run is None:
                yield f"{run_id}: told as {ends}, not stored"
            elif run.status not in ends:
                yield f"{run_id}: told as {ends}, stored as {run.status}"

    statuses = Counter(run.status for run in books.runs.values())
    found = f"{len(told.runs):,} acknowledged, {len(books.runs):,} stored: {_counts(statuses)}"
    return line("acknowledged runs are stored as told", found, wrong())


def runs_ended(books: Books) -> Line:
    wrong = [f"{run_id} of {run.component}" for run_id, run in books.runs.items() if run.status == "running"]
    return line("no run is left under way", f"{len(books.runs) - len(wrong):,} have ended", wrong)


def jobs_ended(books: Books) -> Line:
    """Each job that a run has to have has one end, the one that its hook deserves; none is still queued."""

    def wrong() -> Iterable[str]:
        yield from (f"{key}: still queued" for key in books.queued)
        for run_id, run in books.runs.items():
            for (phase, hook), fate in fates(run.component, run_id, run.status).items():
                key = f"{run_id}:{phase}:{hook}"
                result = books.results.get(key)
                if result is None:
                    yield f"{key}: a run that is {run.status} has no such job"
                elif fate == "either":
                    if result.state == "dead" and result.outcome not in _UNLUCKY:
                        yield f"{key}: dead by {result.outcome}: {result.error[:200]}"
                elif result.state != fate:
                    yield f"{key}: {result.state} instead of {fate}: {result.outcome} {result.error[:200]}"

    states = Counter(result.state for result in books.results.values())
    return line("every hook job ended once, as it had to", f"{len(books.results):,} jobs: {_counts(states)}", wrong())


def no_phantoms(books: Books) -> Line:
    """No job and no effect of a hook is there without a run that wants it."""

    def wrong() -> Iterable[str]:
        for result in books.results.values():
            run = books.runs.get(result.run_id)
            if run is None:
                if result.run_id or result.kind != "notification":
                    yield f"{result.key}: its run is not stored"
            elif result.kind in OWN:
                wanted = fates(run.component, result.run_id, run.status).keys() | may_have(run.component, run.status)
                if (result.phase, result.hook) not in wanted:
                    yield f"{result.key}: no hook of a run of {run.component} that is {run.status}"
        yield from (f"{key}: {hook} ran without a job" for hook, key in books.written if key not in books.results)

    return line("no job and no effect without a run", f"{len(books.written):,} effects of hooks", wrong())


def effects_there(books: Books) -> Line:
    """A job that succeeded has left its effect: at least once."""
    own = [result for result in books.results.values() if result.kind in OWN and result.state == "succeeded"]
    wrong = (result.key for result in own if not books.written[result.hook, result.key])
    repeated = books.written.total() - len(books.written)
    return line("what succeeded has happened", f"{len(own):,} jobs, {repeated:,} effects repeated", wrong)


def dead_letters_say_why(books: Books) -> Line:
    dead = [result for result in books.results.values() if result.state == "dead"]
    wrong = [f"{result.key}: {result.outcome}, without an error" for result in dead if not result.error]
    hooks = Counter(result.hook for result in dead)
    return line("dead letters say why", f"{len(dead):,}: {_counts(hooks)}", wrong)


def ledger_adds_up(books: Books, promise: Promise, seen: Sequence[str], looks: int) -> Line:
    """At the end exactly, and at every look meanwhile: states, sums and stored results."""
    states = sum(len(plan.entries) for plan in books.look.plans.values())
    pending = [
        f"{run_id}: {name} is {entry.state}"
        for run_id, plan in books.look.plans.items()
        for name, entry in plan.entries.items()
        if entry.state == "pending"
    ]
    wrong = [*seen, *promise.broken(books.look, exactly=True), *pending]
    return line(
        "the evaluation ledger adds up", f"{states:,} states of {len(books.look.plans):,} runs; {looks} looks", wrong
    )


def evaluations_of_every_run(books: Books) -> Line:
    """What becomes of an evaluation follows from its run; and a dead one has a dead job."""

    def wrong() -> Iterable[str]:
        for run_id, plan in books.look.plans.items():
            for name, entry in plan.entries.items():
                if entry.state == "dead" and _state(books, f"{run_id}:post:{entry.hook}") != "dead":
                    yield f"{run_id}: {name} is dead, and no job of it is"
            if plan.nested or "moody" not in plan.entries:
                continue
            mood = {"0": "failed", "1": "not_applicable", "2": "abstained"}.get(run_id[-1], "scored")
            if plan.entries["moody"].state not in (mood, "filtered", "overload", "dead"):
                yield f"{run_id}: moody is {plan.entries['moody'].state} instead of {mood}"

    states: Counter[str] = Counter()
    for found in books.look.states().values():
        states.update(found)
    return line("evaluations are what their runs deserve", _counts(states), wrong())


def summary_is_recount(books: Books, answer: Mapping[str, Any]) -> Line:
    summed: dict[str, Counter[str]] = {}
    for group in answer["groups"]:
        summed.setdefault(group["evaluation"], Counter()).update(group["states"])
    counted = {name: +found for name, found in books.look.states().items()}
    wrong = [
        f"{name}: summary {dict(summed.get(name, {}))}, recount {dict(counted.get(name, {}))}"
        for name in sorted(summed.keys() | counted.keys())
        if summed.get(name) != counted.get(name)
    ]
    wrong += [f"{answer['unbooked']} bookings wait"] if answer["unbooked"] else []
    return line("GET /evaluations/summary is a recount", f"{len(summed)} evaluations", wrong)


def analytics_are_recount(books: Books, answer: Mapping[str, Any]) -> Line:
    """Runs by status, and tokens of the runs whose accounting succeeded."""
    ended = {run_id: run for run_id, run in books.runs.items() if run.status != "running"}
    accounted = [
        ended[result.run_id]
        for result in books.results.values()
        if result.kind == "analytics" and result.state == "succeeded" and result.run_id in ended
    ]
    wanted: dict[str, Any] = {
        "runs": len(ended),
        "nested_runs": sum(run.nested for run in ended.values()),
        "status": dict(Counter(run.status for run in ended.values())),
        "accounted_runs": len(accounted),
        "input": sum(run.input_tokens for run in accounted),
        "output": sum(run.output_tokens for run in accounted),
    }
    total = answer["total"]
    given = {name: total[name] for name in ("runs", "nested_runs", "status", "accounted_runs")}
    given |= {name: total["tokens"][name] for name in ("input", "output")}
    wrong = [
        f"{name}: analytics {given[name]}, recount {wanted[name]}" for name in wanted if given[name] != wanted[name]
    ]
    wrong += [f"{answer['unbooked']} bookings wait"] if answer["unbooked"] else []
    kinds = Counter(result.kind for result in books.results.values() if result.kind != "notification")
    given_jobs = {kind: jobs["jobs"] for kind, jobs in total["hooks"].items() if kind != "notification"}
    # A pre-hook's job that ends before its run is not counted: there is no plan to count it with yet.
    early = kinds.pop("pre", 0) - given_jobs.pop("pre", 0)
    if dict(kinds) != given_jobs or early < 0:
        wrong.append(f"jobs: analytics {given_jobs}, recount {dict(kinds)}, {early} of pre-hooks not counted")
    found = f"{wanted['runs']:,} runs, {wanted['accounted_runs']:,} accounted, {wanted['input'] + wanted['output']:,} tokens"
    return line("GET /analytics is a recount", found, wrong)


def budget_kept(books: Books, budget: float, billed: float, received: int) -> Line:
    """No window has more than the budget, and the judge asked for no more than was counted."""
    nano = round(budget * 1e9)
    spent = sum(books.windows.values())
    wrong = [f"{window}: {each / 1e9:.6f} of {budget:g} USD" for window, each in books.windows.items() if each > nano]
    if billed * 1e9 > spent + 1:
        wrong.append(f"the judge asks for {billed:.6f} USD, {spent / 1e9:.6f} are counted")
    found = f"{received:,} requests, billed at least {billed:.4f}, counted {spent / 1e9:.4f} USD in {len(books.windows)} hours"
    return line("the judge's budget is never exceeded", found, wrong)


def notifications_told(books: Books, inbox: Inbox) -> Line:
    """Each failure was told of, in a message of its own or as one of several; nothing that did not happen was.

    A used-up budget may be told of under the name of an earlier hour: when the clock has gone back, the latest hour's
    budget counts.
    """
    wanted: Counter[tuple[str, str]] = Counter()
    for run in books.runs.values():
        if not run.nested and run.status in ("error", "interrupted"):
            wanted["run_error", run.component] += 1
        if not run.nested and run.status == "blocked":
            wanted["guardrail_blocked", run.component] += 1
    for result in books.results.values():
        if result.state == "dead" and result.kind != "notification":
            wanted["hook_dead", result.component] += 1
    for component, count in books.failed_evaluations.items():
        wanted["evaluation_failed", component] += count
    told = inbox.told()
    windows = inbox.subjects("budget_exhausted")
    wrong = [
        f"{event} of {component or 'nobody'}: told {told[event, component]}, happened {wanted[event, component]}"
        for event, component in sorted(wanted.keys() | told.keys())
        if event != "budget_exhausted" and told[event, component] != wanted[event, component]
    ]
    refused = any(found["budget"] for found in books.look.states().values())
    if refused != bool(windows):
        wrong.append(f"budget: told of {sorted(windows)}, evaluations that met none: {refused}")
    if books.notices:
        wrong.append(f"{books.notices} notices wait")
    happened = Counter({event: 0 for event, _ in wanted})
    for (event, _), count in wanted.items():
        happened[event] += count
    found = f"{len(inbox.messages):,} messages ({inbox.repeated} came again) tell of {_counts(happened)}"
    return line("every failure is told, and nothing else", found, wrong)


def feedback_kept(books: Books, told: Told) -> Line:
    """What was taken is stored; what was cut off may be."""
    wrong = [
        f"{run_id}: taken {count} times, stored {books.feedback[run_id]}"
        for run_id, count in told.feedback.items()
        if books.feedback[run_id] < count
    ]
    cut_off = books.feedback.total() - told.feedback.total()
    if cut_off > told.cut_off:
        wrong.append(f"{cut_off} more are stored than were taken, and {told.cut_off} requests were cut off")
    return line("feedback that was taken is stored", f"{told.feedback.total():,}", wrong)


def answers_right(told: Told) -> Line:
    found = f"{told.cut_off:,} cut off, {told.left:,} left by clients, refused: {_counts(told.refused)}"
    return line("no answer that must not be", found, told.wrong)


def metrics_agree(
    books: Books,
    page: Mapping[tuple[str, str], int],
    fallen: Sequence[str],
    added: tuple[Mapping[tuple[str, str], int], Mapping[tuple[str, str], int]],
    read: str,
) -> Line:
    """Counters never fall, never show what the tables do not have, and are exact while nothing is killed.

    Args:
        page: What all pages counted.
        added: What the page and the tables gained while nothing was done to the site.
        read: How often pages were read, in words.
    """
    tables = stored(books.look)
    wrong = [f"fell: {each}" for each in fallen]
    wrong += [
        f"{name} {what}: {count} on the pages, {tables.get((name, what), 0)} in the tables"
        for (name, what), count in page.items()
        if count > tables.get((name, what), 0)
    ]
    shown, gained = added
    wrong += [
        f"{name} {what}, while it was quiet: {shown.get((name, what), 0)} more on the page, "
        f"{gained.get((name, what), 0)} in the tables"
        for name, what in sorted(shown.keys() | gained.keys())
        if shown.get((name, what), 0) != gained.get((name, what), 0)
    ]
    lost = sum(tables.values()) - sum(page.values())
    found = f"{read}; {lost:,} of {sum(tables.values()):,} evaluations not counted, as kills may have it"
    return line("metrics never fall, and agree with the tables", found, wrong)


def _state(books: Books, key: str) -> str:
    result: Result | None = books.results.get(key)
    return "" if result is None else result.state


def _counts(counts: Mapping[str, int]) -> str:
    return ", ".join(f"{count:,} {name}" for name, count in sorted(counts.items(), key=lambda each: -each[1])) or "none"
