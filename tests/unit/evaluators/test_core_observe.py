"""What is around an assessment."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from offpath_evaluators import Evaluation, EvaluationContext, Instance, configure, evaluator
from offpath_evaluators.execution import assess


@evaluator("plain")
def plain(context: EvaluationContext) -> bool:
    """A plain function."""
    return True


@evaluator("waiting")
async def waiting(context: EvaluationContext) -> bool:
    """An async one."""
    return True


@evaluator("endless", timeout=0.05)
def endless(context: EvaluationContext) -> bool:
    """One that takes too long."""
    time.sleep(0.3)
    return True


async def test_each_assessment_is_observed_where_it_happens() -> None:
    seen: list[tuple[str, str | None, bool]] = []
    main = threading.get_ident()

    @contextmanager
    def observe(instance: Instance) -> Iterator[Callable[[Evaluation], None]]:
        told: list[Evaluation] = []
        yield told.append
        seen.append((instance.name, told[0].state if told else None, threading.get_ident() == main))

    instances = [configure(plain), configure(waiting), configure(endless), configure("tool_error_rate")]
    results = await assess(EvaluationContext(output="x"), instances, None, observe=observe)
    assert [result.state for result in results] == ["scored", "scored", "failed", "not_applicable"]
    assert results[2].reason == "timeout"
    assert ("plain", "scored", False) in seen
    assert ("waiting", "scored", True) in seen
    assert ("tool_error_rate", "not_applicable", False) in seen
