"""Processes under measurement: started in an order, and gone at the end with all that they started."""

from __future__ import annotations

import os
import sys
import time
from pathlib import Path

import psutil
import pytest

from offpath.proof import model, processes
from offpath.proof.errors import ProofError
from offpath.proof.processes import log_end, python, started

STUBBORN = """
import signal, subprocess, sys, time
signal.signal(signal.SIGTERM, signal.SIG_IGN)
child = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(100)"])
print(child.pid, flush=True)
time.sleep(100)
"""


def await_text(log: Path) -> str:
    deadline = time.monotonic() + 30
    while not (text := log.read_text()).endswith("\n"):
        assert time.monotonic() < deadline, text
        time.sleep(0.01)
    return text


def test_a_process_that_does_not_end_is_killed_with_what_it_started(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(processes, "STOP_SECONDS", 0.1)
    monkeypatch.setattr(processes, "_ORPHAN_SECONDS", 0.1)
    log = tmp_path / "log"
    with started(python("-c", STUBBORN), os.environ, log) as process:
        child = psutil.Process(int(await_text(log)))
        assert os.getpgid(process.pid) != os.getpgid(0), "a Ctrl+C at the terminal is not for it"
        assert os.getsid(process.pid) == os.getsid(0), "a session of its own would have its own share of the cores"
    assert process.returncode is not None
    child.wait(30)


def test_its_standard_input_ends_with_the_block_and_not_before(tmp_path: Path) -> None:
    code = (
        "import select, sys; print(len(select.select([0], [], [], 0)[0]), flush=True); sys.stdin.read(); print('end')"
    )
    log = tmp_path / "log"
    with started(python("-c", code), os.environ, log) as process:
        assert await_text(log) == "0\n"
        assert process.stdin is not None
        process.stdin.close()
        assert process.wait(30) == 0
    assert log_end(log, lines=1) == "end"


def test_a_model_that_does_not_start_says_why(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(model, "python", lambda *_: [sys.executable, "-c", "raise SystemExit('no more ports')"])
    with pytest.raises(ProofError, match="did not start:\nno more ports"), model.offline_model(tmp_path):
        pass


def test_the_models_address_is_read_when_all_of_it_is_there(tmp_path: Path) -> None:
    log = tmp_path / "log"
    log.write_text("a warning\nhttp://127.0.0.1:80")
    assert model._address(log) is None
    log.write_text("a warning\nhttp://127.0.0.1:8080/v1\n")
    assert model._address(log) == "http://127.0.0.1:8080/v1"
