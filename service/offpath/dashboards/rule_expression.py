"""Expressions that rules have in common."""

from __future__ import annotations

import textwrap
from typing import Final

from offpath.dashboards.promql import Series, label
from offpath.telemetry import names
from offpath.telemetry.names import Attribute

DEPLOYMENT: Final = ("cluster", "namespace", "job")
"""Labels that tell one deployment of a service, with its workers, from others. Those that a server does not add are
absent, and then absent in what is worked out."""
TARGET: Final = (*DEPLOYMENT, "instance")
"""Labels of one page that is scraped."""


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
    zero could be recorded for a label that nobody knew, has grown by 0 for it. Here a series that was not on its page
    when the window began, while the page was, has grown by what it is.
    """
    new = f"(\n  {selector}\n  unless\n  {selector} offset {window}\n)"
    there = f"and on ({', '.join(TARGET)}) {SHOWN_BY_ALL} offset {window}"
    return f"{new} {there}\nor\nincrease({selector}[{window}])"


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
