"""Suspension: rules that do not end are left alone for a while.

A plain function that overran its time goes on in its thread, since no thread can be stopped. If every run brought
another one, they would soon take the whole process.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Final

from offpath_evaluators.evaluation import Evaluation, Provenance
from offpath_evaluators.instance import Instance

PATIENCE: Final = 3
"""Runs in a row for which an evaluator may take too long before it is suspended."""
FIRST: Final = 60.0
"""Seconds of the first suspension; each further one that follows takes twice as long."""
LONGEST: Final = 3_600.0


class Suspensions:
    """The evaluators that are suspended in this process.

    Args:
        clock: Gives seconds; never goes back.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._overruns: dict[str, int] = {}
        self._until: dict[str, float] = {}

    def holds(self, name: str) -> bool:
        """Whether it is not to be tried now."""
        return self._clock() < self._until.get(name, 0.0)

    def note(self, instance: Instance, evaluation: Evaluation) -> None:
        """Note how an assessment went."""
        name = instance.name
        if instance.evaluator.is_async or evaluation.reason != "timeout":
            self._overruns.pop(name, None)
            return
        count = self._overruns[name] = self._overruns.get(name, 0) + 1
        if count >= PATIENCE:
            self._until[name] = self._clock() + min(LONGEST, FIRST * 2.0 ** min(count - PATIENCE, 30))

    def evaluation(self, instance: Instance) -> Evaluation:
        """What a suspended one has to say."""
        evaluator = instance.evaluator
        runs = self._overruns.get(instance.name, 0)
        said = f"it did not end within {instance.timeout:g} s for {runs} runs in a row, and is left alone for a while"
        return Evaluation(
            instance.name,
            "failed",
            evaluator.subject,
            None,
            "suspended",
            Provenance(evaluator.name, evaluator.version, instance.settings_hash, 0.0),
            explanation_of_reason=said,
        )
