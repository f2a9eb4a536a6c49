"""PromQL over the metrics of `telemetry.names`.

No name of a metric or label is written as Prometheus has it: it is looked up, so that one that was renamed or mistyped
fails when the dashboards are made, not as an empty panel.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Final, Self

from offpath.errors import ConfigurationError
from offpath.telemetry.names import METRICS, Attribute, Metric
from offpath.telemetry.prometheus_names import family_name, label_text, unit_word

RATE_INTERVAL: Final = "$__rate_interval"
"""Grafana's: at least four scrapes, at least one step."""
DEPLOYMENT: Final = ("cluster", "namespace", "job")
"""Labels that tell one deployment of a service, with its workers, from others. Those that a server does not add are
absent, and then absent in what is worked out."""
TARGET: Final = (*DEPLOYMENT, "instance")
"""Labels of one page that is scraped."""
DASHBOARD_SCOPE: Final = tuple(f'{name}=~"${name}"' for name in TARGET)
"""What every selector of a dashboard begins with."""

ON_EVERY_PAGE: Final = "offpath.telemetry.dropped"
"""A counter that every process shows, at 0 from its start."""

_BY_NAME: Final = {metric.name: metric for metric in METRICS}
_SUFFIXES: Final = {"counter": ("_total",), "histogram": ("_bucket", "_count", "_sum"), "gauge": ("",), "updown": ("",)}
_WORD: Final = re.compile(r"[a-zA-Z_:][a-zA-Z0-9_:]*")
_SELECTOR: Final = re.compile(r"([a-zA-Z_:][a-zA-Z0-9_:]*)(?:\{([^}]*)\})?")


def metric(name: str) -> Metric:
    """The metric with that name of OpenTelemetry: `offpath.runs`.

    Raises:
        ConfigurationError: There is none.
    """
    try:
        return _BY_NAME[name]
    except KeyError:
        raise ConfigurationError(f"there is no metric {name!r}; `telemetry/names.py` has all of them") from None


def family(of: Metric) -> str:
    """Its name on the /metrics page, without the suffix of its samples: `offpath_runs`."""
    return family_name(of.name, unit_word(of.unit, gauge=of.kind == "gauge"), counter=of.kind == "counter")


def label(attribute: Attribute) -> str:
    """The label's name on the page: `offpath_hook_kind`."""
    return label_text({attribute.key: "-"}).partition("=")[0]


def metrics_in(expression: str) -> tuple[Metric, ...]:
    """The metrics that a query reads, each once, in their order there."""
    found = (_BY_PAGE_NAME.get(word) for word in _WORD.findall(expression))
    return tuple(dict.fromkeys(each for each in found if each is not None))


def selectors(expression: str) -> list[tuple[Metric, str]]:
    """The metric and the matchers of each selector in a query, "" without any."""
    found = ((_BY_PAGE_NAME.get(each[1]), each[2] or "") for each in _SELECTOR.finditer(expression))
    return [(metric, matchers) for metric, matchers in found if metric is not None]


_BY_PAGE_NAME: Final = {family(each) + suffix: each for each in METRICS for suffix in _SUFFIXES[each.kind]}


