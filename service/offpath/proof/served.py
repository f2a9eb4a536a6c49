"""Serves one arm of the experiment: `python -m offpath.proof.served MODULE:APP --arm off --port 8000 --about FILE`.

The service is served as `offpath serve` does it, by one process and with a worker, in every arm:

- `on`: as the code has it.
- `off`: without background hooks; see `ArmService` for what stays. Its worker is that of `on`: it imports the same
  module, finds no jobs, and costs both arms what an idle worker costs.
- `no-storage`: as `off`, and neither runs nor sessions are kept.

Runs are kept at OFFPATH_DATABASE_URL if it is set, whatever database the code names. Nothing else switches hooks off:
no header, no setting. The process ends when its standard input does, and so when
whoever started it is gone, for whatever reason.
"""

from __future__ import annotations

import argparse
import os
import signal
import sys
import threading
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final, Literal

import msgspec

from offpath.errors import ConfigurationError, OffpathError

ServedArmName = Literal["on", "off", "no-storage"]
ARMS: Final[tuple[ServedArmName, ...]] = ("on", "off", "no-storage")
GRACE_SECONDS: Final = 10.0
"""How long the end may take that a closed standard input asks for."""


class About(msgspec.Struct, frozen=True):
    """What a served arm tells the process that started it."""

    prefix: str
    """The path that the service is mounted on in another app; "" by itself."""
    components: tuple[tuple[str, str], ...]
    """Kind and id of what is served, agents first."""
    background_hooks: tuple[str, ...]
    """Ids of the background hooks that this arm has."""


def main(arguments: Sequence[str] | None = None) -> None:
    """Serve until asked to stop."""
    options = _parser().parse_args(arguments)
    end_with_standard_input()
    try:
        serve_arm(
            options.target,
            options.arm,
            port=options.port,
            database_url=os.environ.get("OFFPATH_DATABASE_URL"),
            plant=options.plant,
            about=options.about,
        )
    except OffpathError as error:
        print(f"{type(error).__name__}: {error}", file=sys.stderr)  # noqa: T201
        raise SystemExit(1) from None


def serve_arm(
    target: str,
    arm: ServedArmName,
    *,
    port: int,
    database_url: str | None = None,
    plant: float = 0.0,
    about: Path | None = None,
) -> None:
    """Import a target as an arm needs it, and serve it on the loopback address until stopped.

    Args:
        target: MODULE:APP, as for `offpath serve`; or the name of the service itself.
        database_url: Beats whatever database the code names. None: that one.
        plant: The share by which answers to runs are made later; see `Plant`.
        about: A file for an `About`, written before anything is served.

    Raises:
        ConfigurationError: The target, its settings or its database cannot be used.
        Exception: What the module raises while it is imported.
    """
    # Here, so that nothing of the service is imported before it is known what is to become of it.
    from offpath.proof.arm_service import substitute
    from offpath.proof.plant import Plant
    from offpath.serve import TARGET_VARIABLE, serve
    from offpath.startup import check_startup
    from offpath.storage.database import database_from_url
    from offpath.telemetry.logs import configure_logging
    from offpath.worker.target import load_service

    database = None if database_url is None else database_from_url(database_url)
    substitute(database=database, with_hooks=arm == "on", with_storage=arm != "no-storage")
    service = load_service(target)
    found = _attribute(target)
    app = service.get_app() if found is service else found
    configure_logging(service.settings.log_level)
    check_startup(service, service.settings)
    service.db.prepare()
    if about is not None:
        _write_about(about, service, app)
    if plant:
        app.add_middleware(Plant, share=plant)
    # The worker imports the code as it is.
    os.environ[TARGET_VARIABLE] = target
    serve(app, service.settings, host="127.0.0.1", port=port, workers=1)


def end_with_standard_input() -> None:
    """End this process when its standard input ends, which it does when whoever holds the other end is gone.

    Unlike a signal at the parent's death this works on every system, and it does not depend on which thread of the
    parent started the process.
    """

    def watch() -> None:
        while os.read(0, 4096):
            pass
        os.kill(os.getpid(), signal.SIGTERM)
        time.sleep(GRACE_SECONDS)
        os._exit(1)

    threading.Thread(target=watch, name="offpath-proof-parent", daemon=True).start()


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m offpath.proof.served", description="Serve one arm of a proof.")
    parser.add_argument("target", metavar="MODULE:APP")
    parser.add_argument("--arm", choices=ARMS, required=True)
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument("--plant", type=float, default=0.0, help="share by which answers are made later")
    parser.add_argument("--about", type=Path, help="file to describe the service in")
    return parser


def _attribute(target: str) -> Any:
    """What a target names, which has been imported."""
    from offpath.worker.target import MAIN_MODULE

    place, _, attribute = target.rpartition(":")
    found: Any = sys.modules[MAIN_MODULE if place.endswith(".py") else place]
    for name in attribute.split("."):
        found = getattr(found, name)
    return found


def _write_about(file: Path, service: Any, app: Any) -> None:
    description = About(
        prefix=_prefix(service, app),
        components=tuple(
            (kind, component_id)
            for kind, served in (("agent", service.agents), ("team", service.teams), ("workflow", service.workflows))
            for component_id in served
        ),
        background_hooks=tuple(hook.id for hook in service.registry.hooks.values() if hook.background),
    )
    # Renamed at the end: whoever waits for it never sees half of it.
    draft = file.with_suffix(".draft")
    draft.write_bytes(msgspec.json.encode(description))
    draft.replace(file)


def _prefix(service: Any, app: Any) -> str:
    """Where an app has the service's own one mounted.

    Raises:
        ConfigurationError: It has a service, and does not serve it.
    """
    own = service.get_app()
    if app is own:
        return ""
    for route in getattr(app, "routes", ()):
        if getattr(route, "app", None) is own:
            return str(route.path)
    raise ConfigurationError(
        "the app that is to be served has a service in its state and does not serve it; use `service.mount_on(app)`"
    )


if __name__ == "__main__":
    main()
