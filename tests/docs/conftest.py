"""What the pages' examples need: a model, and somewhere to send notifications."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from notification_receivers import HttpReceiver
from offpath.offline import OfflineProcess, offline_model_process


@pytest.fixture(scope="session")
def model() -> Iterator[OfflineProcess]:
    """The offline model, in a process of its own."""
    with offline_model_process() as process:
        yield process


@pytest.fixture
def receiver() -> Iterator[str]:
    """The address of an HTTP receiver, as a notification URL."""
    receiver = HttpReceiver()
    receiver.start()
    try:
        yield f"json://127.0.0.1:{receiver.port}"
    finally:
        receiver.close()
