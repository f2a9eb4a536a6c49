"""What the tests of notifications need once."""

from __future__ import annotations

import pytest

from notification_receivers import load_apprise


@pytest.fixture(scope="session", autouse=True)
def apprise() -> None:
    load_apprise()
