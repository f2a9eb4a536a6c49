"""Reports of usage: from rows of sums to the groups that `GET /analytics` answers with."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any, Final, Literal, get_args

from offpath.ledger.histogram import quantiles
from offpath.ledger.moment import moment as moment
from offpath.ledger.rollup import RollupKey, Sums, add
from offpath.ledger.usage import FAILED, NANO

GroupBy = Literal["component", "agent", "team", "workflow", "model", "user", "tool", "day", "hour"]
GROUPS: Final[tuple[GroupBy, ...]] = get_args(GroupBy)
COMPONENTS: Final = frozenset({"component", "agent", "team", "workflow"})
FACETS: Final = frozenset({"model", "user", "tool"})
"""What rows are kept by, beside the component."""
TIMES: Final = frozenset({"day", "hour"})

OrderBy = Literal["runs", "cost", "tokens", "errors", "calls"]
ORDERS: Final[tuple[OrderBy, ...]] = get_args(OrderBy)

_SHARES: Final = {"p50": 0.5, "p90": 0.9, "p95": 0.95, "p99": 0.99}
_MICRO: Final = 6
"""Decimals of seconds and shares."""

Groups = dict[tuple[Any, ...], Sums]


def facet_of(group_by: Sequence[str]) -> str:
    """The facet whose rows answer such a question."""
    return next((name for name in group_by if name in FACETS), "component")


def grouped(rows: Iterable[tuple[RollupKey, Sums]], group_by: Sequence[str]) -> Groups:
    """The sums of each group. Rows of kinds of components that are not asked for are left out.

    Args:
        rows: Of one facet, each moment once: hours or days, never both for the same time.
    """
    kinds = {name for name in group_by if name in COMPONENTS}
    every = not kinds or "component" in kinds
    found: Groups = {}
    for key, sums in rows:
        if every or key.component_kind in kinds:
            add(found.setdefault(_group(key, group_by), {}), sums)
    return found


def usage_report(
    groups: Groups, group_by: Sequence[str], *, order_by: OrderBy = "runs", limit: int | None = None
) -> list[dict[str, Any]]:
    """The groups as JSON objects, by time if that is asked for, else the largest first.

    Args:
        order_by: What makes a group large.
        limit: The largest only.
    """
    facet = facet_of(group_by)
    timed = next((index for index, name in enumerate(group_by) if name in TIMES), None)
    ordered = sorted(groups.items(), key=lambda item: (-_size(item[1], order_by, facet), item[0]))[:limit]
    if timed is not None:
        ordered.sort(key=lambda item: item[0][timed])
    return [{**_names(group, group_by), **describe(sums, facet)} for group, sums in ordered]


def total(groups: Groups) -> Sums:
    """The sums of all groups together."""
    whole: Sums = {}
    for sums in groups.values():
        add(whole, sums)
    return whole


def describe(sums: Sums, facet: str) -> dict[str, Any]:
    """Sums as people read them. Seconds, USD; shares from 0 to 1."""
    if facet == "tool":
        return _tool(sums)
    if facet == "user":
        return _user(sums)
    described = {**_runs(sums), **_model_use(sums)}
    if facet == "component":
        described["accounted_runs"] = sums.get("accounted", 0)
        described["tools"] = _tool(sums.get("tools", {}))
        described["hooks"] = {kind: _jobs(jobs) for kind, jobs in sorted(sums.get("hooks", {}).items())}
        described["judge"] = _judge(sums.get("judge", {}))
    return described


def _group(key: RollupKey, group_by: Sequence[str]) -> tuple[Any, ...]:
    parts: list[Any] = []
    for name in group_by:
        if name in COMPONENTS:
            parts.append((key.component_kind, key.component_id))
        elif name in TIMES:
            parts.append(key.start - key.start % (3_600 if name == "hour" else 86_400))
        else:
            parts.append(key.value)
    return tuple(parts)


def _names(group: tuple[Any, ...], group_by: Sequence[str]) -> dict[str, Any]:
    names: dict[str, Any] = {}
    for part, name in zip(group, group_by, strict=True):
        if name in COMPONENTS:
            names["component"] = {"kind": part[0], "id": part[1]}
        elif name in TIMES:
            names[name] = moment(part)
        else:
            names[name] = part or None
    return names


def size_names(order_by: OrderBy, facet: str) -> tuple[str, ...]:
    """The numbers that make a user or tool large, added up. Tools have calls in place of runs."""
    if order_by == "tokens":
        return "input", "output"
    if order_by == "errors":
        return ("failed",) if facet == "user" else ("errors",)
    return ("calls",) if order_by == "runs" and facet == "tool" else (order_by,)


def _size(sums: Sums, order_by: OrderBy, facet: str) -> float:
    """What makes a group large."""
    found: Any
    if facet in ("user", "tool"):
        found = sum(sums.get(name, 0) for name in size_names(order_by, facet))
    elif order_by == "tokens":
        counts = sums.get("tokens", {})
        found = counts.get("input", 0) + counts.get("output", 0)
    elif order_by == "errors":
        found = sum(count for name, count in sums.get("status", {}).items() if name in FAILED)
    else:
        found = sums.get(order_by, 0)
    return float(found)


def _runs(sums: Sums) -> dict[str, Any]:
    runs, status = sums.get("runs", 0), sums.get("status", {})
    described: dict[str, Any] = {
        "runs": runs,
        "nested_runs": sums.get("nested", 0),
        "status": status,
        "error_rate": _share(sum(count for name, count in status.items() if name in FAILED), runs),
    }
    if "errors" in sums:
        described["errors"] = sums["errors"]
    described["latency"] = _times(sums)
    described["time_to_first_token"] = _times(sums.get("first", {}))
    return described


def _model_use(sums: Sums) -> dict[str, Any]:
    tokens, pricing = sums.get("tokens", {}), sums.get("pricing", {})
    return {
        "model_calls": sums.get("calls", 0),
        "tokens": {name: tokens.get(name, 0) for name in ("input", "output", "cached", "reasoning")},
        "cost": _cost(sums.get("cost", 0), pricing),
    }


def _cost(nano: int, pricing: Sums) -> dict[str, Any]:
    """The calls say of how much of the use the cost is."""
    return {
        "usd": nano / NANO,
        "priced_calls": pricing.get("priced", 0),
        "unpriced_calls": pricing.get("unpriced", 0),
        "stand_in_calls": pricing.get("stand_in", 0),
    }


def _tool(sums: Sums) -> dict[str, Any]:
    calls, errors = sums.get("calls", 0), sums.get("errors", 0)
    described: dict[str, Any] = {"calls": calls, "errors": errors, "error_rate": _share(errors, calls)}
    if "latency" in sums:
        return {**described, "latency": _times(sums)}
    return {**described, "seconds": _rounded(sums.get("seconds", 0.0))}


def _user(sums: Sums) -> dict[str, Any]:
    runs = sums.get("runs", 0)
    return {
        "runs": runs,
        "nested_runs": sums.get("nested", 0),
        "error_rate": _share(sums.get("failed", 0), runs),
        "seconds": _rounded(sums.get("seconds", 0.0)),
        "model_calls": sums.get("calls", 0),
        "tokens": {name: sums.get(name, 0) for name in ("input", "output")},
        "cost": {"usd": sums.get("cost", 0) / NANO, "unpriced_calls": sums.get("unpriced", 0)},
    }


def _jobs(sums: Sums) -> dict[str, Any]:
    return {
        "jobs": sums.get("jobs", 0),
        "attempts": sums.get("attempts", 0),
        "outcomes": sums.get("outcomes", {}),
        "seconds": _rounded(sums.get("seconds", 0.0)),
    }


def _judge(sums: Sums) -> dict[str, Any]:
    return {
        "calls": sums.get("calls", 0),
        "tokens": {name: sums.get(name, 0) for name in ("input", "output")},
        "cost": _cost(sums.get("cost", 0), sums.get("pricing", {})),
    }


def _times(sums: Sums) -> dict[str, Any] | None:
    """Count, mean and quantiles; None of nothing."""
    counts = sums.get("latency", {})
    count = sum(counts.values())
    if not count:
        return None
    estimates = zip(_SHARES, quantiles(counts, _SHARES.values()), strict=True)
    times = {name: None if estimate is None else _rounded(estimate) for name, estimate in estimates}
    return {"count": count, "mean": _rounded(sums.get("seconds", 0.0) / count), **times}


def _share(part: int, whole: int) -> float | None:
    return round(part / whole, _MICRO) if whole else None


def _rounded(seconds: float) -> float:
    return round(seconds, _MICRO)
