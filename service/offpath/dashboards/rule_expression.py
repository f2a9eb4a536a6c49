"""Expressions that rules have in common."""

from __future__ import annotations

import textwrap
from typing import Final

from offpath.dashboards.promql import DEPLOYMENT, Series, label, new
from offpath.telemetry import names
from offpath.telemetry.names import Attribute


def series(name: str) -> Series:
    """All series of a metric, without the variables of dashboards."""
    return Series.of(name, scope=())


def by(*attributes: Attribute, also: str = "") -> str:
    """`by (...)`: the deployment, and these labels."""
    return f"by ({', '.join([*DEPLOYMENT, *(label(each) for each in attributes), *([also] if also else [])])})"


def on(*attributes: Attribute) -> str:
    """`on (...)`: the same labels, to match by."""
    return f"on ({', '.join([*DEPLOYMENT, *(label(each) for each in attributes)])})"


SHOWN_BY_ALL: Final = series("offpath.telemetry.dropped").where(names.SIGNAL, "traces").selector("_total")
"""A series that every page has from its first moment on: whether it was there tells whether the page was."""


def grown(selector: str, window: str) -> str:
    """By how much each counter grew in the window, the first event of a new series included.

    `increase()` needs two samples, and takes the first for what was there before: a series that appears at 3, since no
    zero could be recorded for a label that nobody knew, has grown by 0 for it. Here a series that began within the
    window, while its page was there, has grown by what it is.
    """
    return f"{new(selector, SHOWN_BY_ALL, window)}\nor\nincrease({selector}[{window}])"


def total(expression: str, *attributes: Attribute) -> str:
    """The sum over all pages, by deployment and these labels."""
    return f"sum {by(*attributes)} (\n{indented(expression)}\n)"


def highest(expression: str, *attributes: Attribute) -> str:
    """What pages show of a thing they share, such as the queue: the highest, by deployment and these labels."""
    return f"max {by(*attributes)} ({expression})"


def indented(text: str) -> str:
    """Two columns to the right."""
    return textwrap.indent(text, "  ")


def shown(attribute: Attribute) -> str:
    """An alert's text where the label's value is filled in."""
    return f"{{{{ $labels.{label(attribute)} }}}}"


PERCENT: Final = "{{ $value | humanizePercentage }}"
COUNT: Final = '{{ $value | printf "%.0f" }}'
DURATION: Final = "{{ $value | humanizeDuration }}"
