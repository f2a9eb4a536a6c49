"""Quiet sessions: conversations that seem to be over, and are evaluated as a whole."""

from __future__ import annotations

import time
import uuid
from collections.abc import Mapping
from typing import Final

from offpath.hooks.info import HookInfo
from offpath.ledger.booking import Change
from offpath.ledger.evaluation_sums import evaluation_deltas
from offpath.ledger.plan import RunPlan
from offpath.posthooks.evaluation.plan_rule import PlanRules
from offpath.posthooks.evaluation.session import SessionWork, session_work, with_entries
from offpath.runs.record import decode_record
from offpath.storage.ledger import Ledger

LATE: Final = 86_400.0
"""Seconds for which a session may wait to be evaluated, for instance while no worker is alive."""
_ROWS: Final = 200


class QuietSessions:
    """Part of what the worker that leads does.

    Args:
        hooks: By id, as the workers know them.
    """

    def __init__(self, ledger: Ledger, rules: PlanRules, hooks: Mapping[str, HookInfo]) -> None:
        self._ledger = ledger
        self._rules = rules
        self._hooks = hooks

    async def turn(self) -> None:
        """Plan the evaluation of the sessions that have become quiet.

        Raises:
            StorageError: They cannot be read or planned now; the next turn goes on.
        """
        now = time.time()
        while found := await self._ledger.quiet_sessions(now - self._rules.quiet, limit=_ROWS):
            plans = await self._ledger.plans([run_id for _, run_id in found])
            for session_id, run_id in found:
                plan = plans.get(run_id)
                # Those of long ago are history: whoever switches an evaluator on does not ask for all of it.
                if plan is not None and plan.created_at + plan.duration > now - self._rules.quiet - LATE:
                    await self._plan(session_id, plan)
            # Last: after a crash they are found again, and what is planned already stays as it is.
            await self._ledger.mark_sessions([session_id for session_id, _ in found], now)
            if len(found) < _ROWS:
                return

    async def _plan(self, session_id: str, plan: RunPlan) -> None:
        work = session_work(
            self._rules, plan, self._hooks, user_id=await self._user(session_id), occasion=uuid.uuid4().hex[:8]
        )
        if work.entries:
            await self._ledger.amend(plan.run_id, lambda current: _added(current, work), work.jobs)

    async def _user(self, session_id: str) -> str | None:
        """Whose session it is, if any rule asks for users."""
        if not any(rule.filter.users for rule in self._rules.of_sessions):
            return None
        records = await self._ledger.session_records(session_id, limit=1)
        return decode_record(records[-1]).output.user_id if records else None


def _added(plan: RunPlan | None, work: SessionWork) -> Change:
    change = Change()
    if plan is None:
        return change  # deleted meanwhile; so are its jobs
    change.plans[plan.run_id] = with_entries(plan, work)
    if plan.counted:
        for name, entry in work.entries.items():
            if name not in plan.entries:
                change.deltas.update(evaluation_deltas(plan, name, None, entry))
    return change
