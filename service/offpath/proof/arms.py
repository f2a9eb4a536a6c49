"""Arms: the services that an experiment compares, started and ready, for as long as a block runs.

    with serve_arms(DemoTarget(), PROFILES["seed"], arms=("off", "off again", "on"), model_seconds=0.0) as arms:
        run_id = arms["on"].run_once()
        arms["on"].await_idle(60)
        arms["on"].trace(run_id)

Arms of a case differ in nothing but what their names say: each is a process of its own with a worker of its own and a
database of its own (unless one is named, which then all share), and all ask the same offline model process.
"""

from __future__ import annotations

import contextlib
import http.client
import json
import os
import subprocess
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Final

import msgspec

from offpath.errors import ConfigurationError
from offpath.offline import OfflineProcess
from offpath.proof.arm import ServedArm as ServedArm
from offpath.proof.errors import ProofError
from offpath.proof.findings import ArmName
from offpath.proof.model import offline_model
from offpath.proof.processes import free_port, import_path, log_end, python, started
from offpath.proof.profiles import Profile
from offpath.proof.run_request import Place, first_component, run_path, run_request
from offpath.proof.scratch import scratch_directory
from offpath.proof.served import About, ServedArmName
from offpath.proof.target import AppTarget, DemoTarget, ProofTarget, UrlTarget
from offpath.telemetry.logs import Secrets

START_SECONDS: Final = 120.0
DRAIN_SECONDS: Final = "2"
"""OFFPATH_DRAIN_TIMEOUT of what is started: nobody needs the hooks that run when all is measured."""
_SERVED_AS: Final[Mapping[ArmName, ServedArmName]] = {
    "on": "on",
    "off": "off",
    "off again": "off",
    "no storage": "no-storage",
}
_OWN: Final = ("OFFPATH_", "OPENAI_", "OTEL_")
"""Variables of the user that the demo does not see: they would change what is measured."""


@dataclass(frozen=True, slots=True)
class _Started:
    """A process that is to become an arm."""

    name: ArmName
    process: subprocess.Popen[bytes]
    port: int
    log: Path
    about: Path


@contextmanager
def serve_arms(
    target: ProofTarget,
    profile: Profile | None,
    *,
    arms: Sequence[ArmName],
    model_seconds: float,
    delay: float = 0.0,
) -> Iterator[dict[ArmName, ServedArm]]:
    """Start the arms of a target, give them when all are ready, and end them with all that they started.

    Args:
        target: What is measured. Of two URLs nothing is started.
        profile: The hooks of the demo; None for any other target, which has its own.
        arms: Which ones; of two URLs there are "on" and "off" ("off again" is the same service once more).
        model_seconds: What the offline model takes to answer; of no effect where real models are asked.
        delay: Planted on the "on" arm: the share by which each answer is made later, 0.02 for 2 %. What it makes later
            is the answer, after all work for it is done.

    Raises:
        ConfigurationError: The target, the profile and the arms do not go together.
        ProofError: A service has no background hooks, or did not start; then with the end of its log, without secrets.
    """
    if isinstance(target, DemoTarget) != (profile is not None):
        raise ConfigurationError("hook profiles are those of the demo: name one with it, and none with another target")
    if isinstance(target, UrlTarget):
        if delay:
            raise ConfigurationError("nothing can be planted in services that run already")
        yield _running_arms(target, arms)
        return
    with ExitStack() as up:
        directory = up.enter_context(scratch_directory())
        model = up.enter_context(offline_model(_subdirectory(directory, "model"), latency=model_seconds))
        judged = isinstance(target, AppTarget) or (profile is not None and profile.judged)
        judge = up.enter_context(offline_model(_subdirectory(directory, "judge"))) if judged else None
        variables = _variables(target, profile, model, judge)
        begun = [_start(up, name, target, profile, variables, directory, delay) for name in arms]
        up.callback(_ask_to_end, begun)
        served = {each.name: _await_ready(each, target) for each in begun}
        if isinstance(target, AppTarget) and not target.real_model:
            _check_model(next(iter(served.values())), model, target)
        yield served


