"""Serving an app with uvicorn."""

from __future__ import annotations

import ipaddress
import os
import signal
import threading
from types import FrameType
from typing import Any

import uvicorn
from fastapi import FastAPI

from offpath.errors import ConfigurationError
from offpath.settings import Settings
from offpath.telemetry.logs import uvicorn_log_config
from offpath.worker.supervisor import RELOAD_VARIABLE

_STARTUP_FAILURE = 3
"""What uvicorn ends with when the app did not start."""
TARGET_VARIABLE = "OFFPATH_INTERNAL_TARGET"
"""Tells processes that uvicorn starts where the service is, as the caller named it."""


def serve(
    app: str | FastAPI,
    settings: Settings,
    *,
    host: str | None = None,
    port: int | None = None,
    reload: bool = False,
    workers: int | None = None,
    **options: Any,
) -> None:
    """Serve until stopped; see `AgentService.serve`.

    Raises:
        ConfigurationError: `reload` or several `workers` with an app that new processes could not import.
    """
    processes = workers or settings.workers
    if not isinstance(app, str) and (reload or processes > 1):
        wanted = "reload=True" if reload else f"workers={processes}"
        raise ConfigurationError(
            f'{wanted} starts new processes, which import the app by name: pass serve(app="module:app", ...)'
        )
    if isinstance(app, str):
        os.environ[TARGET_VARIABLE] = app
    if reload:
        os.environ[RELOAD_VARIABLE] = "1"
    _end_in_order()
    try:
        uvicorn.run(
            app,
            host=host or settings.host,
            port=settings.port if port is None else port,
            reload=reload,
            workers=None if reload or processes == 1 else processes,
            **{
                "access_log": False,
                "log_level": settings.log_level,
                **({} if (config := uvicorn_log_config()) is None else {"log_config": config}),
                # A quarter for open requests, then a quarter for runs that go on without one, then half for hooks.
                "timeout_graceful_shutdown": max(1, round(settings.drain_timeout / 4)),
                "date_header": True,
                "server_header": False,
                **options,
            },
        )
    except SystemExit as end:
        # Of a start that failed, whose reason is in the log: 1, as for a start that failed before.
        raise SystemExit(1 if end.code == _STARTUP_FAILURE else end.code) from None


def _end_in_order() -> None:
    """After SIGTERM, exit code 0 and not 143: uvicorn raises the signal once more when everything is closed."""

    def end(number: int, frame: FrameType | None) -> None:
        raise SystemExit(0)

    if threading.current_thread() is threading.main_thread():
        signal.signal(signal.SIGTERM, end)


def is_loopback(host: str) -> bool:
    """Whether a host to listen on can be reached from this machine only."""
    if host in {"localhost", ""}:
        return host == "localhost"
    try:
        return ipaddress.ip_address(host.strip("[]")).is_loopback
    except ValueError:
        return False


def in_url(host: str) -> str:
    """A host to listen on, as it stands in a URL that leads to it."""
    if not is_loopback(host) and host in {"0.0.0.0", "::", ""}:  # noqa: S104  # compared, not bound
        return "127.0.0.1"
    return f"[{host}]" if ":" in host and not host.startswith("[") else host
