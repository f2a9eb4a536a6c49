"""Inbox: the notifications that arrived, each message once however often it was sent."""

from __future__ import annotations

import json
from collections import Counter
from typing import Any

from acceptance.soak.receiver import Receiver


class Inbox:
    """Where the webhook's messages go."""

    def __init__(self) -> None:
        self.receiver = Receiver(self._take)
        self.messages: dict[str, list[dict[str, Any]]] = {}
        """What each message tells of, by its id."""
        self.repeated = 0
        """Messages that came again: at least once means that there may be some."""

    def _take(self, headers: dict[str, str], body: bytes) -> None:
        message_id = headers["webhook-id"]
        self.repeated += message_id in self.messages
        self.messages[message_id] = json.loads(body)["data"]["notices"]

    def told(self) -> Counter[tuple[str, str]]:
        """How often each event was told of, by event and component."""
        found: Counter[tuple[str, str]] = Counter()
        for notices in list(self.messages.values()):
            for notice in notices:
                found[notice["event"], notice.get("component_id", "")] += notice["count"]
        return found

    def subjects(self, event: str) -> set[str]:
        """What notices of an event are about."""
        return {
            subject
            for notices in list(self.messages.values())
            for notice in notices
            if notice["event"] == event
            for subject in notice.get("subjects", ())
        }
