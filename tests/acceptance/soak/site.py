"""Site: the processes of a soak, and their database: started, started again when they end, looked at, and stopped."""

from __future__ import annotations

import contextlib
import shutil
import sqlite3
import tempfile
import threading
from collections import Counter
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, closing, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final, Literal

from acceptance.killing import ENVIRONMENT as KILLED
from acceptance.ledger_look import Look, look_at_postgres, look_at_sqlite
from acceptance.serving import RULES, Service, console_script
from acceptance.soak.clock import Clock
from acceptance.soak.inbox import Inbox
from acceptance.soak.receiver import Receiver
from offpath.offline import OfflineOptions, OfflineProcess, offline_model_process
from postgres_server import PostgresServer, fresh_database, run

DatabaseKind = Literal["sqlite", "postgres"]
APP: Final = "soak_app"
EVALUATORS: Final = (
    "not_empty,refusal,moody=soak_app:moody,tenth=pii,only_support=secrets,nested_too=not_empty,"
    "helpfulness,answer_relevance"
)
NAMES: Final = frozenset(each.partition("=")[0] for each in EVALUATORS.split(","))
NESTED: Final = frozenset({"nested_too"})
SECRET: Final = "whsec_c2VjcmV0c2VjcmV0c2VjcmV0c2VjcmV0"
PRICES: Final = {"gpt-judge": (1.0, 4.0)}
"""USD for a million tokens that go in and come out."""
EVENTS: Final = "run_error,evaluation_failed,hook_dead,budget_exhausted,guardrail_blocked"
_LEASE: Final = 3.0
_ENVIRONMENT: Final = {
    **KILLED,
    "OFFPATH_EVALUATORS": EVALUATORS,
    "OFFPATH_EVALUATOR__TENTH__SAMPLE_RATE": "0.1",
    "OFFPATH_EVALUATOR__ONLY_SUPPORT__AGENTS": "support",
    "OFFPATH_EVALUATOR__NESTED_TOO__NESTED": "true",
    "OFFPATH_EVALUATOR__ANSWER_RELEVANCE__SAMPLE_RATE": "0.3",
    "OFFPATH_JUDGE_MODEL": "gpt-judge",
    "OFFPATH_JUDGE_API_KEY": "offline",
    "OFFPATH_JUDGE_PRICES": '{"gpt-judge": [1, 4]}',
    "OFFPATH_JUDGE_BUDGET_WINDOW": "hour",
    "OFFPATH_ANALYTICS": "true",
    "OFFPATH_PRICES": '{"gpt-4o-mini": [0.15, 0.6]}',
    "OFFPATH_NOTIFY_WEBHOOK_SECRET": SECRET,
    "OFFPATH_NOTIFY_ON": EVENTS,
    "OFFPATH_NOTIFY_INTERVAL": "3",
    "OFFPATH_EXECUTOR_MEMORY_MB": "300",
    "OFFPATH_MAX_BACKLOG": "1000",
    "OFFPATH_STORAGE_TIMEOUT": "3",
    "OFFPATH_INSTANCE_LEASE": f"{_LEASE:g}",
    "OFFPATH_DRAIN_TIMEOUT": "6",
    "OTEL_EXPORTER_OTLP_TRACES_PROTOCOL": "http/protobuf",
    "OTEL_TRACES_SAMPLER": "parentbased_traceidratio",
    "OTEL_TRACES_SAMPLER_ARG": "0.2",
}


