"""Figures as people read them: times with their unit, ratios, shares."""

from __future__ import annotations

import math

from offpath.proof.findings import Estimate

MINUS = "\N{MINUS SIGN}"
NARROW = "\N{NO-BREAK SPACE}"
NONE = "\N{EM DASH}"
"""Where there is no figure."""

_UNITS = (("µs", 1e-6), ("ms", 1e-3), ("s", 1.0), ("min", 60.0), ("h", 3600.0))


def unit_of(seconds: float) -> tuple[str, float]:
    """The unit to write a time in, and how many seconds it has.

    >>> unit_of(0.024)
    ('ms', 0.001)
    """
    size = abs(seconds)
    if size < 0.9995e-3:
        return _UNITS[0]
    if size < 0.9995:
        return _UNITS[1]
    return _UNITS[2] if size < 120 else _UNITS[3] if size < 7200 else _UNITS[4]


def time_text(seconds: float, digits: int = 3) -> str:
    """A time with `digits` significant digits and its unit."""
    if not math.isfinite(seconds):
        return NONE
    name, size = unit_of(seconds)
    return f"{plain_number(seconds / size, digits)}{NARROW}{name}"


def plain_number(value: float, digits: int = 3) -> str:
    """`digits` significant digits, but never fewer than there are before the point, and no exponent.

    >>> plain_number(24.04), plain_number(1234.5), plain_number(-0.5)
    ('24.0', '1,234', '−0.500')
    """
    if not math.isfinite(value):
        return NONE
    if value == 0:
        return "0"
    rounded = float(f"{value:.{digits - 1}e}")  # 9.996 has three digits as 10.0
    if not math.isfinite(rounded):  # the largest numbers would be rounded up to infinity
        rounded = value
    decimals = max(0, digits - 1 - math.floor(math.log10(abs(rounded))))
    return f"{value:,.{min(decimals, 9)}f}".replace("-", MINUS)


def tick_text(value: float) -> str:
    """As short as a round figure can be written."""
    return f"{value:.6g}".replace("-", MINUS)


def ratio_decimals(estimate: Estimate) -> int:
    """As many digits as the interval has something to say about: two in its width, but thousandths below 1."""
    width = estimate.high - estimate.low
    if not math.isfinite(width) or width <= 0:
        return 3
    return 2 if width >= 1 else min(4, max(3, 1 - math.floor(math.log10(width))))


def ratio_text(estimate: Estimate) -> str:
    """Such as "1.004 [0.998, 1.010]"."""
    decimals = ratio_decimals(estimate)
    value, low, high = (_fixed(each, decimals) for each in (estimate.value, estimate.low, estimate.high))
    return f"{value} [{low}, {high}]"


def percent_text(estimate: Estimate) -> str:
    """A ratio as a change: "+0.4 % [−0.2, +1.0]"."""
    decimals = max(0, ratio_decimals(estimate) - 2)
    value, low, high = (_signed(100 * (each - 1), decimals) for each in (estimate.value, estimate.low, estimate.high))
    return f"{value}{NARROW}% [{low}, {high}]"


def difference_text(microseconds: Estimate) -> str:
    """A difference with its interval, all in the unit of the largest: "+12 µs [−6, +31]"."""
    parts = (microseconds.value, microseconds.low, microseconds.high)
    finite = [abs(part) for part in parts if math.isfinite(part)]
    name, size = unit_of(max(finite, default=0.0) * 1e-6)
    largest = max(finite, default=0.0) * 1e-6 / size
    decimals = 0 if largest >= 100 or (name == "µs" and largest >= 10) else 1 if largest >= 10 else 2
    value, low, high = (_signed(part * 1e-6 / size, decimals) for part in parts)
    return f"{value}{NARROW}{name} [{low}, {high}]"


def share_text(share: float) -> str:
    """A share as a percentage: two digits."""
    return f"{plain_number(100 * share, 2)}{NARROW}%" if share else f"0{NARROW}%"


def quantile_name(q: float) -> str:
    """0.5 is p50."""
    return f"p{100 * q:.6g}"


def _fixed(value: float, decimals: int) -> str:
    return f"{value:,.{decimals}f}".replace("-", MINUS) if math.isfinite(value) else NONE


def _signed(value: float, decimals: int) -> str:
    if not math.isfinite(value):
        return NONE
    text = f"{value:+,.{decimals}f}"
    return text.lstrip("+-") if float(text.replace(",", "")) == 0 else text.replace("-", MINUS)
