"""The offline stand-in as the model of everything that runs in this process and in those that it starts."""

from __future__ import annotations

import logging
import os
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

from offpath.offline import offline_model_process

OFFLINE_KEY: Final = "offline"
"""OPENAI_API_KEY of processes whose models are the stand-in."""

logger = logging.getLogger("offpath")


@contextmanager
def stand_in_model() -> Iterator[str]:
    """Start the stand-in, and have the environment lead there until the end of the process: `OFFPATH_OFFLINE=1`.

    Yields:
        Its base URL. It ends with the block.
    """
    with offline_model_process() as model:
        os.environ["OPENAI_BASE_URL"] = model.base_url
        os.environ["OPENAI_API_KEY"] = OFFLINE_KEY
        logger.warning(
            "OFFPATH_OFFLINE=1: answers come from the offline stand-in at %s, not from a model", model.base_url
        )
        yield model.base_url
