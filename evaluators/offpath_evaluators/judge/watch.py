"""JudgeWatch: who wants to see each request to a judge, such as a tracer."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager
from typing import Protocol


class JudgeWatch(Protocol):
    """Called around each request, repeated ones too; what leaves the block is what came of it."""

    def __call__(self, model: str, base_url: str | None, /) -> AbstractContextManager[Callable[[bytes], None]]:
        """
        Args:
            model: As it is asked for.
            base_url: The endpoint; None for OpenAI's.

        Returns:
            To be entered while the request is under way; gives a function that is told the body of the answer.
        """
