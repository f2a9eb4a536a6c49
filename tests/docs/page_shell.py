"""The terminal of somebody who follows a page: one directory, one environment, and the services that they start."""

from __future__ import annotations

import contextlib
import json
import os
import re
import shlex
import subprocess
import sys
from pathlib import Path
from typing import Any, Final

import httpx
import typer

from acceptance.serving import Service, console_script, eventually, free_port
from docs.blocks import Command
from docs.table import MOUNTED, REPLACED, rule_for
from offpath.cli import app

HOST: Final = "127.0.0.1:7777"
WORKER_HOST: Final = "127.0.0.1:7778"
_PLACEHOLDER: Final = re.compile(r"\bRUN_ID\b|(?<=/runs/)RUN\b")
_ASSIGNMENT: Final = re.compile(r"[A-Z][A-Z0-9_]*=")
_NUMBER: Final = re.compile(r"\d[\d.,:]*")
_IDENTIFIER: Final = re.compile(r"[0-9a-f]{8,}(?:-[0-9a-f]{4,}){0,4}|[0-9a-f]{8}")


class PageShell:
    """Runs a page's commands, one after the other.

    Args:
        page: As the tables know it.
        directory: The working directory.
        model_url: Where the offline model is, which stands for the reader's.
        receiver_url: Where notifications may go.
    """

    def __init__(self, page: str, directory: Path, model_url: str, receiver_url: str) -> None:
        self.page = page
        self.directory = directory
        self.port = free_port()
        self.worker_port = free_port()
        self.url = f"http://127.0.0.1:{self.port}"
        self.services: list[Service] = []
        self.shown = ""
        """What the commands since the last look have printed."""
        self._look: str | None = None
        """The last of them, if it only looks: what it looks at may take a moment."""
        self._run_id: str | None = None
        self._replaced = [(old, new.format(receiver=receiver_url)) for old, new in REPLACED.get(page, ())]
        self._home = directory / ".home"
        self._home.mkdir()
        self._state = self._home / "environment"
        self.environment = {
            **os.environ,
            "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}",
            "HOME": str(self._home),
            "LANG": "C.UTF-8",
            "COLUMNS": "120",
            "NO_COLOR": "1",
            "PYTHONUNBUFFERED": "1",
            "OPENAI_API_KEY": "offline",
            "OPENAI_BASE_URL": model_url,
            # A known price belongs to the address of its seller, and the model is elsewhere.
            "OFFPATH_JUDGE_PRICES": '{"gpt-4o-mini": [0.15, 0.6]}',
            "OFFPATH_PORT": str(self.port),
        }

    def do(self, command: Command) -> None:
        """Do with a command what the table says.

        Raises:
            AssertionError: The table does not know it, or it went wrong.
        """
        rule = rule_for(self.page, command.text)
        assert rule is not None, (
            f"{command.where}: nothing says how this is tried; tests/docs/table.py has the rules: {command.text!r}"
        )
        try:
            if rule.treatment == "parse":
                parse(command.text)
            elif rule.treatment == "check":
                self._run(Command(command.where, re.sub(r"\boffpath (serve|worker)\b", "offpath check", command.text)))
            elif rule.treatment == "serve":
                self._serve(command)
            elif rule.treatment == "run":
                self._run(command)
        except AssertionError as error:
            raise AssertionError(f"{command.where}: {command.text}\n{error}") from None

    def expect(self, where: str, output: str) -> None:
        """What a block shows as output was printed by the commands before it, or is printed by what they started."""
        expected = output_pattern(self._here(output))
        before = self.shown

        def printed() -> bool:
            if self._look is not None and not expected.search(self.shown):
                self.shown = before + self._bash(self._look).stdout
            logs = "\n".join(service.log.read_text(errors="replace") for service in self.services)
            return any(expected.search(text) for text in (self.shown, laid_out(self.shown), logs))

        try:
            eventually(printed, "the output", within=40 if self.services else 0.01, every=0.3)
        except AssertionError:
            said = self.shown + "".join(f"\n--- {service.log_end()}" for service in self.services)
            raise AssertionError(f"{where}: shows\n{output}\nand this was said:\n{said}") from None
        self.shown = ""

    def close(self) -> None:
        """End what was started."""
        for service in self.services:
            service.discard()

    def _run(self, command: Command) -> None:
        text = self._here(command.text)
        if text.startswith("curl "):
            text = "curl --silent --show-error --fail-with-body --max-time 30 " + text.removeprefix("curl ")
        done = self._bash(text)
        assert done.returncode == 0, f"ended with {done.returncode}:\n{done.stdout}{done.stderr}"
        assert "Traceback" not in done.stderr, done.stderr
        for entry in filter(None, self._state.read_text().split("\0")):
            name, _, value = entry.partition("=")
            if _ASSIGNMENT.match(entry) and name not in {"PWD", "OLDPWD", "SHLVL", "_"}:
                self.environment[name] = value
        self.shown += done.stdout + done.stderr
        self._look = text if text.startswith("curl ") and not re.search(r" -(F|d|X) ", text) else None
        self._note(done.stdout)
        if command.output.strip():
            self.expect(command.where, command.output)

    def _bash(self, text: str) -> subprocess.CompletedProcess[str]:
        script = f"set -a -o pipefail\n{text}\nstatus=$?\nenv -0 > {shlex.quote(str(self._state))}\nexit $status\n"
        return subprocess.run(
            ["bash", "-c", script],
            cwd=self.directory,
            env=self.environment,
            capture_output=True,
            text=True,
            timeout=60,
            stdin=subprocess.DEVNULL,
        )

    def _serve(self, command: Command) -> None:
        words = shlex.split(self._here(command.text), comments=True)
        own: dict[str, str] = {}
        while _ASSIGNMENT.match(words[0]):
            name, _, value = words.pop(0).partition("=")
            own[name] = value
        if words[:2] == ["make", "demo"]:
            words = ["offpath", "demo"]
        worker = words[1] == "worker"
        if not worker:
            self.close()
            self.services.clear()
        environment = {**self.environment, **own}
        if "OFFPATH_WORKER_PORT" in own:
            environment["OFFPATH_WORKER_PORT"] = str(self.worker_port)
        service = Service(
            self.directory,
            "",
            environment["OPENAI_BASE_URL"],
            command=[console_script("offpath"), *(word.replace("{", "{{").replace("}", "}}") for word in words[1:])],
            environment={"OFFPATH_DATABASE_URL": None, **environment},
        )
        service.port, service.url = self.port, self.url
        service.http.base_url = httpx.URL(self.url + MOUNTED.get(self.page, ""))
        self.services.append(service)
        service.start(ready=False)
        if worker:
            asked = httpx.Client(base_url=f"http://127.0.0.1:{environment.get('OFFPATH_WORKER_PORT', 0)}")
            with asked:
                eventually(lambda: _answers(asked), f"the worker is ready: {service.log_end()}", within=60)
        else:
            # Hooks may still wait for the worker: what they do is waited for where a page shows it.
            service.wait_ready(worker=False)
        if command.output.strip():
            self.expect(command.where, command.output)

    def _here(self, text: str) -> str:
        """A text of the page with the addresses, ids and files of this directory."""
        for old, new in self._replaced:
            text = text.replace(old, new)
        text = text.replace(HOST, f"127.0.0.1:{self.port}").replace(WORKER_HOST, f"127.0.0.1:{self.worker_port}")
        return _PLACEHOLDER.sub(lambda _: self._some_run(), text) if _PLACEHOLDER.search(text) else text

    def _note(self, output: str) -> None:
        found = re.findall(r'"run_id": ?"([^"]+)"', output)
        self._run_id = found[-1] if found else self._run_id

    def _some_run(self) -> str:
        """The last run that the page started; else one of its first agent."""
        if self._run_id is None:
            with httpx.Client(base_url=self.url, timeout=30) as client:
                agent = client.get("/agents").json()[0]["id"]
                self._run_id = client.post(f"/agents/{agent}/runs", data={"message": "Hi", "stream": "false"}).json()[
                    "run_id"
                ]
        return str(self._run_id)