@dataclass(frozen=True, slots=True)
class Series:
    """The series of one metric, or some of them."""

    metric: Metric
    matchers: tuple[str, ...] = DASHBOARD_SCOPE

    @classmethod
    def of(cls, name: str, *, scope: Sequence[str] = DASHBOARD_SCOPE) -> Self:
        """All series of a metric.

        Args:
            name: OpenTelemetry's: `offpath.runs`.
            scope: Matchers to begin with; those of rules are none.

        Raises:
            ConfigurationError: There is no such metric.
        """
        return cls(metric(name), tuple(scope))

    def where(self, attribute: Attribute, *values: str) -> Self:
        """Only those with one of these values; "" is the value of series without the label.

        Raises:
            ConfigurationError: The metric has no such label, or the label never has such a value.
        """
        self._check(attribute, values)
        if len(values) == 1:
            return self._matching(f'{label(attribute)}="{values[0]}"')
        return self._matching(f'{label(attribute)}=~"{"|".join(values)}"')

    def where_not(self, attribute: Attribute, value: str) -> Self:
        """Only those with another value.

        Raises:
            ConfigurationError: As `where`.
        """
        self._check(attribute, (value,))
        return self._matching(f'{label(attribute)}!="{value}"')

    def like(self, attribute: Attribute, expression: str) -> Self:
        """Only those whose value is like the whole of a regular expression, or the variable `$name` of a dashboard.

        Raises:
            ConfigurationError: The metric has no such label.
        """
        self._check(attribute, ())
        return self._matching(f'{label(attribute)}=~"{expression}"')

    def unlike(self, attribute: Attribute, expression: str) -> Self:
        """Only those whose value is not like the whole of a regular expression.

        Raises:
            ConfigurationError: The metric has no such label.
        """
        self._check(attribute, ())
        return self._matching(f'{label(attribute)}!~"{expression}"')

    def rate(self, *by: Attribute, window: str = RATE_INTERVAL) -> str:
        """How much a counter grows in a second, summed."""
        return self._aggregated("sum", by, f"rate({self._selector('_total')}[{window}])")

    def increase(self, *by: Attribute, window: str = RATE_INTERVAL) -> str:
        """How much a counter grew in the window, summed."""
        return self._aggregated("sum", by, f"increase({self._selector('_total')}[{window}])")

    def grown(self, *by: Attribute, window: str = RATE_INTERVAL) -> str:
        """How much a counter, or a histogram's count, grew in the window, the first event of a new series included.

        `increase()` takes the first value for what was there before, so a type of error is seen from its second
        occurrence on. Here a series that its page did not have when the window began counts as what it is, provided
        that there was a page before it: what is scraped for the first time is not new.
        """
        found = self._selector("_count" if self.metric.kind == "histogram" else "_total")
        scope = tuple(each for each in self.matchers if each in DASHBOARD_SCOPE)
        page = Series(metric(ON_EVERY_PAGE), scope).selector("_total")
        return self._aggregated("sum", by, f"{_in_one_line(new(found, page, window))} or increase({found}[{window}])")

    def count_rate(self, *by: Attribute, window: str = RATE_INTERVAL) -> str:
        """How often a histogram was recorded in a second."""
        return self._aggregated("sum", by, f"rate({self._selector('_count')}[{window}])")

    def sum_rate(self, *by: Attribute, window: str = RATE_INTERVAL) -> str:
        """How much was recorded to a histogram in a second."""
        return self._aggregated("sum", by, f"rate({self._selector('_sum')}[{window}])")

    def buckets(self, *by: Attribute, window: str = RATE_INTERVAL) -> str:
        """How much each bucket of a histogram grew in the window."""
        return self._aggregated("sum", by, f"increase({self._selector('_bucket')}[{window}])", "le")

    def quantile(self, share: float, *by: Attribute, window: str = RATE_INTERVAL) -> str:
        """A quantile of what was recorded to a histogram."""
        buckets = self._aggregated("sum", by, f"rate({self._selector('_bucket')}[{window}])", "le")
        return f"histogram_quantile({share:g}, {buckets})"

    def mean(self, *by: Attribute, window: str = RATE_INTERVAL) -> str:
        """The mean of what was recorded to a histogram; nothing where nothing was."""
        return f"{self.sum_rate(*by, window=window)} / ({self.count_rate(*by, window=window)} > 0)"

    def total(self, *by: Attribute) -> str:
        """The sum of a gauge that each process has its own share of."""
        return self._aggregated("sum", by, self._selector(""))

    def shared(self, *by: Attribute) -> str:
        """A gauge that several processes read from the store that they share: the same figure, however many show it.

        One for each deployment; `added`, `largest` and `smallest` make one of several. Not `max without (instance)`:
        pods of service and worker differ too, and would count twice in a sum.
        """
        return self._aggregated("max", by, self._selector(""), *DEPLOYMENT)

    def of_all_instances(self) -> Self:
        """The same whatever instances are chosen: for what one process counts of another one's work."""
        return replace(self, matchers=tuple(each for each in self.matchers if each != DASHBOARD_SCOPE[-1]))

    def selector(self, suffix: str = "") -> str:
        """The series as they are.

        Args:
            suffix: Of a counter `_total`; of a histogram `_bucket`, `_count` or `_sum`.

        Raises:
            ConfigurationError: Metrics of this kind have no such samples.
        """
        return self._selector(suffix)

    def _selector(self, suffix: str) -> str:
        kind = self.metric.kind
        if suffix not in _SUFFIXES[kind]:
            raise ConfigurationError(f"{self.metric.name} is a {kind}, whose samples do not end with {suffix!r}")
        return f"{family(self.metric)}{suffix}" + (f"{{{','.join(self.matchers)}}}" if self.matchers else "")

    def _aggregated(self, operation: str, by: Sequence[Attribute], expression: str, *more: str) -> str:
        for attribute in by:
            self._check(attribute, ())
        labels = ", ".join([*more, *(label(attribute) for attribute in by)])
        return f"{operation} by ({labels}) ({expression})" if labels else f"{operation} ({expression})"

    def _check(self, attribute: Attribute, values: Sequence[str]) -> None:
        if attribute not in self.metric.labels:
            raise ConfigurationError(f"{self.metric.name} has no label {attribute.key} ({attribute.description})")
        for value in values:
            if value and attribute.values and value not in attribute.values:
                raise ConfigurationError(
                    f"{self.metric.name}: {attribute.key} is never {value!r}, but {', '.join(attribute.values)}"
                )

    def _matching(self, matcher: str) -> Self:
        return replace(self, matchers=(*self.matchers, matcher))


