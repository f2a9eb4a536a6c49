"""The dashboard "Models and tools": how fast, reliable and expensive they are for users; judges and hooks apart."""

from __future__ import annotations

from typing import Final

from offpath.dashboards import no_data
from offpath.dashboards.colors import TOKEN_COLORS
from offpath.dashboards.dashboard import Dashboard, Row, Variable
from offpath.dashboards.panel import Panel, Target, Threshold, legend
from offpath.dashboards.promql import Series, per_hour, per_minute, share, some
from offpath.dashboards.shared_panels import (
    CALLS,
    COST,
    FAILURE_LIMITS,
    FIRST_CHUNK,
    NO_FAILURE,
    TOKENS,
    TOOL_DURATION,
    spend,
)
from offpath.telemetry.names import (
    AGENT_NAME,
    ERROR_TYPE,
    PROVIDER_NAME,
    PURPOSE,
    REQUEST_MODEL,
    TOKEN_TYPE,
    TOOL_NAME,
)

_CALLS: Final = CALLS.where(PURPOSE, "run").like(REQUEST_MODEL, "$model")
_FIRST: Final = FIRST_CHUNK.where(PURPOSE, "run").like(REQUEST_MODEL, "$model")
_TOKENS: Final = TOKENS.where(PURPOSE, "run").like(REQUEST_MODEL, "$model")
_COST: Final = COST.where(PURPOSE, "run").like(REQUEST_MODEL, "$model")
_UNPRICED: Final = Series.of("offpath.cost.unpriced").like(REQUEST_MODEL, "$model")
_TOOLS: Final = TOOL_DURATION.where(PURPOSE, "run").like(AGENT_NAME, "$agent")
_HOOKS_CALLS: Final = CALLS.where(PURPOSE, "hook", "judge")
_JUDGE_TOKENS: Final = Series.of("offpath.evaluation.judge.tokens")

_FAILED: Final = _CALLS.unlike(ERROR_TYPE, NO_FAILURE)
_FAILED_TOOLS: Final = _TOOLS.unlike(ERROR_TYPE, NO_FAILURE)

_NOW: Final = Row(
    "Users' calls now",
    (
        Panel(
            "Calls per minute",
            "How much are models asked? Calls for users' answers only.",
            (Target(per_minute(_CALLS.count_rate())),),
            "short",
            no_data.MODELS,
            "stat",
            3,
            4,
        ),
        Panel(
            "Calls that fail",
            "Do models answer? Share of the calls that failed after their retries; cancelled ones did not.",
            (Target(share(_FAILED.count_rate(), _CALLS.count_rate())),),
            "percentunit",
            no_data.MODELS,
            "stat",
            3,
            4,
            thresholds=FAILURE_LIMITS,
        ),
        Panel(
            "Call time, p95",
            "Are models fast? Calls with their retries, streams to their end.",
            (Target(_CALLS.quantile(0.95)),),
            "s",
            no_data.MODELS,
            "stat",
            3,
            4,
        ),
        Panel(
            "First token, p95",
            "How long does a user look at nothing? Until the first piece of a streamed answer.",
            (Target(_FIRST.quantile(0.95)),),
            "s",
            no_data.STREAMS,
            "stat",
            3,
            4,
        ),
        Panel(
            "Tokens per minute",
            "How much goes in and comes out?",
            (Target(per_minute(_TOKENS.sum_rate())),),
            "short",
            no_data.MODELS,
            "stat",
            3,
            4,
        ),
        spend(
            title="Spend per hour",
            cost=_COST,
            description="What do users' answers cost? Calls to models whose price is known.",
        ),
        Panel(
            "Unpriced calls",
            "Is the spend complete? Calls per minute to models whose price is not known, judges' included; "
            "OFFPATH_PRICES and OFFPATH_JUDGE_PRICES give prices.",
            (Target(per_minute(_UNPRICED.rate())),),
            "short",
            no_data.COSTS,
            "stat",
            3,
            4,
            thresholds=(Threshold(0.000001, "yellow"),),
        ),
        Panel(
            "Tools that fail",
            "Do tools work? Share of their calls that failed; those that were cancelled did not.",
            (Target(share(_FAILED_TOOLS.count_rate(), _TOOLS.count_rate())),),
            "percentunit",
            no_data.TOOLS,
            "stat",
            3,
            4,
            thresholds=FAILURE_LIMITS,
        ),
    ),
)

