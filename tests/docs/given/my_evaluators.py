"""The evaluators of somebody who follows the pages."""

from offpath_evaluators import EvaluationContext, evaluator


@evaluator("politeness", version=1, needs=("output",))
def politeness(context: EvaluationContext) -> bool:
    return "please" in (context.output or "").lower()
