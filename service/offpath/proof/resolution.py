"""What this machine can tell apart: "off" against "off again" shows the differences that there are without a reason.

Half the width of the A/A interval is the smallest difference that could be told from none. It is taken to shrink with
the square root of the number of requests, as it does while the machine's noise stays as it was. An interval that does
not hold 1 says that the machine treats the two arms unequally: then the difference from 1 that it admits counts too.

To resolve a limit is not to keep it. Where hooks cost nothing, the ratio that is measured lies about 1, and its
interval ends within the limit only if there is room for half of its width and for the ratio's own error: with intervals
as wide as the limit allows, an assertion is kept in some two to four of ten measurements. The number of requests that
is advised makes them half as wide: simulated with 8 and with 24 rounds, 94 and 95 of 100 are kept then.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Final

from offpath.proof.findings import Case, Comparison, Estimate, Resolution
from offpath.proof.plan import LEAST_PAIRS

WANTED: Final = {0.5: 0.01, 0.95: 0.05, 0.99: 0.05}
"""Differences that are asked for when no limit is: shares, by quantile."""
ROOM: Final = 0.5
"""Half the width of an interval, as a share of the limit, with which an assertion is kept in some nine of ten
measurements where hooks cost nothing."""
_MOST_REQUESTS: Final = 10**9


def disturbed(ratio: Estimate) -> bool:
    """Whether an A/A interval does not hold 1."""
    return not ratio.low <= 1 <= ratio.high


def resolved_by(ratio: Estimate) -> float:
    """The difference from 1, as a share, that an A/A interval can tell from none."""
    half = _half(ratio)
    return max(half, abs(ratio.high - 1), abs(ratio.low - 1)) if disturbed(ratio) else half


def _half(ratio: Estimate) -> float:
    return (ratio.high - ratio.low) / 2


def resolve(
    check: Comparison, limits: Mapping[float, float], answer: Comparison | None = None
) -> tuple[Resolution, ...]:
    """Whether the A/A check can resolve what is asked for, at each quantile.

    Args:
        check: "off" against "off again".
        limits: Asserted ratios by quantile, such as 1.01; for the others `WANTED` counts.
        answer: "off" against "on", whose interval is the one that is judged: if it is wider, more requests are needed.
    """
    found = []
    for each in check.quantiles:
        wanted = limits[each.q] - 1 if each.q in limits else WANTED.get(each.q, 0.05)
        resolved = resolved_by(each.ratio)
        judged = answer.quantile(each.q) if answer else None
        half = max(_half(each.ratio), _half(judged.ratio) if judged else 0.0)
        needed = _two_figures(check.requests * (max(half / ROOM, resolved) / wanted) ** 2) if wanted > 0 else 0
        enough = 0 < wanted >= resolved and check.pairs >= LEAST_PAIRS
        found.append(Resolution(each.q, wanted, resolved, needed, enough))
    return tuple(found)


def _two_figures(requests: float) -> int:
    """Rounded up: more would look more certain than it is."""
    whole = math.ceil(min(_MOST_REQUESTS, requests))
    unit = int(10 ** max(0, len(str(whole)) - 2))
    return -(-whole // unit) * unit


def disturbances(case: Case) -> list[str]:
    """What is to be said when the A/A interval does not hold 1."""
    check = case.comparison("off", "off again")
    return [
        f"A/A at p{each.q * 100:g}: off against off again is {each.ratio.value:.3f} "
        f"[{each.ratio.low:.3f}, {each.ratio.high:.3f}], which does not hold 1. The machine disturbs the arms "
        f"unequally, or this is the one interval in twenty that misses; measure again when it is quiet"
        for each in (check.quantiles if check else ())
        if disturbed(each.ratio)
    ]
