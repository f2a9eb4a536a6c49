"""JobResult: what the job of a built-in hook gives back; the worker books it."""

from __future__ import annotations

import msgspec

from offpath.ledger.evaluation_row import EvaluationRow
from offpath.ledger.run_facts import RunFacts


class JobResult(msgspec.Struct, omit_defaults=True):
    """The JSON in `job_results.result`, of whichever built-in hook it is."""

    evaluations: list[EvaluationRow] = []
    usage: RunFacts | None = None


decode_result = msgspec.json.Decoder(JobResult).decode
