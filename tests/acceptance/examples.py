"""The files of examples/, started and asked the way that their first lines say, without an API key."""

from __future__ import annotations

import ast
import json
import os
import shlex
import shutil
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import httpx
import pytest

from acceptance.serving import Service, ServiceMaker

ENDED_IN_ORDER = (0, -signal.SIGTERM)
"""Uvicorn, called from a script, ends everything and then raises the signal once more."""
EXAMPLES = Path(__file__).resolve().parents[2] / "examples"
# No key, no address of a model: the example has nothing but the offline model.
NO_MODEL = {"OPENAI_API_KEY": None, "OPENAI_BASE_URL": None, "OFFPATH_DATABASE_URL": None, "OFFPATH_OFFLINE": "1"}
_PROGRAMS = ("curl ", "offpath ", "python ", "uvicorn ")


def docstring_of(name: str) -> str:
    return ast.get_docstring(ast.parse((EXAMPLES / f"{name}.py").read_text())) or ""


def commands_of(name: str) -> list[str]:
    """The lines of its docstring that a reader is to type."""
    return [line.strip() for line in docstring_of(name).splitlines() if line.strip().startswith(_PROGRAMS)]


def example(make_service: ServiceMaker, name: str, database: str = "offpath.db", *, below: str = "") -> Service:
    """Start an example by the first command of its docstring, on a free port.

    Args:
        database: Where it keeps its runs.
        below: The path that the service is mounted at.
    """
    program, *arguments = shlex.split(commands_of(name)[0])
    starts = {"python": [sys.executable], "uvicorn": [sys.executable, "-m", "uvicorn"]}[program]
    text = (EXAMPLES / f"{name}.py").read_text()
    if "7777" not in " ".join(arguments) and "port=7777" not in text:
        pytest.fail("the example names no port to replace")
    command = [*starts, *(argument.replace("7777", "{port}") for argument in arguments)]
    service = make_service(name, command=command, environment=NO_MODEL)
    (service.directory / f"{name}.py").write_text(text.replace("port=7777", f"port={service.port}"))
    service.database = service.directory / database
    service.http.base_url = httpx.URL(f"{service.url}{below}")
    return service.start()


def typed(service: Service, command: str) -> str:
    """What a command of the docstring prints, typed in the example's directory."""
    line = command.replace("7777", str(service.port))
    if line.startswith("curl ") and shutil.which("curl") is None:
        return _sent(line)
    path = f"{Path(sys.executable).parent}{os.pathsep}{service.environment.get('PATH', '')}"
    done = subprocess.run(
        line.replace("curl ", "curl -s ", 1) if line.startswith("curl ") else line,
        shell=True,
        cwd=service.directory,
        env=service.environment | {"PATH": path},
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert done.returncode == 0, f"{line}: {done.stderr}"
    return done.stdout


def answer_to(service: Service, command: str) -> dict[str, Any]:
    """The answer to a run that a command asks for."""
    answer: dict[str, Any] = json.loads(typed(service, command))
    assert answer.get("status") == "COMPLETED", answer
    return answer


def _sent(line: str) -> str:
    """The same request where there is no curl."""
    words = shlex.split(line)
    (url,) = [word for word in words if word.startswith("http")]
    form = [words[index + 1].split("=", 1) for index, word in enumerate(words) if word == "-F"]
    if not form:
        return httpx.get(url, timeout=30).text
    return httpx.post(url, files={key: (None, value) for key, value in form}, timeout=30).text
