"""The command line: `python -m deploy.viewer --prometheus http://127.0.0.1:9090`."""

from __future__ import annotations

import argparse
import signal
import sys
from collections.abc import Sequence

from deploy.viewer.server import viewer


def main(arguments: Sequence[str] | None = None) -> int:
    """Serve until it is stopped; the exit code."""
    parser = argparse.ArgumentParser("python -m deploy.viewer", description="Show the dashboards without a Grafana.")
    parser.add_argument("--prometheus", default="http://127.0.0.1:9090", metavar="URL", help="default: %(default)s")
    parser.add_argument("--port", type=int, default=3000, help="of the page; 0 takes a free one (%(default)d)")
    given = parser.parse_args(arguments)
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        with viewer(given.port, given.prometheus) as url:
            print(f"The dashboards are at {url}, until Ctrl+C.", flush=True)  # noqa: T201
            signal.pause()
    except KeyboardInterrupt:
        return 0
    except OSError as error:
        print(f"port {given.port} cannot be had ({error.strerror}): name another one with --port", file=sys.stderr)  # noqa: T201
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