_MODELS: Final = Row(
    "Users' calls, by model",
    (
        Panel(
            "Time of a call, by model",
            "Which models are slow?",
            (
                Target(_CALLS.quantile(0.95, REQUEST_MODEL), legend(REQUEST_MODEL) + ", p95", exemplars=True),
                Target(_CALLS.quantile(0.5, REQUEST_MODEL), legend(REQUEST_MODEL) + ", p50", dashed=True),
            ),
            "s",
            no_data.MODELS,
        ),
        Panel(
            "Time to first token, by model",
            "Which models begin late?",
            (
                Target(_FIRST.quantile(0.95, REQUEST_MODEL), legend(REQUEST_MODEL) + ", p95", exemplars=True),
                Target(_FIRST.quantile(0.5, REQUEST_MODEL), legend(REQUEST_MODEL) + ", p50", dashed=True),
            ),
            "s",
            no_data.STREAMS,
        ),
        Panel(
            "Output tokens per second of a call, by model",
            "How fast do models write? All tokens that came out, over all time that calls took.",
            (
                Target(
                    f"{_TOKENS.where(TOKEN_TYPE, 'output').sum_rate(REQUEST_MODEL)} / "
                    f"({_CALLS.sum_rate(REQUEST_MODEL)} > 0)",
                    legend(REQUEST_MODEL),
                ),
            ),
            "short",
            no_data.MODELS,
        ),
        Panel(
            "Calls per minute, by model",
            "Which models are used, and from whom?",
            (
                Target(
                    per_minute(_CALLS.count_rate(PROVIDER_NAME, REQUEST_MODEL)), legend(PROVIDER_NAME, REQUEST_MODEL)
                ),
            ),
            "short",
            no_data.MODELS,
            stacked=True,
        ),
        Panel(
            "Failed calls, by model and error",
            "What goes wrong with models? Shortly before each point.",
            (
                Target(
                    some(_FAILED.grown(REQUEST_MODEL, ERROR_TYPE)),
                    legend(REQUEST_MODEL, ERROR_TYPE),
                    color="red",
                ),
            ),
            "short",
            "no call failed in this time",
            stacked=True,
            bars=True,
        ),
        Panel(
            "Tokens per minute, by model",
            "Which models read and write how much?",
            (Target(per_minute(_TOKENS.sum_rate(REQUEST_MODEL, TOKEN_TYPE)), legend(REQUEST_MODEL, TOKEN_TYPE)),),
            "short",
            no_data.MODELS,
            stacked=True,
            colors=TOKEN_COLORS,
        ),
        Panel(
            "Spend per hour, by model",
            "Which models cost how much?",
            (Target(per_hour(_COST.rate(REQUEST_MODEL)), legend(REQUEST_MODEL)),),
            "currencyUSD",
            no_data.COSTS,
            stacked=True,
        ),
        Panel(
            "Tokens of a call, by model",
            "How large are prompts and answers? Mean of one call.",
            (Target(_TOKENS.mean(REQUEST_MODEL, TOKEN_TYPE), legend(REQUEST_MODEL, TOKEN_TYPE)),),
            "short",
            no_data.MODELS,
            colors=TOKEN_COLORS,
        ),
        Panel(
            "Calls without a price, by model",
            "Which models' prices are not known? Calls shortly before each point; OFFPATH_PRICES and "
            "OFFPATH_JUDGE_PRICES give prices.",
            (Target(some(_UNPRICED.grown(REQUEST_MODEL)), legend(REQUEST_MODEL), color="orange"),),
            "short",
            no_data.UNPRICED,
            stacked=True,
            bars=True,
        ),
    ),
)

_TOOL_ROW: Final = Row(
    "Tools",
    (
        Panel(
            "Calls of tools per minute",
            "Which tools are used? `_OTHER` is what models ask for and does not exist.",
            (Target(per_minute(_TOOLS.count_rate(TOOL_NAME)), legend(TOOL_NAME)),),
            "short",
            no_data.TOOLS,
            stacked=True,
        ),
        Panel(
            "Time of a tool, by tool",
            "Which tools are slow?",
            (
                Target(_TOOLS.quantile(0.95, TOOL_NAME), legend(TOOL_NAME) + ", p95", exemplars=True),
                Target(_TOOLS.quantile(0.5, TOOL_NAME), legend(TOOL_NAME) + ", p50", dashed=True),
            ),
            "s",
            no_data.TOOLS,
        ),
        Panel(
            "Failed calls of tools, by tool and error",
            "Which tools fail, and how? Shortly before each point.",
            (Target(some(_FAILED_TOOLS.grown(TOOL_NAME, ERROR_TYPE)), legend(TOOL_NAME, ERROR_TYPE), color="red"),),
            "short",
            "no tool failed in this time",
            stacked=True,
            bars=True,
        ),
    ),
)

_OTHERS: Final = Row(
    "Judges and hooks, which nobody waits for",
    (
        Panel(
            "Judges' tokens per minute, by model",
            "How much do judges read and write? The dashboard Evaluations says for which evaluators.",
            (Target(per_minute(_JUDGE_TOKENS.rate(REQUEST_MODEL, TOKEN_TYPE)), legend(REQUEST_MODEL, TOKEN_TYPE)),),
            "short",
            no_data.JUDGES,
            width=6,
            stacked=True,
            colors=TOKEN_COLORS,
        ),
        Panel(
            "Judges' spend per hour, by model",
            "Which judge costs how much? The offline stand-in costs nothing.",
            (Target(per_hour(COST.where(PURPOSE, "judge").rate(REQUEST_MODEL)), legend(REQUEST_MODEL)),),
            "currencyUSD",
            no_data.JUDGES,
            width=6,
            stacked=True,
        ),
        Panel(
            "Their calls per minute, by model",
            "How much do they ask models? Judges, and hooks that ask through a model of offpath.",
            (Target(per_minute(_HOOKS_CALLS.count_rate(PURPOSE, REQUEST_MODEL)), legend(PURPOSE, REQUEST_MODEL)),),
            "short",
            no_data.HOOK_CALLS,
            width=6,
            stacked=True,
        ),
        Panel(
            "Time of their calls, p95, by model",
            "Are models fast for them? Nobody's answer waits for these calls.",
            (Target(_HOOKS_CALLS.quantile(0.95, PURPOSE, REQUEST_MODEL), legend(PURPOSE, REQUEST_MODEL), True),),
            "s",
            no_data.HOOK_CALLS,
            width=6,
        ),
    ),
)

MODELS: Final = Dashboard(
    "offpath-models",
    "offpath / Models and tools",
    "How fast, reliable and expensive are models and tools for users? Judges and hooks are apart.",
    (_NOW, _MODELS, _TOOL_ROW, _OTHERS),
    (
        Variable.of("model", "Model", CALLS.where(PURPOSE, "run").selector("_count"), REQUEST_MODEL),
        Variable.of("agent", "Agent", TOOL_DURATION.selector("_count"), AGENT_NAME),
    ),
)
