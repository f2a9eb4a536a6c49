"""Every option of offpath, once: the reference page, `.env.example` and `offpath check` are made from this class."""

# no `from __future__ import annotations`: pydantic reads the annotations at run time

import logging
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any, Final, Literal, Self

from pydantic import BeforeValidator, Field, PrivateAttr, SecretStr, ValidationError
from pydantic.config import JsonDict
from pydantic_settings import BaseSettings, PydanticBaseSettingsSource, SettingsConfigDict

from offpath.settings.environment import EnvironmentSource, near_match
from offpath.settings.option import Option, options
from offpath.settings.problem import Problem, settings_error
from offpath.settings.source import DEFAULT, Source, SourceKind
from offpath.settings.value import database_url, host_name, key, lower, origin, path, text_list, time_zone

logger = logging.getLogger("offpath.settings")

DRAIN_ADVISED = 30.0
"""Seconds after which Kubernetes and Docker's usual settings kill a process that was asked to stop."""

SERVER: Final[JsonDict] = {"group": "Server"}
ACCESS: Final[JsonDict] = {"group": "Access"}
STORAGE: Final[JsonDict] = {"group": "Storage"}
LIMITS: Final[JsonDict] = {"group": "Limits of requests"}
HOOKS: Final[JsonDict] = {"group": "Hooks"}
WORKER: Final[JsonDict] = {"group": "Worker"}
TELEMETRY: Final[JsonDict] = {"group": "Telemetry"}
EVALUATION: Final[JsonDict] = {"group": "Evaluation"}
JUDGE: Final[JsonDict] = {"group": "Judge"}
ANALYTICS: Final[JsonDict] = {"group": "Analytics"}
NOTIFICATIONS: Final[JsonDict] = {"group": "Notifications"}
OTHER: Final[JsonDict] = {"group": "Other"}

Origins = Annotated[tuple[Annotated[str, BeforeValidator(origin)], ...], BeforeValidator(text_list)]
Host = Annotated[str, BeforeValidator(host_name)]
Key = Annotated[SecretStr, BeforeValidator(key)]
Hosts = Annotated[tuple[Host, ...], BeforeValidator(text_list)]
FilePath = Annotated[Path, BeforeValidator(path)]
DatabaseUrl = Annotated[str, BeforeValidator(database_url)]
Lower = BeforeValidator(lower)
Evaluators = Annotated[tuple[str, ...], BeforeValidator(text_list)]
NotifyOn = Annotated[tuple[str, ...], BeforeValidator(text_list)]
EvaluatorOptions = dict[str, dict[str, str]]
EVALUATOR_PREFIX: Final[JsonDict] = {"group": "Evaluation", "prefix": "OFFPATH_EVALUATOR__"}
"""Not one variable, but all that begin so."""
NOTIFY_PREFIX: Final[JsonDict] = {"group": "Notifications", "prefix": "OFFPATH_NOTIFY__"}
NOTIFIED_BY_DEFAULT: Final = (
    "run_error",
    "evaluation_failed",
    "below_threshold",
    "hook_dead",
    "hook_paused",
    "budget_exhausted",
)
"""Events that people are told of unless they say otherwise."""