def share(part: str, whole: str) -> str:
    """What share of the whole a part is: 0 where the part has no series yet, nothing where the whole is 0."""
    return f"({part} or 0 * {whole}) / ({whole} > 0)"


def some(expression: str) -> str:
    """Only what is above 0: of hundreds of series, those where something happened."""
    return f"({expression}) > 0"


def per_minute(per_second: str) -> str:
    """The same in a minute."""
    return f"60 * {per_second}"


def per_hour(per_second: str) -> str:
    """The same in an hour."""
    return f"3600 * {per_second}"


def new(found: str, page: str, window: str) -> str:
    """Those of some series that began within the window, while their page was there; in several lines.

    Both have a sample of each scrape, so a series with fewer of them than its page began later. A page of which
    Prometheus sees nothing for a while, or that it sees for the first time, has as many as its series.

    Args:
        found: A selector.
        page: A selector of series that the page has from its first moment on.
        window: `5m`.
    """
    one = ", ".join(TARGET)
    return (
        f"(\n  {found}\n  unless\n  {found} offset {window}\n)\n"
        f"and (\n  count_over_time({found}[{window}])\n"
        f"  < on ({one}) group_left ()\n  max by ({one}) (count_over_time({page}[{window}]))\n)"
    )


def _in_one_line(expression: str) -> str:
    return re.sub(r"\n *", " ", expression).replace("( ", "(").replace(" )", ")")


def added(gauge: str, *by: Attribute) -> str:
    """The sum of what a shared gauge shows, by some of its labels."""
    return _over_all("sum", gauge, by)


def largest(gauge: str, *by: Attribute) -> str:
    """The largest value that a shared gauge shows, by some of its labels."""
    return _over_all("max", gauge, by)


def smallest(gauge: str, *by: Attribute) -> str:
    """The smallest value that a shared gauge shows, by some of its labels."""
    return _over_all("min", gauge, by)


def _over_all(operation: str, gauge: str, by: Sequence[Attribute]) -> str:
    labels = ", ".join(label(attribute) for attribute in by)
    return f"{operation} by ({labels}) ({gauge})" if labels else f"{operation} ({gauge})"
