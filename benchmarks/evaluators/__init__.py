"""How right the evaluators are, and how fast.

`python -m benchmarks.evaluators` measures quality on the held-out rows of data/<evaluator>.jsonl and prints a table;
`--write` puts the counts where `offpath evaluators` and docs/reference/evaluators.md find them.
`python -m benchmarks evaluators` measures both, beside what was predicted.
"""

from benchmarks.evaluators.measuring import run

__all__ = ["run"]