@dataclass
class Site:
    """Everything that runs. Made by `site`."""

    kind: DatabaseKind
    directory: Path
    url: str
    budget: float
    """USD that judges may take in an hour."""
    clock: Clock
    model: OfflineProcess
    judge: OfflineProcess
    inbox: Inbox
    collector: Receiver
    server: PostgresServer | None
    services: list[Service]
    workers: list[Service]
    """Those that no service started."""
    ended: Counter[str] = field(default_factory=Counter)
    """Processes that ended by themselves and were started again."""
    last_words: dict[str, str] = field(default_factory=dict)
    """The end of the log of the last one of each."""
    resets: int = 0
    """How often all processes that count for /metrics have been gone at once."""
    changing: threading.RLock = field(default_factory=threading.RLock)
    """Held by whoever kills or starts processes."""

    @property
    def parts(self) -> list[Service]:
        return [*self.services, *self.workers]

    @property
    def lines(self) -> Path:
        return self.directory / "lines"

    @property
    def temporary(self) -> Path:
        """Where its processes put temporary files."""
        return self.directory / "tmp"

    @property
    def database(self) -> Path:
        """The file, on SQLite."""
        return self.directory / "soak.db"

    def start(self) -> None:
        with self.changing:
            for part in self.parts:
                part.start(ready=False)
            for service in self.services:
                service.wait_ready()

    def start_ended(self) -> None:
        """As whatever runs the processes does: some end when they start while the database is away, or by a kill."""
        with self.changing:
            for part in self.parts:
                assert part.process is not None
                if (code := part.process.poll()) is not None:
                    self.ended[f"{part.directory.name} with code {code}"] += 1
                    self.last_words[f"{part.directory.name} with code {code}"] = part.log_end()[-600:]
                    part.start(ready=False)

    def stop(self) -> dict[str, int]:
        """SIGTERM to all, the services first; their exit codes."""
        codes: dict[str, int] = {}
        with self.changing:
            for group in (self.services, self.workers):
                for part in group:
                    part.signal()
                codes |= {part.directory.name: part.wait() for part in group}
        return codes

    def look(self) -> Look:
        return look_at_sqlite(self.database) if self.kind == "sqlite" else look_at_postgres(self.url)

    def query(self, sql: str) -> list[tuple[Any, ...]]:
        """Rows; `{}` stands for what tables' names begin with."""
        if self.kind == "sqlite":
            uri = f"file:{self.database}?mode=ro"
            with closing(sqlite3.connect(uri, uri=True, timeout=20)) as connection:
                return connection.execute(sql.format("")).fetchall()

        async def fetch(connection: Any) -> list[tuple[Any, ...]]:
            return [tuple(row) for row in await connection.fetch(sql.format("offpath_"))]

        return run(self.url, fetch)

    def queued(self) -> list[str]:
        """Keys of jobs that have not ended."""
        sql = "SELECT key FROM jobs" if self.kind == "sqlite" else "SELECT dedupe_key FROM offpath_hook_queue"
        return [key for (key,) in self.query(sql)]

    def logs(self) -> str:
        """The last lines of all parts, each cut."""
        found = []
        for part in self.parts:
            found.append(f"--- {part.directory.name}")
            found += [text[:400] for text in part.log_end().splitlines()[-8:]]
        return "\n".join(found)


@contextmanager
def site(kind: DatabaseKind, budget: float) -> Iterator[Site]:
    """A site that is not started yet, and gone afterwards with all its files."""
    with ExitStack() as closing_all:
        # Paths of sockets must be short.
        directory = Path(tempfile.mkdtemp(prefix="soak-", dir="/tmp" if Path("/tmp").is_dir() else None))
        closing_all.callback(shutil.rmtree, directory, ignore_errors=True)
        for name in ("lines", "tmp", "run"):
            (directory / name).mkdir(mode=0o700)
        clock = Clock(directory / "clock")
        model = closing_all.enter_context(offline_model_process(OfflineOptions(recorded_requests=0)))
        model.set_options(chunk_latency=0.01)
        model.script(rules=RULES)
        judge = closing_all.enter_context(
            offline_model_process(OfflineOptions(recorded_requests=20_000, recorded_bytes=256 * 2**20, latency=0.01))
        )
        inbox, collector = Inbox(), Receiver(lambda headers, body: None)
        for receiver in (inbox.receiver, collector):
            receiver.up()
            closing_all.callback(receiver.down)
        server = None
        url = f"sqlite:///{directory / 'soak.db'}"
        if kind == "postgres":
            server = PostgresServer()
            closing_all.callback(server.remove)
            url = fresh_database(server=server)
        shared = {
            **_ENVIRONMENT,
            **clock.variables,
            "OFFPATH_DATABASE_URL": url,
            "OFFPATH_JUDGE_BASE_URL": judge.base_url,
            "OFFPATH_JUDGE_BUDGET_USD": f"{budget:g}",
            "OFFPATH_NOTIFY_WEBHOOK_URL": f"{inbox.receiver.address}/hook",
            "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT": f"{collector.address}/v1/traces",
            "LINES_DIRECTORY": str(directory / "lines"),
            "TMPDIR": str(directory / "tmp"),
            "XDG_RUNTIME_DIR": str(directory / "run"),
        }
        services, workers = _parts(kind, directory, model.base_url, shared)
        made = Site(kind, directory, url, budget, clock, model, judge, inbox, collector, server, services, workers)
        for part in made.parts:
            closing_all.callback(_discard, part)
        yield made


def _parts(
    kind: DatabaseKind, directory: Path, model_url: str, shared: Mapping[str, str]
) -> tuple[list[Service], list[Service]]:
    """The services and the workers."""
    if kind == "sqlite":
        database = directory / "soak.db"
        return [
            Service(directory / "service", APP, model_url, "--workers", "2", environment=shared, database=database)
        ], []
    shared = {**shared, "OFFPATH_WORKER": "external", "OFFPATH_EXECUTORS": "4"}
    services = [Service(directory / f"service{number}", APP, model_url, environment=shared) for number in range(2)]
    command = [console_script("offpath"), "worker", f"{APP}:app"]
    workers = [
        Service(directory / f"worker{number}", APP, model_url, command=command, environment=shared)
        for number in range(2)
    ]
    return services, workers


def _discard(part: Service) -> None:
    with contextlib.suppress(AssertionError):
        part.discard()
