"""What the command line prints: services, hook jobs, backlogs."""

from __future__ import annotations

import time
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Final

from rich import box
from rich.console import Console, Group, RenderableType
from rich.table import Table
from rich.text import Text

from offpath.agents.model_choice import describe_model
from offpath.console import plain
from offpath.hooks.bound import BoundHook
from offpath.runs.job import JobInfo, JobState
from offpath.settings import Settings, SourceKind
from offpath.settings.option import without_password

if TYPE_CHECKING:
    from offpath.app import AgentService
    from offpath.engine.pause import HookPause
    from offpath.engine.protocol import QueueStats

_STYLES: Final = {"dead": "red", "running": "cyan", "scheduled": "yellow", "succeeded": "green"}


def print_report(service: AgentService, settings: Settings, console: Console) -> None:
    """Print what a service serves, where each of its hooks runs, and the settings in force."""
    console.print(
        Group(
            _summary(service, settings),
            _components_table(service),
            _hooks_table([hook for hook in service.registry.hooks.values() if hook.options.kind is None], settings),
            _builtins_table(service, settings),
            _settings_table(settings),
        )
    )
    for warning in settings.warnings():
        console.print(plain(f"Warning: {warning}", "yellow"))


def print_start(service: AgentService, settings: Settings, url: str, console: Console) -> None:
    """Print, in a few lines, what has been switched on, where it runs, and where to look."""
    table = Table.grid(padding=(0, 2))
    for what, lines in start_lines(service, settings, url):
        for place, line in enumerate(lines):
            table.add_row(Text("" if place else what, style="bold"), plain(line))
    console.print(table)


def start_lines(service: AgentService, settings: Settings, url: str) -> list[tuple[str, list[str]]]:
    """What `print_start` prints: a word and its lines."""
    own = [hook for hook in service.registry.hooks.values() if hook.options.kind is None]
    places: dict[str, list[str]] = {}
    for hook in own:
        named = places.setdefault(where(hook, settings), [])
        if hook.name not in named:
            named.append(hook.name)
    builtins = service.builtins
    lines = [
        (service.name, [url]),
        ("Hooks", [f"{place}: {', '.join(named)}" for place, named in places.items()] or ["none of your own"]),
        ("Evaluators", [each.summary() for each in builtins.evaluators] or ["none; OFFPATH_EVALUATORS=pii,refusal"]),
    ]
    if any(each.judged for each in builtins.evaluators):
        lines.append(("Judge", [_judge(settings)]))
    lines.append(("Analytics", ["on: GET /analytics" if builtins.analytics else "off; OFFPATH_ANALYTICS=true"]))
    told = builtins.notification
    lines.append(("Notifications", ["off; OFFPATH_NOTIFY_URLS"] if told is None else told.describe()))
    look = [f"{url}/docs", f"{url}/metrics"]
    if builtins.evaluators:
        look += [f"{url}/runs/RUN_ID/evaluations", f"{url}/evaluations/summary"]
    lines.append(("Look at", ["  ".join(look)]))
    return lines


def _judge(settings: Settings) -> str:
    at = "" if settings.judge_base_url is None else f" at {without_password(settings.judge_base_url)}"
    budget = settings.judge_budget_usd
    limit = "no budget" if budget is None else f"at most {budget:g} USD a {settings.judge_budget_window}"
    return f"{settings.judge_model or 'as each evaluator says'}{at}, {limit}"


def where(hook: BoundHook, settings: Settings) -> str:
    """The place where a hook of an importable service runs."""
    if not hook.background:
        return "foreground"
    return {
        "process": "executor",
        "external": "executor (offpath worker)",
        "thread": "service thread",
        "inline": "service, before the answer",
    }[settings.worker]


def jobs_table(jobs: Sequence[JobInfo]) -> RenderableType:
    """Jobs, one a line, with the last errors."""
    if not jobs:
        return Text("No jobs.")
    table = _table("State", "Hook", "Attempts", "Queued", "Took", "Key", "Error")
    for job in jobs:
        state = Text(job.state.value, style=_STYLES.get(job.state.value, ""))
        if job.state is JobState.SCHEDULED and job.due_at is not None:
            state.append(f"\nin {_seconds(max(0.0, job.due_at - time.time()))}")
        table.add_row(
            state,
            plain(f"{job.hook}\n{job.component_kind} {job.component_id}"),
            str(job.attempts),
            _local_time(job.queued_at),
            "" if job.duration is None else _seconds(job.duration),
            plain(job.key),
            plain(job.error or ""),
        )
    return table


def stats_table(stats: Sequence[QueueStats], pauses: Sequence[HookPause]) -> RenderableType:
    """The backlog of each hook, and what keeps hooks from running."""
    held = {pause.hook_id: pause for pause in pauses}
    if not stats and not held:
        return Text("No jobs are waiting, and none is dead.")
    table = _table("Hook id", "Ready", "Scheduled", "Running", "Dead", "Oldest", "State")
    for entry in stats:
        table.add_row(
            plain(entry.hook_id),
            *(str(count) for count in (entry.ready, entry.scheduled, entry.running)),
            Text(str(entry.dead), style="red" if entry.dead else ""),
            _seconds(entry.oldest_age) if entry.oldest_age else "",
            _held(held.pop(entry.hook_id, None)),
        )
    for hook_id, pause in held.items():
        table.add_row(plain(hook_id), "0", "0", "0", "0", "", _held(pause))
    return table


