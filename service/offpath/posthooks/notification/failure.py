"""What went wrong with a message."""

from __future__ import annotations

from offpath.errors import OffpathError


class DeliveryError(OffpathError):
    """A message was not accepted; it is sent again, and ends as a dead letter when its attempts are used up.

    Args:
        text: Shows neither the channel's address nor content.
        status: The HTTP status of the answer.
        retry_after: Seconds that the receiver asked to wait; the worker waits at least so long.
    """

    def __init__(self, text: str, *, status: int | None = None, retry_after: float | None = None) -> None:
        super().__init__(text)
        self.status_code = status
        self.retry_after = retry_after
