"""Every span, metric, attribute and bucket that offpath emits, once: code records by these, and
`docs/reference/telemetry.md` is made from them.

Names marked as standard are OpenTelemetry's own (semantic conventions for GenAI, HTTP and messaging); the others begin
with `offpath.`. Standard metrics keep their standard labels, with `offpath.purpose` in addition.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, Literal

InstrumentKind = Literal["counter", "updown", "histogram", "gauge"]
Purpose = Literal["run", "judge", "hook"]
Feature = Literal["service", "evaluation", "notification", "cost"]

SCOPE: Final = "offpath"
"""Name of the tracer, meter and logger."""
OTHER: Final = "_OTHER"
"""What a label says instead of a value that is not from a known, closed set."""
LATER: Final[frozenset[Feature]] = frozenset()
"""Features that are not part of this version: their names are settled and documented, and nothing records them yet."""


@dataclass(frozen=True, slots=True)
class Attribute:
    """A key of a span's attribute or of a metric's label."""

    key: str
    description: str
    standard: bool = False
    values: tuple[str, ...] = ()
    """The closed set of its values; empty if it is open."""

    @property
    def parameter(self) -> str:
        """How recording code calls it: `gen_ai.agent.name` is `agent_name`, `offpath.hook` is `hook`."""
        return self.key.removeprefix("gen_ai.").removeprefix("offpath.").replace(".", "_")


@dataclass(frozen=True, slots=True)
class Metric:
    """One instrument."""

    name: str
    kind: InstrumentKind
    unit: str
    description: str
    labels: tuple[Attribute, ...] = ()
    buckets: tuple[float, ...] = ()
    """Upper bounds of a histogram; the last bucket, to infinity, is not listed."""
    standard: bool = False
    feature: Feature = "service"

    @property
    def parameter(self) -> str:
        """Its name as an attribute of `Instruments`: `offpath.hook.duration` is `hook_duration`."""
        return self.name.removeprefix("offpath.").replace(".", "_")


@dataclass(frozen=True, slots=True)
class SpanDefinition:
    """One kind of span."""

    name: str
    """Its name; what is in braces is filled in."""
    kind: Literal["SERVER", "CLIENT", "INTERNAL", "PRODUCER", "CONSUMER"]
    description: str
    attributes: tuple[Attribute, ...]
    standard: bool = False
    feature: Feature = "service"


@dataclass(frozen=True, slots=True)
class EventDefinition:
    """One kind of log event."""

    name: str
    description: str
    attributes: tuple[Attribute, ...]
    standard: bool = False
    feature: Feature = "service"


def _doubling(first: float, last: float, factor: float = 2.0) -> tuple[float, ...]:
    """Bounds from `first` to `last`, each `factor` times the one before; always floats."""
    bounds = [float(first)]
    while bounds[-1] < last * 0.999:
        bounds.append(float(f"{bounds[-1] * factor:.12g}"))
    return tuple(bounds)


# -- buckets ----------------------------------------------------------------------------------------------------------

CLIENT_SECONDS: Final = _doubling(0.01, 81.92)
TOKENS: Final = _doubling(1, 67_108_864, 4)
AGENT_SECONDS: Final = _doubling(0.1, 409.6)
WORKFLOW_SECONDS: Final = (1.0, 5.0, 10.0, 30.0, 60.0, 120.0, 300.0, 600.0, 1800.0, 3600.0, 7200.0)
HTTP_SECONDS: Final = (0.005, 0.01, 0.025, 0.05, *AGENT_SECONDS)
"""OpenTelemetry's own end at 10 s, where an agent's answer may only begin."""
OVERHEAD_SECONDS: Final = (*_doubling(5e-5, 0.0256), 0.05)
COMMIT_SECONDS: Final = (*_doubling(5e-5, 0.8192), 1.6)
HOOK_SECONDS: Final = _doubling(0.01, 655.36)
DELAY_SECONDS: Final = (*_doubling(0.001, 1.024, 4), 4.096, 16.384, 65.536, 262.144, 1048.576, 4096.0)
SCORE: Final = tuple(step / 10 for step in range(11))

# -- standard attributes ----------------------------------------------------------------------------------------------

OPERATION_NAME: Final = Attribute(
    "gen_ai.operation.name",
    "What is done.",
    True,
    ("chat", "invoke_agent", "invoke_workflow", "execute_tool"),
)
PROVIDER_NAME: Final = Attribute("gen_ai.provider.name", "Who answers, as the model was configured: `openai`.", True)
REQUEST_MODEL: Final = Attribute("gen_ai.request.model", "The model that is asked for, as it was configured.", True)
REQUEST_STREAM: Final = Attribute("gen_ai.request.stream", "Whether the answer is asked for in pieces.", True)
RESPONSE_ID: Final = Attribute("gen_ai.response.id", "The endpoint's id of the answer.", True)
RESPONSE_MODEL: Final = Attribute("gen_ai.response.model", "The model that answered, as its endpoint says.", True)
RESPONSE_FINISH_REASONS: Final = Attribute("gen_ai.response.finish_reasons", "Why the model stopped.", True)
RESPONSE_FIRST_CHUNK: Final = Attribute(
    "gen_ai.response.time_to_first_chunk", "Seconds until the first piece of a streamed answer.", True
)
USAGE_INPUT: Final = Attribute("gen_ai.usage.input_tokens", "Tokens that went in, cached ones included.", True)
USAGE_OUTPUT: Final = Attribute("gen_ai.usage.output_tokens", "Tokens that came out, reasoning included.", True)
USAGE_CACHED: Final = Attribute(
    "gen_ai.usage.cache_read.input_tokens",
    "Those of the tokens that went in that came from the endpoint's cache.",
    True,
)
USAGE_REASONING: Final = Attribute(
    "gen_ai.usage.reasoning.output_tokens", "Those of the tokens that came out that were reasoning.", True
)
TOKEN_TYPE: Final = Attribute("gen_ai.token.type", "Which tokens are counted.", True, ("input", "output"))
CONVERSATION_ID: Final = Attribute("gen_ai.conversation.id", "The session's id.", True)
AGENT_ID: Final = Attribute("gen_ai.agent.id", "The agent's or team's id in the service.", True)
AGENT_NAME: Final = Attribute("gen_ai.agent.name", "The name of the agent, team or workflow.", True)
AGENT_DESCRIPTION: Final = Attribute("gen_ai.agent.description", "What the agent is for, if it says so.", True)
WORKFLOW_NAME: Final = Attribute("gen_ai.workflow.name", "The workflow's name.", True)
TOOL_NAME: Final = Attribute(
    "gen_ai.tool.name", f"The tool's name; `{OTHER}` if the model asked for a tool that there is not.", True
)
TOOL_TYPE: Final = Attribute("gen_ai.tool.type", "What kind of tool it is.", True, ("function",))
TOOL_CALL_ID: Final = Attribute("gen_ai.tool.call.id", "The model's id of the call.", True)
TOOL_ARGUMENTS: Final = Attribute(
    "gen_ai.tool.call.arguments", "The arguments as JSON; only where content is captured.", True
)
TOOL_RESULT: Final = Attribute("gen_ai.tool.call.result", "The tool's result; only where content is captured.", True)
INPUT_MESSAGES: Final = Attribute(
    "gen_ai.input.messages", "The messages sent, as JSON; only where content is captured.", True
)
OUTPUT_MESSAGES: Final = Attribute(
    "gen_ai.output.messages", "The answer, as JSON; only where content is captured.", True
)
SYSTEM_INSTRUCTIONS: Final = Attribute(
    "gen_ai.system_instructions", "The system message, as JSON; only where content is captured.", True
)
SERVER_ADDRESS: Final = Attribute(
    "server.address", "Host of the model's endpoint; of a request, the address that it came in at.", True
)
SERVER_PORT: Final = Attribute("server.port", "Port of the same.", True)
ERROR_TYPE: Final = Attribute("error.type", "The error's class name; absent when all went well.", True)
MESSAGING_SYSTEM: Final = Attribute("messaging.system", "Whose queue it is.", True, ("offpath",))
MESSAGING_OPERATION: Final = Attribute("messaging.operation.name", "What is done.", True, ("send", "process"))
MESSAGING_OPERATION_TYPE: Final = Attribute("messaging.operation.type", "The same.", True, ("send", "process"))
MESSAGING_DESTINATION: Final = Attribute("messaging.destination.name", "The queue.", True, ("hooks",))
MESSAGING_COUNT: Final = Attribute("messaging.batch.message_count", "How many jobs are handed over.", True)
EVALUATION_NAME: Final = Attribute("gen_ai.evaluation.name", "The evaluator's name.", True)
SCORE_VALUE: Final = Attribute("gen_ai.evaluation.score.value", "The score.", True)
SCORE_LABEL: Final = Attribute(
    "gen_ai.evaluation.score.label", "The score in a word: one of the evaluator's declared labels, else `other`.", True
)
EXPLANATION: Final = Attribute("gen_ai.evaluation.explanation", "Why, in words.", True)
HTTP_METHOD: Final = Attribute("http.request.method", "The request's method.", True)
HTTP_ROUTE: Final = Attribute("http.route", "The route's template, never the path itself.", True)
HTTP_STATUS: Final = Attribute("http.response.status_code", "The status of the answer.", True)
URL_SCHEME: Final = Attribute("url.scheme", "`http` or `https`.", True)
PROTOCOL_VERSION: Final = Attribute("network.protocol.version", "The version of HTTP.", True)
HTTP_METHOD_ORIGINAL: Final = Attribute("http.request.method_original", "The method, if it is not a known one.", True)
URL_PATH: Final = Attribute("url.path", "The request's path; never a label.", True)
URL_QUERY: Final = Attribute("url.query", "The request's query, signatures and keys in it masked; never a label.", True)
CLIENT_ADDRESS: Final = Attribute("client.address", "Where the request came from; never a label.", True)
CLIENT_PORT: Final = Attribute("client.port", "The port it came from.", True)
USER_AGENT: Final = Attribute("user_agent.original", "The User-Agent header; never a label.", True)
USER_AGENT_SYNTHETIC: Final = Attribute(
    "user_agent.synthetic.type",
    "What the caller is, if its User-Agent says that nobody sits there.",
    True,
    ("bot", "test"),
)

# -- our own attributes -----------------------------------------------------------------------------------------------

PURPOSE: Final = Attribute(
    "offpath.purpose",
    "What a call is for: the answer to a caller, a judge's verdict, or something else that a hook does. Panels about "
    "users' traffic filter on `run`.",
    values=("run", "judge", "hook"),
)
RUN_ID: Final = Attribute("offpath.run.id", "The run's id, on spans and log lines; never a label.")
PARENT_RUN_ID: Final = Attribute("offpath.run.parent_id", "The id of the run that started this one.")
RUN_KIND: Final = Attribute("offpath.run.kind", "What runs.", values=("agent", "team", "workflow"))
RUN_NESTED: Final = Attribute("offpath.run.nested", "Whether another run started it.", values=("true", "false"))
RUN_STREAMED: Final = Attribute(
    "offpath.run.streamed", "Whether the caller was sent the answer in pieces.", values=("true", "false")
)
RUN_STATUS: Final = Attribute(
    "offpath.run.status",
    "How the run ended.",
    values=("completed", "error", "cancelled", "interrupted", "blocked"),
)
TEAM_NAME: Final = Attribute("offpath.team.name", "The team's name, on a team's run.")
STAGE: Final = Attribute(
    "offpath.stage", "What hooks cost the response path time for.", values=("plan", "encode", "commit")
)
STORE: Final = Attribute("offpath.store", "Where runs are kept.", values=("sqlite", "postgres"))
GUARDRAIL: Final = Attribute("offpath.guardrail", "The guardrail's name.")
HOOK: Final = Attribute("offpath.hook", "The hook's id in its service: `agent:support:post:notify`.")
HOOK_KIND: Final = Attribute(
    "offpath.hook.kind",
    "What kind of hook it is.",
    values=("pre", "post", "evaluation", "analytics", "notification"),
)
HOOK_BACKGROUND: Final = Attribute(
    "offpath.hook.background", "Whether the hook runs after the answer, in the worker.", values=("true", "false")
)
JOB_KEY: Final = Attribute("offpath.job.key", "The key of the hook's job; the same for every attempt.")
ATTEMPT: Final = Attribute("offpath.job.attempt", "The attempt's number, from 1.")
OUTCOME: Final = Attribute(
    "offpath.outcome", "How the attempt ended.", values=("success", "error", "timeout", "cancelled", "killed")
)
SKIP_REASON: Final = Attribute(
    "offpath.reason",
    "Why the hook did not run: it does not want runs that ended like this, the run was deleted, or too many jobs "
    "waited.",
    values=("run_status", "run_deleted", "overload"),
)
DEAD_REASON: Final = Attribute(
    "offpath.reason",
    "How the last attempt ended, or that no code has the hook any more.",
    values=("error", "timeout", "killed", "unknown_hook"),
)
STATE: Final = Attribute("offpath.state", "How the jobs stand.", values=("ready", "scheduled", "running", "dead"))
KILL_REASON: Final = Attribute(
    "offpath.reason", "Why the executor was killed.", values=("timeout", "memory", "stuck", "died", "other")
)
SIGNAL: Final = Attribute("offpath.signal", "What was lost.", values=("traces", "metrics", "logs", "snapshots"))
SUBJECT: Final = Attribute("offpath.subject", "What was assessed.", values=("input", "output", "tools"))
PASSED: Final = Attribute(
    "offpath.evaluation.passed",
    "Whether the score passes; absent where there is no threshold.",
    values=("true", "false"),
)
EVALUATION_SKIP: Final = Attribute(
    "offpath.reason",
    "Why there is no score.",
    values=("sampled_out", "filtered", "budget", "overload", "not_applicable", "abstained"),
)
RATE_BOUND: Final = Attribute(
    "offpath.bound", "Which figure of the estimate.", values=("estimate", "low", "high", "coverage")
)
EVALUATOR_VERSION: Final = Attribute("offpath.evaluator.version", "The evaluator's version.")
JUDGE_MODEL: Final = Attribute("offpath.judge.model", "The model that the evaluator asks, if any.")
SAMPLE_RATE: Final = Attribute("offpath.sample.rate", "The share of runs that the evaluator looks at.")
FEEDBACK_LABEL: Final = Attribute("offpath.feedback.label", "What the user said.", values=("positive", "negative"))
WINDOW: Final = Attribute("offpath.budget.window", "The time that the budget is for.", values=("hour", "day", "month"))
CHANNEL: Final = Attribute("offpath.channel", "Where the notification goes.")

# -- metrics ----------------------------------------------------------------------------------------------------------

_CLIENT: Final = (OPERATION_NAME, PROVIDER_NAME, REQUEST_MODEL, SERVER_ADDRESS, SERVER_PORT)

CLIENT_DURATION_NAME: Final = "gen_ai.client.operation.duration"
CLIENT_TOKENS_NAME: Final = "gen_ai.client.token.usage"
CLIENT_FIRST_CHUNK_NAME: Final = "gen_ai.client.operation.time_to_first_chunk"
"""Drafts of the conventions call these three `gen_ai.client.inference.*`: this is the one place to change."""

METRICS: Final[tuple[Metric, ...]] = (
    Metric(
        "http.server.request.duration",
        "histogram",
        "s",
        "Time from a request to the end of its answer. Background hooks are no part of it.",
        (HTTP_METHOD, HTTP_ROUTE, HTTP_STATUS, URL_SCHEME, PROTOCOL_VERSION, ERROR_TYPE),
        HTTP_SECONDS,
        standard=True,
    ),
    Metric(
        "http.server.active_requests",
        "updown",
        "{request}",
        "Requests that are being answered.",
        (HTTP_METHOD, URL_SCHEME),
        standard=True,
    ),
    Metric(
        CLIENT_DURATION_NAME,
        "histogram",
        "s",
        "Time of one call to a model, retries included.",
        (*_CLIENT, PURPOSE, ERROR_TYPE),
        CLIENT_SECONDS,
        standard=True,
    ),
    Metric(
        CLIENT_TOKENS_NAME,
        "histogram",
        "{token}",
        "Tokens of one call to a model.",
        (*_CLIENT, TOKEN_TYPE, PURPOSE),
        TOKENS,
        standard=True,
    ),
    Metric(
        CLIENT_FIRST_CHUNK_NAME,
        "histogram",
        "s",
        "Time until the first piece of a streamed answer.",
        (*_CLIENT, PURPOSE),
        CLIENT_SECONDS,
        standard=True,
    ),
    Metric(
        "gen_ai.invoke_agent.duration",
        "histogram",
        "s",
        "Time of one run of an agent or a team.",
        (AGENT_NAME, PURPOSE, ERROR_TYPE),
        AGENT_SECONDS,
        standard=True,
    ),
    Metric(
        "gen_ai.invoke_workflow.duration",
        "histogram",
        "s",
        "Time of one run of a workflow.",
        (WORKFLOW_NAME, PURPOSE, ERROR_TYPE),
        WORKFLOW_SECONDS,
        standard=True,
    ),
    Metric(
        "gen_ai.execute_tool.duration",
        "histogram",
        "s",
        "Time of one call of a tool.",
        (TOOL_NAME, AGENT_NAME, PURPOSE, ERROR_TYPE),
        CLIENT_SECONDS,
        standard=True,
    ),
    Metric(
        "offpath.runs",
        "counter",
        "{run}",
        "Runs that ended.",
        (AGENT_NAME, RUN_KIND, RUN_NESTED, RUN_STREAMED, RUN_STATUS, ERROR_TYPE),
    ),
    Metric("offpath.runs.active", "updown", "{run}", "Runs under way.", (AGENT_NAME, RUN_KIND)),
    Metric(
        "offpath.response.overhead",
        "histogram",
        "s",
        "What background hooks cost the response path, by stage: choosing them, encoding what they need, and what they "
        "add to the commit.",
        (STAGE,),
        OVERHEAD_SECONDS,
    ),
    Metric("offpath.commit.duration", "histogram", "s", "Time until a run was stored.", (STORE,), COMMIT_SECONDS),
    Metric("offpath.commit.errors", "counter", "{error}", "Runs that could not be stored.", (STORE, ERROR_TYPE)),
    Metric("offpath.guardrail.blocked", "counter", "{run}", "Runs that a guardrail refused.", (GUARDRAIL, AGENT_NAME)),
    Metric("offpath.hooks.queued", "counter", "{hook}", "Jobs that were committed with a run.", (HOOK, HOOK_KIND)),
    Metric("offpath.hooks.started", "counter", "{hook}", "Attempts that began.", (HOOK, HOOK_KIND)),
    Metric(
        "offpath.hooks.finished",
        "counter",
        "{hook}",
        "Attempts that ended.",
        (HOOK, HOOK_KIND, OUTCOME, ERROR_TYPE),
    ),
    Metric("offpath.hooks.retried", "counter", "{hook}", "Attempts that will be repeated.", (HOOK, HOOK_KIND)),
    Metric(
        "offpath.hooks.dead",
        "counter",
        "{hook}",
        "Jobs that became dead letters, from which a person can requeue them.",
        (HOOK, HOOK_KIND, DEAD_REASON),
    ),
    Metric(
        "offpath.hooks.skipped",
        "counter",
        "{hook}",
        "Jobs that ended without an attempt.",
        (HOOK, HOOK_KIND, SKIP_REASON),
    ),
    Metric(
        "offpath.hook.duration",
        "histogram",
        "s",
        "Time of one attempt of a hook.",
        (HOOK, HOOK_KIND, OUTCOME),
        HOOK_SECONDS,
    ),
    Metric(
        "offpath.hook.queue.delay",
        "histogram",
        "s",
        "Time from when a job may start to when it starts.",
        (HOOK, HOOK_KIND),
        DELAY_SECONDS,
    ),
    Metric("offpath.hooks.backlog", "gauge", "{hook}", "Jobs by how they stand.", (HOOK, STATE)),
    Metric(
        "offpath.hooks.oldest.age",
        "gauge",
        "s",
        "Age of the oldest job that is ready or scheduled: a hook whose retries wait for an outage to end counts too.",
        (HOOK,),
    ),
    Metric(
        "offpath.hooks.paused",
        "gauge",
        "{hook}",
        "1 for a hook whose jobs wait until a person resumes it, 0 for each other one. It is read together with the "
        "backlog, so where it is shown the queue is seen.",
        (HOOK,),
    ),
    Metric("offpath.workers", "gauge", "{worker}", "Workers that are alive."),
    Metric("offpath.worker.heartbeat.age", "gauge", "s", "Time since the worker last said that it is alive."),
    Metric("offpath.executors", "gauge", "{executor}", "Processes that run hooks."),
    Metric("offpath.executor.killed", "counter", "{executor}", "Executors that were killed.", (KILL_REASON,)),
    Metric(
        "offpath.telemetry.dropped",
        "counter",
        "{item}",
        "Spans, points of metrics and log records that did not reach the collector, and snapshot files that could not "
        "be read.",
        (SIGNAL,),
    ),
    Metric(
        "offpath.evaluation.score",
        "histogram",
        "1",
        "Normalised scores: 0 to 1, 1 is good.",
        (EVALUATION_NAME, SUBJECT, AGENT_NAME),
        SCORE,
        feature="evaluation",
    ),
    Metric(
        "offpath.evaluation.results",
        "counter",
        "{result}",
        "Evaluations that ended.",
        (EVALUATION_NAME, SUBJECT, SCORE_LABEL, PASSED, AGENT_NAME, ERROR_TYPE),
        feature="evaluation",
    ),
    Metric(
        "offpath.evaluation.skipped",
        "counter",
        "{run}",
        "Runs that were not evaluated, by the reason.",
        (EVALUATION_NAME, EVALUATION_SKIP),
        feature="evaluation",
    ),
    Metric(
        "offpath.evaluation.rate",
        "gauge",
        "1",
        "Weighted share of the last 24 hours' runs that pass, with its bounds; their mean score where an evaluator has "
        "no threshold.",
        (EVALUATION_NAME, AGENT_NAME, RATE_BOUND),
        feature="evaluation",
    ),
    Metric(
        "offpath.evaluation.judge.tokens",
        "counter",
        "{token}",
        "Tokens that judges used.",
        (EVALUATION_NAME, REQUEST_MODEL, TOKEN_TYPE),
        feature="evaluation",
    ),
    Metric(
        "offpath.evaluator.info",
        "gauge",
        "{evaluator}",
        "1 for each evaluator that is on.",
        (EVALUATION_NAME, EVALUATOR_VERSION, JUDGE_MODEL, SAMPLE_RATE),
        feature="evaluation",
    ),
    Metric(
        "offpath.feedback",
        "counter",
        "{result}",
        "What users said.",
        (FEEDBACK_LABEL, AGENT_NAME),
        feature="evaluation",
    ),
    Metric("offpath.cost", "counter", "{USD}", "Price of calls to models.", (PURPOSE, REQUEST_MODEL), feature="cost"),
    Metric(
        "offpath.cost.unpriced",
        "counter",
        "{call}",
        "Calls to models whose price is not known.",
        (REQUEST_MODEL,),
        feature="cost",
    ),
    Metric(
        "offpath.judge.budget.remaining",
        "gauge",
        "{USD}",
        "What judges may still spend.",
        (WINDOW,),
        feature="cost",
    ),
    Metric(
        "offpath.judge.budget.limit",
        "gauge",
        "{USD}",
        "What judges may spend in a whole window.",
        (WINDOW,),
        feature="cost",
    ),
    Metric(
        "offpath.notifications.sent",
        "counter",
        "{notification}",
        "Notifications that were sent, or failed for good.",
        (CHANNEL, OUTCOME),
        feature="notification",
    ),
    Metric(
        "offpath.notification.duration",
        "histogram",
        "s",
        "Time of sending one notification.",
        (CHANNEL, OUTCOME),
        HOOK_SECONDS,
        feature="notification",
    ),
)

# -- spans ------------------------------------------------------------------------------------------------------------

_USAGE: Final = (USAGE_INPUT, USAGE_OUTPUT)
_RUN: Final = (CONVERSATION_ID, RUN_ID, PARENT_RUN_ID, RUN_STATUS, PURPOSE, ERROR_TYPE)
_JOB: Final = (MESSAGING_SYSTEM, MESSAGING_OPERATION, MESSAGING_OPERATION_TYPE, MESSAGING_DESTINATION)
_CONTENT: Final = (INPUT_MESSAGES, OUTPUT_MESSAGES, SYSTEM_INSTRUCTIONS)

SPANS: Final[tuple[SpanDefinition, ...]] = (
    SpanDefinition(
        "{method} {route}",
        "SERVER",
        "A request, to the end of its answer; a W3C trace context that comes with it is continued.",
        (
            HTTP_METHOD,
            HTTP_METHOD_ORIGINAL,
            HTTP_ROUTE,
            HTTP_STATUS,
            URL_SCHEME,
            URL_PATH,
            URL_QUERY,
            PROTOCOL_VERSION,
            SERVER_ADDRESS,
            SERVER_PORT,
            CLIENT_ADDRESS,
            CLIENT_PORT,
            USER_AGENT,
            USER_AGENT_SYNTHETIC,
            ERROR_TYPE,
        ),
        standard=True,
    ),
    SpanDefinition(
        "invoke_agent {gen_ai.agent.name}",
        "INTERNAL",
        "A run of an agent or a team.",
        (OPERATION_NAME, AGENT_NAME, AGENT_ID, AGENT_DESCRIPTION, TEAM_NAME, *_USAGE, *_RUN),
        standard=True,
    ),
    SpanDefinition(
        "invoke_workflow {gen_ai.workflow.name}",
        "INTERNAL",
        "A run of a workflow.",
        (OPERATION_NAME, WORKFLOW_NAME, *_USAGE, *_RUN),
        standard=True,
    ),
    SpanDefinition(
        "chat {gen_ai.request.model}",
        "CLIENT",
        "A call to a model, retries included.",
        (
            *_CLIENT,
            REQUEST_STREAM,
            RESPONSE_ID,
            RESPONSE_MODEL,
            RESPONSE_FINISH_REASONS,
            RESPONSE_FIRST_CHUNK,
            *_USAGE,
            USAGE_CACHED,
            USAGE_REASONING,
            CONVERSATION_ID,
            *_CONTENT,
            PURPOSE,
            ERROR_TYPE,
        ),
        standard=True,
    ),
    SpanDefinition(
        "execute_tool {gen_ai.tool.name}",
        "INTERNAL",
        "A call of a tool.",
        (
            OPERATION_NAME,
            TOOL_NAME,
            TOOL_TYPE,
            TOOL_CALL_ID,
            AGENT_NAME,
            TOOL_ARGUMENTS,
            TOOL_RESULT,
            PURPOSE,
            ERROR_TYPE,
        ),
        standard=True,
    ),
    SpanDefinition(
        "send hooks",
        "PRODUCER",
        "The hand-over of background hooks, in the run's commit.",
        (*_JOB, MESSAGING_COUNT, RUN_ID, ERROR_TYPE),
    ),
    SpanDefinition(
        "process {hook}",
        "CONSUMER",
        "One attempt of a background hook: a trace of its own, linked back to `send hooks` and to the run's span, "
        "sampled if and only if the run was. With `OFFPATH_HOOK_TRACES=child` it is a child of `send hooks` instead.",
        (*_JOB, HOOK, HOOK_KIND, HOOK_BACKGROUND, RUN_ID, JOB_KEY, ATTEMPT, OUTCOME, PURPOSE, ERROR_TYPE),
    ),
    SpanDefinition(
        "hook {hook}",
        "INTERNAL",
        "A foreground hook or a guardrail, inside the run.",
        (HOOK, HOOK_KIND, HOOK_BACKGROUND, RUN_ID, PURPOSE, ERROR_TYPE),
    ),
    SpanDefinition(
        "evaluate {gen_ai.evaluation.name}",
        "INTERNAL",
        "One evaluation, inside the hook that evaluates.",
        (EVALUATION_NAME, SCORE_VALUE, SCORE_LABEL, EXPLANATION, RESPONSE_ID, RUN_ID, ERROR_TYPE),
        feature="evaluation",
    ),
)

EVENTS: Final[tuple[EventDefinition, ...]] = (
    EventDefinition(
        "gen_ai.evaluation.result",
        "The result of an evaluation, under the span of the run that was evaluated.",
        (EVALUATION_NAME, SCORE_VALUE, SCORE_LABEL, EXPLANATION, RESPONSE_ID, RUN_ID, ERROR_TYPE),
        standard=True,
        feature="evaluation",
    ),
    EventDefinition(
        "gen_ai.client.inference.operation.details",
        "The content of a call to a model, where it is captured in events.",
        (OPERATION_NAME, PROVIDER_NAME, REQUEST_MODEL, RESPONSE_ID, CONVERSATION_ID, *_CONTENT),
        standard=True,
    ),
)


def attributes() -> tuple[Attribute, ...]:
    """Every attribute that a span, event or metric here has, each once, standard ones first, by key.

    A key may be there more than once, when it has different values on different metrics.
    """
    found = {each for span in SPANS for each in span.attributes}
    found |= {each for event in EVENTS for each in event.attributes}
    found |= {each for metric in METRICS for each in metric.labels}
    return tuple(sorted(found, key=lambda each: (not each.standard, each.key, each.description)))


def metric(name: str) -> Metric:
    """The metric of that name.

    Raises:
        KeyError: There is none.
    """
    for each in METRICS:
        if each.name == name:
            return each
    raise KeyError(name)