def _running_arms(target: UrlTarget, arms: Sequence[ArmName]) -> dict[ArmName, ServedArm]:
    found: dict[ArmName, ServedArm] = {}
    for name in arms:
        if name == "no storage":
            raise ConfigurationError('two services that run already have no arm "no storage"; leave it out')
        place = Place(target.on if name == "on" else target.off, target.call.component)
        arm = ServedArm(
            name,
            place.address,
            run_request(place.path, target.call, host=place.host),
            prefix=place.prefix,
            headers=dict(target.call.headers),
            idle_seconds=target.idle_seconds,
        )
        hooks = None if arm.prefix is None else _background_hooks(arm)
        if hooks is None:
            arm = replace(arm, prefix=None)
        else:
            _check_deployed(name, target, hooks)
        found[name] = replace(arm, failed_before=arm.failed())
    return found


def _background_hooks(arm: ServedArm) -> list[str] | None:
    """Ids of a service's background hooks; None without offpath's `/hooks`: others may have the same paths of runs."""
    with contextlib.suppress(OSError, http.client.HTTPException, ValueError, KeyError, TypeError):
        found = _get(arm.address, f"{arm.prefix}/hooks", arm.headers)[1]
        if isinstance(found, list):
            return [hook["id"] for hook in found if "queue" in hook]
    return None


def _check_deployed(name: ArmName, target: UrlTarget, hooks: Sequence[str]) -> None:
    """See that a service that runs already is the arm that it was named as.

    Raises:
        ProofError: It has background hooks and is to have none, or the other way round.
    """
    if name == "on" and not hooks:
        raise ProofError(f"--url-on {target.on} has no background hooks, so there is nothing to compare")
    if name != "on" and hooks:
        shown = ", ".join(sorted(hooks)[:3]) + (f" and {len(hooks) - 3} more" if len(hooks) > 3 else "")
        raise ProofError(
            f"--url-off {target.off} has background hooks ({shown}), so it is no service without them: deploy it "
            f"without hooks, or name another one"
        )


def _variables(
    target: DemoTarget | AppTarget, profile: Profile | None, model: OfflineProcess, judge: OfflineProcess | None
) -> dict[str, str]:
    """The environment of all arms."""
    own = isinstance(target, DemoTarget)
    asks_offline = isinstance(target, DemoTarget) or not target.real_model
    users = {name: value for name, value in os.environ.items() if not (own and name.startswith(_OWN))}
    ours = {"OFFPATH_DRAIN_TIMEOUT": DRAIN_SECONDS, "PYTHONPATH": import_path(), "PYTHONUNBUFFERED": "1"}
    if users.get("OFFPATH_WORKER", "").strip().lower() == "external":
        # Nobody else would run the hooks of an arm.
        ours["OFFPATH_WORKER"] = "process"
    if asks_offline:
        ours |= {"OPENAI_BASE_URL": model.base_url, "OPENAI_API_KEY": "offline", "OFFPATH_OFFLINE": "false"}
        if judge is not None:
            ours |= {"OFFPATH_JUDGE_BASE_URL": judge.base_url, "OFFPATH_JUDGE_API_KEY": "offline"}
    if own:
        ours["OFFPATH_LOG_LEVEL"] = "warning"
    ours |= dict(profile.variables if profile is not None else {})
    # A variable and the file that is to hold its value contradict each other; and the way around a pooler leads to the
    # user's database.
    replaced = {f"{name}_FILE" for name in (*ours, "OFFPATH_DATABASE_URL")}
    replaced |= {"OFFPATH_DATABASE_DIRECT_URL", "OFFPATH_DATABASE_DIRECT_URL_FILE"}
    return {name: value for name, value in users.items() if name not in replaced} | ours


def _start(
    up: ExitStack,
    name: ArmName,
    target: DemoTarget | AppTarget,
    profile: Profile | None,
    variables: Mapping[str, str],
    directory: Path,
    delay: float,
) -> _Started:
    place = _subdirectory(directory, name.replace(" ", "-"))
    port, log, about = free_port(), place / "service.log", place / "about.json"
    app = target.target if isinstance(target, AppTarget) else profile.target if profile is not None else ""
    named = target.database_url if isinstance(target, AppTarget) else None
    arguments = [app, "--arm", _SERVED_AS[name], "--port", str(port), "--about", str(about)]
    if delay and name == "on":
        arguments += ["--plant", str(delay)]
    process = up.enter_context(
        started(
            python("-m", "offpath.proof.served", *arguments),
            # Not among the arguments, which anybody on the machine may read: it may hold a password.
            {**variables, "OFFPATH_DATABASE_URL": named or f"sqlite:///{place / 'runs.db'}"},
            log,
            # A `.env` in the working directory belongs to the user's service, not to the demo.
            directory=place if isinstance(target, DemoTarget) else None,
        )
    )
    return _Started(name, process, port, log, about)


