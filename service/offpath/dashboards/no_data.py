"""What panels say when they have nothing to show: whether that is good, or what to switch on."""

from __future__ import annotations

from typing import Final

RUNS: Final = "no runs in this time"
REQUESTS: Final = "no requests in this time"
ERRORS: Final = "no errors in this time"
FAILED_HOOKS: Final = "no attempt failed in this time"
RETRIES: Final = "no attempt had to be repeated in this time"
DEAD: Final = "no job was given up in this time"
SKIPPED: Final = "no hook was skipped in this time"
HOOKS: Final = "no background hooks in this time"
WORKER: Final = "no worker is scraped: it has a /metrics page of its own where OFFPATH_WORKER_PORT is set"
MODELS: Final = "no calls to models in this time"
STREAMS: Final = "no streamed answers in this time"
TOOLS: Final = "no calls of tools in this time"
JUDGES: Final = "no calls to judges in this time: OFFPATH_EVALUATORS, OFFPATH_JUDGE_MODEL"
HOOK_CALLS: Final = "neither judges nor hooks called a model in this time"
EVALUATIONS: Final = "no evaluations in this time: OFFPATH_EVALUATORS names what runs are evaluated by"
RATES: Final = "no pass rates yet: OFFPATH_EVALUATORS names what runs are evaluated by"
COSTS: Final = "no costs in this time: OFFPATH_ANALYTICS=true accounts for runs"
BUDGET: Final = "judges have no budget: OFFPATH_JUDGE_BUDGET_USD"
FEEDBACK: Final = "nobody gave feedback in this time: POST /runs/{run_id}/feedback"
GUARDRAILS: Final = "no guardrails, or nothing was blocked in this time"
NOTIFICATIONS: Final = "no notifications in this time: OFFPATH_NOTIFY_URLS names where they go"
NOTHING_KILLED: Final = "no executor was killed in this time"
NOTHING_LOST: Final = "nothing was lost in this time"