def _held(pause: HookPause | None) -> Text:
    if pause is None:
        return Text("")
    if pause.paused_at is not None:
        text = plain(f"paused since {_local_time(pause.paused_at)}: {pause.reason or 'no reason given'}", "red")
        return text.append("\noffpath hooks resume lets it run again")
    return plain(f"has an executor of its own: {pause.reason or 'it had to be killed'}", "yellow")


def _builtins_table(service: AgentService, settings: Settings) -> Table:
    table = Table.grid(padding=(0, 2))
    options = {each.summary(): each.describe()["options"] for each in service.builtins.evaluators}
    for what, lines in start_lines(service, settings, ""):
        if what in ("Evaluators", "Judge", "Analytics", "Notifications"):
            for place, line in enumerate(lines):
                table.add_row("" if place else what, plain(line))
                for name, value in options.get(line, {}).items():
                    table.add_row("", plain(f"  {name} = {value}", "dim"))
    return table


def _summary(service: AgentService, settings: Settings) -> Table:
    table = Table.grid(padding=(0, 2))
    table.add_row("Service", plain(service.name, "bold"))
    table.add_row("Database", plain(repr(service.db)))
    table.add_row("Access", _access(settings))
    table.add_row("Model", _model(settings))
    return table


def _access(settings: Settings) -> str:
    if settings.api_key is None and settings.api_keys_file is None:
        return "no key is needed; only loopback addresses are served"
    return "a key is needed"


def _model(settings: Settings) -> str:
    return "the offline stand-in (OFFPATH_OFFLINE): canned answers" if settings.offline else "as each agent says"


def _components_table(service: AgentService) -> Table:
    served = {
        id(component) for group in (service.agents, service.teams, service.workflows) for component in group.values()
    }
    table = _table("Kind", "Id", "Name", "Model", "Served at", title="Agents, teams and workflows")
    for component in service.registry:
        table.add_row(
            component.kind,
            plain(component.id),
            plain(component.name),
            plain(_model_name(component)),
            plain(f"/{component.kind}s/{component.id}/runs" if id(component) in served else "as a part of others only"),
        )
    return table


def _model_name(component: Any) -> str:
    model = getattr(component, "model", None)
    if model is None:
        return ""
    described = describe_model(model)
    return f"{described['provider']}: {described['model']}"


def _hooks_table(hooks: Iterable[BoundHook], settings: Settings) -> RenderableType:
    rows = list(hooks)
    if not rows:
        return Text("No hooks.\n")
    table = _table("Hook", "Of", "Phase", "Runs in", "Timeout", "Retries", "Limits", "After", title="Hooks")
    for hook in rows:
        options = hook.options
        timeout = options.timeout if options.timeout is not None or not hook.background else settings.hook_timeout
        retries = settings.hook_retries if options.retries is None else options.retries
        limits = [f"{options.concurrency} at a time"] if options.concurrency else []
        if options.rate:
            limits.append(f"{options.rate.count} in {_seconds(options.rate.seconds)}")
        table.add_row(
            plain(hook.name),
            plain(f"{hook.component_kind} {hook.component_id}"),
            hook.phase,
            Text(where(hook, settings), style="" if hook.background else "yellow"),
            "none" if timeout is None else _seconds(timeout),
            str(retries) if hook.background else "",
            ", ".join(limits),
            ", ".join(options.run_on) if hook.background and hook.phase == "post" else "",
        )
    return table


def _settings_table(settings: Settings) -> Table:
    table = _table("Setting", "Value", "From", title="Settings in force")
    shown, sources, options = settings.shown(), settings.sources(), settings.options()
    for name, option in options.items():
        source = sources[name]
        style = "dim" if source.kind is SourceKind.DEFAULT else ""
        table.add_row(Text(option.variable, style=style), plain(shown[name], style), plain(source, style))
    return table


def _table(*columns: str, title: str | None = None) -> Table:
    table = Table(title=title, title_justify="left", title_style="bold", box=box.SIMPLE_HEAD, pad_edge=False)
    for column in columns:
        table.add_column(column, overflow="fold")
    return table


def _local_time(seconds: float) -> str:
    return datetime.fromtimestamp(seconds, UTC).astimezone().strftime("%Y-%m-%d %H:%M:%S")


def _seconds(seconds: float) -> str:
    """A duration as people read it: 40 ms, 2.5 s, 5 min, 3 h, 2 d."""
    if seconds < 1:
        return f"{seconds * 1000:.0f} ms"
    for limit, size, unit in ((120.0, 1.0, "s"), (7200.0, 60.0, "min"), (172_800.0, 3600.0, "h")):
        if seconds < limit:
            return f"{seconds / size:.3g} {unit}"
    return f"{seconds / 86_400:.3g} d"