def _subdirectory(directory: Path, name: str) -> Path:
    found = directory / name
    found.mkdir()
    return found


def _ask_to_end(begun: Sequence[_Started]) -> None:
    """Ask all at once, so that they end beside each other."""
    for each in begun:
        if each.process.poll() is None:
            each.process.terminate()


def _await_ready(begun: _Started, target: DemoTarget | AppTarget) -> ServedArm:
    address = ("127.0.0.1", begun.port)
    deadline = time.monotonic() + START_SECONDS
    about: About | None = None
    while not (about and _is_ready(address, about, begun.name)):
        what = f'the service of arm "{begun.name}"'
        if begun.process.poll() is not None:
            raise ProofError(f"{what} ended with code {begun.process.returncode}{_log(begun, target)}")
        if time.monotonic() > deadline:
            raise ProofError(f"{what} was not ready after {START_SECONDS:g} s{_log(begun, target)}")
        time.sleep(0.05)
        about = about or _read_about(begun, target)
    headers = dict(target.call.headers)
    key = os.environ.get("OFFPATH_API_KEY") if isinstance(target, AppTarget) else None
    if key and "authorization" not in {name.lower() for name in headers}:
        headers["Authorization"] = f"Bearer {key}"
    path = about.prefix + run_path(target.call.component or first_component(about.components))
    arm = ServedArm(
        begun.name,
        address,
        run_request(path, target.call, headers),
        pid=begun.process.pid,
        prefix=about.prefix,
        headers=headers,
    )
    shared = isinstance(target, AppTarget) and target.database_url is not None
    return replace(arm, failed_before=arm.failed()) if shared else arm


def _read_about(begun: _Started, target: DemoTarget | AppTarget) -> About | None:
    """What a service says of itself, once it does.

    Raises:
        ProofError: It has no background hooks where it is to have some.
    """
    if not begun.about.exists():
        return None
    about = msgspec.json.decode(begun.about.read_bytes(), type=About)
    if begun.name == "on" and not about.background_hooks:
        raise ProofError(
            f"{target} has no background hooks, so there is nothing to compare: mark hooks with "
            f"@hook(run_in_background=True), or build the service with run_hooks_in_background=True"
        )
    return about


def _is_ready(address: tuple[str, int], about: About, name: ArmName) -> bool:
    with contextlib.suppress(OSError, http.client.HTTPException, ValueError, KeyError, TypeError):
        components = _get(address, f"{about.prefix}/ready", {})[1]["components"]
        # Without storage the service says that it has no store, which is what that arm is about.
        return name == "no storage" or {components["store"], components.get("worker", "ok")} == {"ok"}
    return False


def _get(address: tuple[str, int], path: str, headers: Mapping[str, str]) -> tuple[int, Any]:
    with contextlib.closing(http.client.HTTPConnection(*address, timeout=10)) as connection:
        connection.request("GET", path, headers=dict(headers))
        answer = connection.getresponse()
        return answer.status, json.loads(answer.read())


def _check_model(arm: ServedArm, model: OfflineProcess, target: AppTarget) -> None:
    """See that the offline model is asked.

    Raises:
        ProofError: It is not, so that the runs of the experiment would ask, and pay, whatever is asked instead.
    """
    before = model.received()
    arm.run_once()
    if model.received() == before:
        raise ProofError(
            f"{target} did not ask the offline model: its model does not go by OPENAI_BASE_URL, or the run needs none. "
            f"With --real-model it is measured with whatever it asks, at that model's price"
        )


def _log(begun: _Started, target: DemoTarget | AppTarget) -> str:
    """The end of a log, without secrets, as the end of a sentence."""
    end = log_end(begun.log)
    return (
        f":\n{Secrets([value for _, value in target.call.headers]).mask(end)}" if end.strip() else "; it wrote nothing"
    )
