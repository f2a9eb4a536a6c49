"""Evaluators of agent runs, usable without the service.

    results = await evaluate(EvaluationContext(input="...", output="..."), ["pii", "refusal"])

The public names are all here; each is imported at its first use, so that importing this package costs little.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from offpath_evaluators.context import EvaluationContext
    from offpath_evaluators.declaration import Evaluator, evaluator
    from offpath_evaluators.errors import (
        EvaluatorError,
        InvalidEvaluatorError,
        InvalidOptionsError,
        InvalidRowError,
        MissingJudgeError,
        MissingLibraryError,
        UnknownEvaluatorError,
    )
    from offpath_evaluators.evaluation import Evaluation, Provenance
    from offpath_evaluators.execution import evaluate
    from offpath_evaluators.instance import Instance, configure
    from offpath_evaluators.judge.criterion import Criterion
    from offpath_evaluators.judge.gate import BudgetUsedUp, SpendGate
    from offpath_evaluators.judge.judge import Judge, JudgeRecord
    from offpath_evaluators.judge.verdict import Verdict
    from offpath_evaluators.options import Options
    from offpath_evaluators.registry import find, names
    from offpath_evaluators.score import Abstained, Failed, NotApplicable, Result, Score

_HOMES = {
    "Abstained": "score",
    "BudgetUsedUp": "judge.gate",
    "Criterion": "judge.criterion",
    "EvaluationContext": "context",
    "Evaluation": "evaluation",
    "Evaluator": "declaration",
    "EvaluatorError": "errors",
    "Failed": "score",
    "Instance": "instance",
    "InvalidEvaluatorError": "errors",
    "InvalidOptionsError": "errors",
    "InvalidRowError": "errors",
    "Judge": "judge.judge",
    "JudgeRecord": "judge.judge",
    "MissingJudgeError": "errors",
    "MissingLibraryError": "errors",
    "NotApplicable": "score",
    "Options": "options",
    "Provenance": "evaluation",
    "Result": "score",
    "Score": "score",
    "SpendGate": "judge.gate",
    "UnknownEvaluatorError": "errors",
    "Verdict": "judge.verdict",
    "configure": "instance",
    "evaluate": "execution",
    "evaluator": "declaration",
    "find": "registry",
    "names": "registry",
}

__all__ = [
    "Abstained",
    "BudgetUsedUp",
    "Criterion",
    "Evaluation",
    "EvaluationContext",
    "Evaluator",
    "EvaluatorError",
    "Failed",
    "Instance",
    "InvalidEvaluatorError",
    "InvalidOptionsError",
    "InvalidRowError",
    "Judge",
    "JudgeRecord",
    "MissingJudgeError",
    "MissingLibraryError",
    "NotApplicable",
    "Options",
    "Provenance",
    "Result",
    "Score",
    "SpendGate",
    "UnknownEvaluatorError",
    "Verdict",
    "configure",
    "evaluate",
    "evaluator",
    "find",
    "names",
]


def __getattr__(name: str) -> Any:
    home = _HOMES.get(name)
    if home is None:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value = getattr(import_module(f"{__name__}.{home}"), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return __all__