class Settings(BaseSettings):
    """The options of one service or worker process; frozen.

    `Settings.load()` reads the environment and `.env`; `Settings(port=8000)` takes only what it is given, which suits
    tests. Both raise `SettingsError`, never pydantic's error.
    """

    model_config = SettingsConfigDict(
        env_prefix="OFFPATH_",
        frozen=True,
        extra="forbid",
        hide_input_in_errors=True,
        use_attribute_docstrings=True,
    )

    host: Host = Field(default="127.0.0.1", json_schema_extra=SERVER)
    """Address to listen on. Without a key only loopback addresses are served, whatever this is."""
    port: int = Field(default=7777, ge=0, le=65_535, json_schema_extra=SERVER)
    """TCP port to listen on. 0 takes a free one."""
    workers: int = Field(default=1, ge=1, le=256, json_schema_extra=SERVER)
    """Processes that answer requests. They share one hook worker."""
    drain_timeout: float = Field(default=25.0, ge=0, allow_inf_nan=False, json_schema_extra=SERVER)
    """Seconds that everything has to finish after SIGTERM: half for requests and their runs, half for hooks. Hooks that
    do not make it run after the next start. Above 30 there is a warning, since most supervisors kill a process after 30
    seconds."""

    api_key: Key | None = Field(default=None, json_schema_extra=ACCESS)
    """A key that callers send as `Authorization: Bearer`; it may do everything. Without this and without a file of
    keys, only loopback addresses are served."""
    api_keys_file: FilePath | None = Field(default=None, json_schema_extra=ACCESS)
    """A file of several keys, each with scopes and perhaps a user. It is read again when it changes."""
    allowed_origins: Origins = Field(default=(), json_schema_extra=ACCESS)
    """Origins of web pages that may call the service from a browser, such as `https://app.example.com`. `*` allows
    every page, and needs a key."""
    allowed_hosts: Hosts = Field(default=(), json_schema_extra=ACCESS)
    """Names in the Host header that are served, such as `agents.example.com` or `*.example.com`. Empty means loopback
    names only as long as there is no key, and every name with one. `*` allows every name, and needs a key."""

    database_url: DatabaseUrl = Field(default="sqlite:///offpath.db", json_schema_extra=STORAGE)
    """Where runs, sessions and hook jobs are kept, unless the code gives the service or its agents a database:
    `sqlite:///offpath.db`, or `postgresql://user:password@host/database` for many machines, which needs
    `pip install "offpath[postgres]"`. A relative path of SQLite is relative to the working directory."""
    database_direct_url: DatabaseUrl | None = Field(default=None, json_schema_extra=STORAGE)
    """The same PostgreSQL database without the pooler before it, when `OFFPATH_DATABASE_URL` leads to one that gives
    each transaction another connection, such as PgBouncer: notifications, migrations and locks go there."""
    storage_timeout: float = Field(default=5.0, gt=0, allow_inf_nan=False, json_schema_extra=STORAGE)
    """Seconds that a run waits for a database that is locked or cannot be reached before it is answered with 503."""
    instance_lease: float = Field(default=15.0, ge=1, allow_inf_nan=False, json_schema_extra=STORAGE)
    """Seconds without a sign of life after which a service process on PostgreSQL counts as dead, and the runs that it
    began as interrupted. On SQLite that is known at once."""
    retention_days: float | None = Field(default=None, gt=0, allow_inf_nan=False, json_schema_extra=STORAGE)
    """Days after which stored runs are deleted, except those with hooks still to run. Not set: they are kept."""
    inline_record_bytes: int = Field(default=262_144, ge=0, json_schema_extra=STORAGE)
    """Bytes of a stored run above which it goes to a file beside the SQLite database instead of into it."""
    store_content: Annotated[Literal["full", "until_hooks_done", "none"], Lower] = Field(
        default="full", json_schema_extra=STORAGE
    )
    """What is kept of the content of runs: `full` keeps it; `until_hooks_done` removes it when all hooks of the run
    have ended (what your code keeps in a session's state stays); `none` never stores it, so that background hooks see
    no content and sessions have no memory."""

    max_message_bytes: int = Field(default=1_000_000, ge=1, json_schema_extra=LIMITS)
    """Most bytes of a run's message, in UTF-8. Larger ones are answered with 413."""
    max_file_bytes: int = Field(default=20_000_000, ge=1, json_schema_extra=LIMITS)
    """Most bytes of one uploaded file."""
    max_body_bytes: int = Field(default=50_000_000, ge=1, json_schema_extra=LIMITS)
    """Most bytes of a whole request."""

    hook_timeout: float = Field(default=300.0, gt=0, allow_inf_nan=False, json_schema_extra=HOOKS)
    """Seconds that one attempt of a hook may take, unless the hook has its own limit."""
    hook_retries: int = Field(default=3, ge=0, json_schema_extra=HOOKS)
    """Attempts after the first one, unless the hook has its own number."""
    hook_backoff: float = Field(default=2.0, gt=0, allow_inf_nan=False, json_schema_extra=HOOKS)
    """Most seconds before the first retry; a random share of them is waited. Doubles with each further attempt."""
    hook_backoff_max: float = Field(default=3_600.0, gt=0, allow_inf_nan=False, json_schema_extra=HOOKS)
    """Most seconds between two attempts."""
    hook_strikes: int = Field(default=3, ge=1, json_schema_extra=HOOKS)
    """How many jobs of a hook may force the kill of their executor before the hook is paused. Its jobs then wait until
    `offpath hooks resume`; several attempts of one job count once."""
    unknown_hook_grace: float = Field(default=86_400.0, ge=0, allow_inf_nan=False, json_schema_extra=HOOKS)
    """Seconds that a job waits for a hook that the code no longer has, before it becomes a dead letter."""
    stream_output_checks: Annotated[Literal["buffer", "error"], Lower] = Field(
        default="buffer", json_schema_extra=HOOKS
    )
    """What a streamed run does when guardrails check its output: `buffer` sends the content once it has passed;
    `error` sends it at once and ends with RunError when it is refused."""

    worker: Annotated[Literal["process", "thread", "inline", "external"], Lower] = Field(
        default="process", json_schema_extra=WORKER
    )
    """Where background hooks run. `process`: in processes that the service starts. `thread`: in a thread of the
    service, for development. `inline`: in the service's own event loop, for tests. `external`: the service starts no
    worker, since `offpath worker` runs elsewhere."""
    executors: int = Field(default=8, ge=1, le=1_024, json_schema_extra=WORKER)
    """Most processes that run hooks at once."""
    executor_memory_mb: int = Field(default=1_024, ge=64, json_schema_extra=WORKER)
    """Megabytes of memory that one executor may use before it is killed."""
    executor_threads: int = Field(default=256, ge=1, json_schema_extra=WORKER)
    """Most threads of one executor that run synchronous hooks."""
    executor_idle: float = Field(default=60.0, ge=0, allow_inf_nan=False, json_schema_extra=WORKER)
    """Seconds without work after which an executor ends."""

    hook_traces: Annotated[Literal["link", "child"], Lower] = Field(default="link", json_schema_extra=TELEMETRY)
    """How an attempt of a background hook is traced: `link` gives it a trace of its own that links back to the run, so
    that the run's trace is not stretched; `child` makes it part of the run's trace."""
    metrics_token: Key | None = Field(default=None, json_schema_extra=TELEMETRY)
    """What `/metrics` asks for as `Authorization: Bearer`. Not set: it is served like the rest, with a key that may
    read, or to this machine if there is none."""
    worker_host: Host = Field(default="127.0.0.1", json_schema_extra=TELEMETRY)
    """Address at which `offpath worker` serves `/metrics`, `/health` and `/ready`."""
    worker_port: int | None = Field(default=None, ge=0, le=65_535, json_schema_extra=TELEMETRY)
    """Its TCP port. Not set: `offpath worker` serves nothing. The worker that the service starts never does, since the
    service's own `/metrics` covers it."""

    evaluators: Evaluators = Field(default=(), json_schema_extra=EVALUATION)
    """What every run is evaluated by: `pii,refusal,tone=guidelines,polite=my_package.evals:politeness`. Each is the
    name of an evaluator, or has `name=` before it to give its results another; docs/reference/evaluators.md lists
    them, `default` stands for the default set, `-pii` takes one away that the code has enabled, `none` all of those.
    Options follow the name: `OFFPATH_EVALUATOR__TONE__RULES="Friendly; no slang"`,
    `OFFPATH_EVALUATOR__TONE__SAMPLE_RATE=0.1`; with `_FILE` after it, an option is read from a file.
    docs/how-to/evaluations.md lists them."""
    evaluator_options: EvaluatorOptions = Field(default_factory=dict, json_schema_extra=EVALUATOR_PREFIX)
    """Options of evaluators as texts, by the evaluation's name: from `OFFPATH_EVALUATOR__NAME__OPTION`."""
    max_backlog: int = Field(default=10_000, ge=1, json_schema_extra=EVALUATION)
    """Waiting jobs above which new runs are not evaluated (`overload`); above twice as many there are no analytics and
    notifications of them either. Your own hooks always run."""

    judge_model: str | None = Field(default=None, min_length=1, json_schema_extra=JUDGE)
    """The model that judged evaluators ask, such as `gpt-4o-mini`. Not set: they cannot be enabled, except with
    `OFFPATH_OFFLINE`, where the offline model stands in."""
    judge_base_url: str | None = Field(default=None, min_length=1, json_schema_extra=JUDGE)
    """Address of the judge's OpenAI-compatible endpoint, which usually ends in `/v1`. Not set: `OPENAI_BASE_URL`, else
    OpenAI's."""
    judge_api_key: Key | None = Field(default=None, json_schema_extra=JUDGE)
    """The judge's key. Not set: `OPENAI_API_KEY`."""
    judge_mode: Annotated[Literal["auto", "weighted", "reasoned"], Lower] = Field(
        default="auto", json_schema_extra=JUDGE
    )
    """How a verdict is asked for: `weighted` by the probabilities of the judge's tokens, `reasoned` with a reason
    before it; `auto` takes what suits the criterion."""
    judge_concurrency: int = Field(default=8, ge=1, json_schema_extra=JUDGE)
    """Most requests to the judge at a time."""
    judge_rate: str | None = Field(default=None, min_length=1, json_schema_extra=JUDGE)
    """Most requests to the judge in a time: `10/s`, `500/m`."""
    judge_redact: bool = Field(default=True, json_schema_extra=JUDGE)
    """Mask personal data and secrets in everything that the judge is shown."""
    judge_prices: str | None = Field(default=None, min_length=1, json_schema_extra=JUDGE)
    """USD for a million input and output tokens, by model, as JSON: `{"my-model": [0.1, 0.4]}`. They come before the
    known prices."""

    judge_budget_usd: float | None = Field(default=None, ge=0, allow_inf_nan=False, json_schema_extra=JUDGE)
    """Most USD that judges may take in a window, over all workers; never exceeded. When it is used up, judged
    evaluators are skipped with the reason `budget`. Not set: no limit."""
    judge_budget_window: Annotated[Literal["hour", "day", "month"], Lower] = Field(
        default="day", json_schema_extra=JUDGE
    )
    """How long the budget lasts."""
    timezone: Annotated[str, BeforeValidator(time_zone)] = Field(default="UTC", json_schema_extra=JUDGE)
    """Where days and months of the budget begin: a name such as `Europe/Berlin`."""

    analytics: bool = Field(default=False, json_schema_extra=ANALYTICS)
    """Account for every run: tokens, cost, latency, tools, errors, for `GET /analytics`."""
    prices: str | None = Field(default=None, min_length=1, json_schema_extra=ANALYTICS)
    """USD for a million input and output tokens of the models that runs use, as JSON: `{"my-model": [0.1, 0.4]}`. They
    come before the known prices."""

    notify_urls: SecretStr | None = Field(default=None, json_schema_extra=NOTIFICATIONS)
    """Where notifications go: Apprise URLs (`slack://...`, `mailto://...`, `pagerduty://...`), separated by commas or
    lines, each perhaps with a name before it: `oncall=pagerduty://...`. Needs `pip install "offpath[notify]"`."""
    notify_on: NotifyOn = Field(default=NOTIFIED_BY_DEFAULT, json_schema_extra=NOTIFICATIONS)
    """What is told: run_error, evaluation_failed, below_threshold, hook_dead, hook_paused, budget_exhausted,
    guardrail_blocked, slow_run=10s, cost_above=0.50; `default` stands for the default ones, `none` for none.
    `OFFPATH_NOTIFY__ONCALL__ON` is the same for the channel `oncall` alone."""
    notify_options: EvaluatorOptions = Field(default_factory=dict, json_schema_extra=NOTIFY_PREFIX)
    """Options of channels as texts, by the channel's name: from `OFFPATH_NOTIFY__NAME__OPTION`."""
    notify_interval: float = Field(default=300.0, ge=1, allow_inf_nan=False, json_schema_extra=NOTIFICATIONS)
    """Seconds in which a channel is told the same kind of thing once, and then again with a count; in all it gets at
    most ten messages in that time."""
    notify_content: bool = Field(default=False, json_schema_extra=NOTIFICATIONS)
    """Put what users and agents said into messages about a single run, with personal data and secrets masked."""
    notify_webhook_url: SecretStr | None = Field(default=None, json_schema_extra=NOTIFICATIONS)
    """An address that is sent the same messages as signed JSON; the channel is called `webhook`."""
    notify_webhook_secret: SecretStr | None = Field(default=None, json_schema_extra=NOTIFICATIONS)
    """What they are signed with: `whsec_` and 24 to 64 random bytes in Base64."""
    public_url: str | None = Field(default=None, min_length=1, json_schema_extra=NOTIFICATIONS)
    """Where people reach this service, for links in notifications: `https://agents.example.com`."""
    trace_url: str | None = Field(default=None, min_length=1, json_schema_extra=NOTIFICATIONS)
    """Where people find a trace, with `{trace_id}` in its place: for links in notifications."""

    offline: bool = Field(default=False, json_schema_extra=OTHER)
    """Answer with the built-in offline model instead of a real one. For demonstrations and tests only."""
    log_level: Annotated[Literal["debug", "info", "warning", "error", "critical"], Lower] = Field(
        default="info", json_schema_extra=OTHER
    )
    """The least severe log lines that are written."""

    _sources: dict[str, Source] = PrivateAttr(default_factory=dict)

    def __init__(
        self, _sources: Mapping[str, Source] | None = None, _problems: Sequence[Problem] = (), **arguments: Any
    ) -> None:
        sources = dict(_sources or {}) or {name: Source(SourceKind.ARGUMENT, name) for name in arguments}
        problems = list(_problems)
        try:
            super().__init__(**arguments)
        except ValidationError as error:
            problems += _invalid(error, arguments, sources)
        else:
            self._sources = sources
            problems += self._contradictions()
        if problems:
            # pydantic's error would show the values, secrets among them
            raise settings_error(problems) from None

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,
        file_secret_settings: PydanticBaseSettingsSource,
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        """Only what the constructor is given: `load` asks `EnvironmentSource`, which also tells where values stand."""
        return (init_settings,)

    @classmethod
    def load(cls, **arguments: Any) -> Self:
        """The settings of this process. Arguments beat the environment, which beats `.env`, which beats the defaults.

        Args:
            arguments: Options by their names, usually from the command line. None means not given.

        Raises:
            SettingsError: It names every option that is wrong, its value unless that is secret, where it stands, and
                the remedy.
        """
        given = {name: value for name, value in arguments.items() if value is not None}
        source = EnvironmentSource(cls, skip=given)
        values = source() | given
        sources = source.sources | {name: Source(SourceKind.ARGUMENT, name) for name in given}
        settings = cls(_sources=sources, _problems=source.problems, **values)
        for warning in settings.warnings():
            logger.warning(warning)
        return settings

    @classmethod
    def options(cls) -> dict[str, Option]:
        """The documentation of every option by its name, in the order of the reference page."""
        return options(cls)

    def sources(self) -> dict[str, Source]:
        """Where the value in force of every option came from."""
        return {name: self._sources.get(name, DEFAULT) for name in type(self).model_fields}

    def shown(self) -> dict[str, str]:
        """The value in force of every option as a person may see it: secrets and passwords masked, "" if not set."""
        shown: dict[str, str] = {}
        for name, option in self.options().items():
            value = getattr(self, name)
            text = "" if value is None else option.shown(value)
            shown[name] = "***" if text is None else text
        return shown

    def warnings(self) -> list[str]:
        """What is allowed and likely to be a mistake; `load` logs it."""
        if self.drain_timeout <= DRAIN_ADVISED:
            return []
        source = self.sources()["drain_timeout"]
        return [
            f"OFFPATH_DRAIN_TIMEOUT={self.drain_timeout:g} ({source}) is above {DRAIN_ADVISED:g} seconds: most "
            "supervisors kill a process by then. Raise their limit too (terminationGracePeriodSeconds in Kubernetes, "
            "stop_grace_period in Compose), or lower this"
        ]

    def __repr_args__(self) -> Iterator[tuple[str | None, Any]]:
        yield from self.shown().items()

    def _contradictions(self) -> Iterator[Problem]:
        """Values that are right alone and wrong together."""
        remedy = "lower this one, or raise that one"
        if self.hook_backoff > self.hook_backoff_max:
            yield self._problem(
                "hook_backoff", f"is above OFFPATH_HOOK_BACKOFF_MAX={self.hook_backoff_max:g}; {remedy}"
            )
        for name in ("max_message_bytes", "max_file_bytes"):
            if getattr(self, name) > self.max_body_bytes:
                yield self._problem(name, f"is above OFFPATH_MAX_BODY_BYTES={self.max_body_bytes}; {remedy}")
        if self.api_key is None and self.api_keys_file is None:
            for name in ("allowed_origins", "allowed_hosts"):
                if "*" in getattr(self, name):
                    what = "* lets every web page use the service; set OFFPATH_API_KEY, or list the ones that may"
                    yield self._problem(name, what)

    def _problem(self, name: str, what: str) -> Problem:
        option, source = self.options()[name], self.sources()[name]
        return Problem(source.name or option.variable, source, what, option.shown(getattr(self, name)))


def _invalid(error: ValidationError, values: Mapping[str, Any], sources: Mapping[str, Source]) -> Iterator[Problem]:
    known = Settings.options()
    for detail in error.errors(include_url=False, include_input=False):
        name = str(detail["loc"][0])
        source = sources.get(name, DEFAULT)
        option = known.get(name)
        if option is None:
            match = near_match(name, known)
            what = "there is no such option" + (f"; did you mean {match}?" if match else "")
            yield Problem(name, source, what)
            continue
        cause = detail.get("ctx", {}).get("error")
        what = str(cause) if isinstance(cause, ValueError) else f"expected {option.expected}"
        if len(detail["loc"]) > 1:
            what = f"item {int(detail['loc'][1]) + 1}: {what}"
        default = option.shown(option.default)
        remedy = f"; the default is {default}" if default and option.default is not None else ""
        yield Problem(source.name or option.variable, source, what + remedy, option.shown(values[name]))
