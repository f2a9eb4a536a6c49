"""A short soak: some of every fault under load, and then everything is accounted for.

`python -m benchmarks.soak` runs long ones, on PostgreSQL too.
"""

from __future__ import annotations

import os
import random

import pytest

from acceptance.soak.soak import Soak

MINUTES = 0.15
SEED = "OFFPATH_TEST_SOAK_SEED"
"""A variable with the seed of an earlier run, to repeat its faults."""


@pytest.mark.slow
@pytest.mark.timeout(600)
async def test_after_a_short_soak_everything_is_accounted_for() -> None:
    seed = int(os.environ.get(SEED) or random.SystemRandom().randrange(1, 1_000_000))
    print(f"to repeat it: {SEED}={seed} pytest {__file__}")

    outcome = await Soak("sqlite", MINUTES, seed, every=0.5, progress=5.0).run()

    for line in outcome.lines:
        print(f"{line.name}: {line.found}")
    print(f"faults: {outcome.log}")
    assert not outcome.wrong, f"seed {seed}: {[(line.name, line.wrong) for line in outcome.wrong]}\n{outcome.logs}"
    # Otherwise it showed nothing; how much there is time for is the machine's affair.
    assert len(outcome.told.runs) > 40
    assert outcome.faults