def parse(text: str) -> None:
    """Let offpath's command line read a command, and no more.

    Raises:
        AssertionError: It refuses it.
    """
    words = shlex.split(text, comments=True)
    while _ASSIGNMENT.match(words[0]):
        words.pop(0)
    command: Any = typer.main.get_command(app)
    path, arguments = [words[0]], words[1:]
    while arguments and arguments[0] in getattr(command, "commands", {}):
        path.append(arguments[0])
        command, arguments = command.commands[arguments[0]], arguments[1:]
    assert not getattr(command, "commands", None) or command.invoke_without_command, f"no command: {' '.join(path)}"
    try:
        command.make_context(" ".join(path), arguments)
    except Exception as error:
        raise AssertionError(f"{type(error).__name__}: {error}") from None


def output_pattern(text: str) -> re.Pattern[str]:
    """What is taken for an output: `...` stands for anything, numbers and ids may differ, and space is space."""
    parts = []
    for part in re.split(r"\.\.\.", text.strip()):
        words = []
        for word in part.split():
            word = _IDENTIFIER.sub("\0", word)
            word = _NUMBER.sub("\1", word)
            words.append(re.escape(word).replace("\0", r"[0-9a-f-]+").replace("\1", r"\d[\d.,:]*"))
        parts.append(r"\s+".join(words))
    return re.compile(r"\s*.*?\s*".join(parts), re.DOTALL)


def laid_out(text: str) -> str:
    """JSON as `python -m json.tool` writes it; other texts as they are."""
    with contextlib.suppress(ValueError):
        return json.dumps(json.loads(text), indent=4, ensure_ascii=False)
    return text


def _answers(client: httpx.Client) -> bool:
    with contextlib.suppress(httpx.TransportError):
        return client.get("/ready").status_code == 200
    return False
