"""`offpath demo`: the demo agents over the offline model."""

from __future__ import annotations

import os
import socket
from collections.abc import Sequence
from contextlib import nullcontext
from importlib import import_module
from typing import TYPE_CHECKING, Final

from rich.console import Console
from rich.rule import Rule
from rich.text import Text

from offpath.console import output, plain
from offpath.demo_traffic import MODEL_RULES, traffic_process
from offpath.demo_words import QUIET_VARIABLE
from offpath.errors import ConfigurationError
from offpath.offline import OfflineOptions, OfflineOptionsError, OfflineProcessError, offline_model_process
from offpath.report import start_lines
from offpath.serve import in_url, serve
from offpath.settings import Settings, SourceKind
from offpath.startup import check_port

if TYPE_CHECKING:
    from offpath.app import AgentService

MODULE: Final = "offpath.demo"
TARGET: Final = f"{MODULE}:app"
JUDGE: Final = "gpt-4o-mini"
"""Asked for at the offline stand-in, which answers for every model."""
EVALUATORS: Final = "pii,refusal,groundedness"
TRAFFIC_EVALUATORS: Final = f"{EVALUATORS},prompt_injection,tool_error_rate,answer_relevance"
"""With traffic: evaluators of inputs, of outputs and of tools, and a judge that is asked about each run."""
TRAFFIC_PRICES: Final = '{"offline:gpt-4o-mini": [0.15, 0.6]}'
"""Made up, so that there is something to see where costs are shown; nobody pays them."""
DATABASE: Final = "offpath-demo.db"
MESSAGE: Final = "What does search_docs say about background hooks?"
"""The offline model calls a tool when a message names it."""


def serve_demo(settings: Settings, *, latency: float, traffic: float | None = None) -> None:
    """Serve the demo until it is stopped.

    The offline model is a process of its own that ends with this one. The environment of this process is changed to
    lead there: the server's other processes inherit it.

    Args:
        settings: Host, port and the rest; the database is `offpath-demo.db` in the working directory unless a setting
            names another.
        latency: Seconds that the offline model takes to answer.
        traffic: Visits a second that a process of its own sends; None for none.

    Raises:
        ConfigurationError: The port is taken, or the latency or the traffic is impossible.
    """
    host, port = settings.host, settings.port or _free_port(settings.host)
    check_port(host, port, otherwise=f"offpath demo --port {port + 1 if port < 65_535 else 8000}")
    database = settings.shown()["database_url"]
    if settings.sources()["database_url"].kind is SourceKind.DEFAULT:
        database = os.environ["OFFPATH_DATABASE_URL"] = f"sqlite:///{DATABASE}"
    try:
        with offline_model_process(OfflineOptions(latency=latency)) as model:
            os.environ["OPENAI_BASE_URL"] = model.base_url
            os.environ["OPENAI_API_KEY"] = "offline"
            # The model runs already; the service would start one of its own.
            os.environ["OFFPATH_OFFLINE"] = "false"
            _switch_on(settings, model.base_url)
            url = f"http://{in_url(host)}:{port}"
            if traffic is not None:
                model.script(rules=MODEL_RULES)
                _switch_on_for_traffic(settings)
            service: AgentService = import_module(MODULE).service
            on = start_lines(service, service.settings, url)
            print_banner(output(), url, latency, database, on, traffic=traffic)
            # With what has been switched on.
            settings = Settings.load(host=host, port=port)
            with nullcontext() if traffic is None else traffic_process(url, traffic, settings):
                serve(TARGET, settings, host=host, port=port)
    except OfflineOptionsError as error:
        raise ConfigurationError(f"--latency={latency:g}: {error}") from error
    except OfflineProcessError as error:
        raise ConfigurationError(f"{error}; run `python -m offpath.offline` to see why") from error


def _switch_on(settings: Settings, judge: str) -> None:
    """Switch the built-in hooks on that no setting speaks of; the stand-in is their judge, unless there is another."""
    if settings.judge_model is None:
        os.environ["OFFPATH_JUDGE_MODEL"] = JUDGE
        os.environ["OFFPATH_JUDGE_BASE_URL"] = judge
        os.environ["OFFPATH_JUDGE_API_KEY"] = "offline"
    _set_default(settings, evaluators=EVALUATORS, analytics="true")


def _switch_on_for_traffic(settings: Settings) -> None:
    """More to see, fewer lines about failures that are made, and a database that does not grow for ever."""
    os.environ[QUIET_VARIABLE] = "1"
    _set_default(settings, evaluators=TRAFFIC_EVALUATORS, prices=TRAFFIC_PRICES, retention_days="1", log_level="error")


def _set_default(settings: Settings, **values: str) -> None:
    """Set what no setting speaks of."""
    sources = settings.sources()
    for name, value in values.items():
        if sources[name].kind is SourceKind.DEFAULT:
            os.environ[Settings.options()[name].variable] = value


def print_banner(
    console: Console,
    url: str,
    latency: float,
    database: str,
    on: Sequence[tuple[str, list[str]]] = (),
    *,
    traffic: float | None = None,
) -> None:
    """Print what to try. Its commands can be copied: no frame, and no space after the backslashes.

    Args:
        on: What is switched on, as `report.start_lines` gives it.
        traffic: Visits a second that are sent.
    """
    width = min(console.width, 100)
    commands = {
        "Ask an agent; its answer does not wait for its hooks, which print below within 3 seconds:": (
            f"curl {url}/agents/assistant/runs \\\n  -F message='{MESSAGE}' \\\n  -F stream=false"
        ),
        "See how its hooks went, with the run_id of the answer, and what evaluators say of it:": (
            f"curl {url}/runs/RUN_ID/hooks\ncurl {url}/runs/RUN_ID/evaluations"
        ),
        "What all runs came to:": f"curl {url}/evaluations/summary\ncurl {url}/analytics",
    }
    text = Text.assemble(
        ("\nAnswers come from the offline stand-in, not from a model", "bold yellow"),
        f": canned text, {latency:g} s after the question.\nNo key is used, and nothing leaves this machine.\n",
        f"\nService        {url}\nDocumentation  {url}/docs\nDatabase       ",
        plain(f"{database}\n"),
    )
    for what, lines in on:
        if what in ("Evaluators", "Judge", "Notifications"):
            for place, line in enumerate(lines):
                text.append(plain(f"{'' if place else what:<15}{line}\n"))
    if traffic is not None:
        text.append(
            f"{'Traffic':<15}{traffic:g} visits a second, of all kinds; some are made to fail. Costs are made up.\n"
            f"{'Metrics':<15}{url}/metrics\n"
        )
    for what, command in commands.items():
        text.append(f"\n{what}\n\n").append(f"{command}\n", "cyan")
    text.append("\nCtrl+C ends the demo.\n", "dim")
    console.print(Rule("[bold]offpath demo[/]", align="left"), width=width)
    console.print(text, soft_wrap=True)
    console.print(Rule(), width=width)


def _free_port(host: str) -> int:
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with socket.socket(family) as probe:
        probe.bind((host, 0))
        return int(probe.getsockname()[1])
