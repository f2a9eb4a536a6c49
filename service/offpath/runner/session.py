"""The session of a run: made, checked, and what it remembers."""

from __future__ import annotations

from offpath.errors import AccessDeniedError, ConflictError
from offpath.models.message import Message
from offpath.runner.request import RunRequest
from offpath.runner.runnable import Runnable
from offpath.runs.context import Session, name_from
from offpath.runs.record import RunRecord


def new_session(runnable: Runnable, session_id: str, request: RunRequest, now: float, *, named: bool = True) -> Session:
    """A session as its first run begins it; `named` after its first message."""
    return Session(
        session_id=session_id,
        kind=runnable.kind,
        component_id=runnable.id,
        user_id=request.user_id,
        name=name_from(request.input) if named and isinstance(request.input, str) else None,
        state=dict(runnable.session_state or {}),
        created_at=now,
        updated_at=now,
    )


def check_session(session: Session, runnable: Runnable, request: RunRequest) -> None:
    """Refuse to go on with somebody else's conversation.

    Raises:
        ConflictError: It belongs to another agent, team or workflow.
        AccessDeniedError: It belongs to another user.
    """
    if (session.kind, session.component_id) != (runnable.kind, runnable.id):
        raise ConflictError(
            f'session "{session.session_id}" belongs to {session.kind} "{session.component_id}", not to '
            f'{runnable.kind} "{runnable.id}"; use another session_id'
        )
    if session.user_id and request.user_id and session.user_id != request.user_id:
        raise AccessDeniedError(f'session "{session.session_id}" belongs to another user; use another session_id')


def messages_of(record: RunRecord) -> list[Message]:
    """What a later run of the session is told of this one."""
    return [message for message in record.output.messages if message.role != "system"]
