"""A dashboard as Grafana's JSON.

Source: Grafana's dashboard schema, version 42, and the options of the panels stat, timeseries, table and heatmap.
"""

from __future__ import annotations

import json
import string
import zlib
from typing import Any, Final

from offpath.dashboards.dashboard import TAG, Dashboard, Variable, not_narrowed, variables
from offpath.dashboards.layout import COLUMNS, Place, places
from offpath.dashboards.panel import Panel, Target, Threshold
from offpath.dashboards.promql import DASHBOARD_SCOPE, label
from offpath.errors import ConfigurationError

SCHEMA_VERSION: Final = 42
DATASOURCE: Final = {"type": "prometheus", "uid": "${datasource}"}

_REFRESH_WITH_TIME: Final = 2
"""Ask for a variable's values again whenever the time range changes."""


def document(dashboard: Dashboard) -> dict[str, Any]:
    """The dashboard as JSON values; the same code gives the same ones.

    Raises:
        ConfigurationError: Panels do not fit into the grid, two of them have one title, or one follows a variable in
            some of its queries only.
    """
    return {
        "annotations": {"list": [_BUILT_IN_ANNOTATIONS, _ALERTS]},
        "description": dashboard.description,
        "editable": False,
        "fiscalYearStartMonth": 0,
        "graphTooltip": 1,
        "id": None,
        "links": [_LINKS],
        "panels": _panels(dashboard),
        "preload": False,
        "refresh": "30s",
        "schemaVersion": SCHEMA_VERSION,
        "tags": [TAG],
        "templating": {"list": [_DATASOURCE_VARIABLE, *(_variable(each) for each in variables(dashboard))]},
        "time": {"from": "now-1h", "to": "now"},
        "timepicker": {},
        "timezone": "browser",
        "title": dashboard.title,
        "uid": dashboard.uid,
        "version": 1,
        "weekStart": "",
    }


def text(dashboard: Dashboard) -> str:
    """The dashboard's file.

    Raises:
        ConfigurationError: As `document`.
    """
    return json.dumps(document(dashboard), indent=2, ensure_ascii=False) + "\n"


def panel_id(dashboard: Dashboard, title: str) -> int:
    """The number that links to a panel have: it stays when panels are added beside it."""
    return zlib.crc32(f"{dashboard.uid}/{title}".encode()) % 1_000_000 + 1


_BUILT_IN_ANNOTATIONS: Final = {
    "builtIn": 1,
    "datasource": {"type": "grafana", "uid": "-- Grafana --"},
    "enable": True,
    "hide": True,
    "iconColor": "rgba(0, 211, 255, 1)",
    "name": "Annotations & Alerts",
    "type": "dashboard",
}
# Times at which an alert of `prometheus/rules.yml` fired, on every panel over time.
_ALERTS: Final = {
    "datasource": DATASOURCE,
    "enable": True,
    "expr": f'ALERTS{{alertname=~"Offpath.*",alertstate="firing",{",".join(DASHBOARD_SCOPE[:-1])}}}',
    "hide": False,
    "iconColor": "red",
    "name": "Alerts",
    "step": "60s",
    "tagKeys": "severity",
    "textFormat": "{{instance}}",
    "titleFormat": "{{alertname}}",
}
_LINKS: Final = {
    "asDropdown": False,
    "icon": "external link",
    "includeVars": True,
    "keepTime": True,
    "tags": [TAG],
    "targetBlank": False,
    "title": "offpath",
    "tooltip": "",
    "type": "dashboards",
    "url": "",
}
_DATASOURCE_VARIABLE: Final = {
    "current": {},
    "hide": 0,
    "includeAll": False,
    "label": "Data source",
    "multi": False,
    "name": "datasource",
    "options": [],
    "query": "prometheus",
    "refresh": 1,
    "regex": "",
    "type": "datasource",
}


def _variable(variable: Variable) -> dict[str, Any]:
    return {
        "allValue": variable.all_values,
        "current": {"text": ["All"], "value": ["$__all"]},
        "datasource": DATASOURCE,
        "definition": variable.query,
        "hide": 0,
        "includeAll": True,
        "label": variable.title,
        "multi": True,
        "name": variable.name,
        "options": [],
        "query": {"qryType": 1, "query": variable.query, "refId": f"variable-{variable.name}"},
        "refresh": _REFRESH_WITH_TIME,
        "regex": "",
        "sort": 1,
        "type": "query",
    }


def _panels(dashboard: Dashboard) -> list[dict[str, Any]]:
    made: list[dict[str, Any]] = []
    line = 0
    for row in dashboard.rows:
        place = Place(0, line, COLUMNS, 1)
        identity = panel_id(dashboard, f"row {row.title}")
        made.append(
            {"collapsed": False, "gridPos": _grid(place), "id": identity, "panels": [], "title": row.title}
            | {"type": "row"}
        )
        found, line = places(row, line + 1)
        for panel, place in zip(row.panels, found, strict=True):
            text = panel.text([each.title for each in not_narrowed(dashboard, panel)])
            made.append(_panel(panel, text, place, panel_id(dashboard, panel.title)))
    titles = [each["title"] for each in made]
    if len({each["id"] for each in made}) != len(made):
        raise ConfigurationError(f"{dashboard.title}: two panels have one title, or one number: {titles}")
    return made


def _panel(panel: Panel, description: str, place: Place, identity: int) -> dict[str, Any]:
    return {
        "datasource": DATASOURCE,
        "description": description,
        "fieldConfig": {"defaults": _defaults(panel), "overrides": _overrides(panel)},
        "gridPos": _grid(place),
        "id": identity,
        "options": _OPTIONS[panel.kind](panel),
        "targets": [_target(panel, each, refid) for refid, each in _lettered(panel)],
        "title": panel.title,
        **({"transformations": _transformations(panel)} if panel.kind == "table" else {}),
        "type": panel.kind,
    }


def _grid(place: Place) -> dict[str, int]:
    return {"h": place.height, "w": place.width, "x": place.x, "y": place.y}


def _lettered(panel: Panel) -> list[tuple[str, Target]]:
    return list(zip(string.ascii_uppercase, panel.targets, strict=False))


def _target(panel: Panel, target: Target, refid: str) -> dict[str, Any]:
    # A figure is that of now: of a range the last one would still be shown long after its source is gone.
    instant = panel.kind in ("table", "stat")
    return {
        "datasource": DATASOURCE,
        "editorMode": "code",
        "exemplar": target.exemplars,
        "expr": target.expression,
        "format": {"table": "table", "heatmap": "heatmap"}.get(panel.kind, "time_series"),
        "instant": instant,
        "legendFormat": "{{le}}" if panel.kind == "heatmap" else target.legend,
        "range": not instant,
        "refId": refid,
    }


# -- fields -----------------------------------------------------------------------------------------------------------


def _defaults(panel: Panel) -> dict[str, Any]:
    shown: dict[str, Any] = {
        "color": {"mode": "thresholds" if panel.kind in ("stat", "table") else "palette-classic"},
        "custom": _CUSTOM[panel.kind](panel) if panel.kind in _CUSTOM else {},
        "noValue": panel.no_value,
        "thresholds": _steps(panel.thresholds, panel.base),
        "unit": panel.unit,
    }
    if panel.minimum is not None:
        shown["min"] = panel.minimum
    if panel.maximum is not None:
        shown["max"] = panel.maximum
    return shown


def _steps(thresholds: tuple[Threshold, ...], base: str | None = None) -> dict[str, Any]:
    first = base or ("green" if thresholds else "text")
    steps: list[dict[str, Any]] = [{"color": first, "value": None}]
    return {"mode": "absolute", "steps": steps + [{"color": each.color, "value": each.value} for each in thresholds]}


def _timeseries_custom(panel: Panel) -> dict[str, Any]:
    return {
        "axisBorderShow": False,
        **({} if panel.logarithmic else {"axisSoftMin": 0}),
        "drawStyle": "bars" if panel.bars else "line",
        # Lines that are not on top of each other have no areas: those of many would be one block.
        "fillOpacity": 60 if panel.bars else 25 if panel.stacked else 0,
        "lineWidth": 1,
        "pointSize": 4,
        "scaleDistribution": {"log": 10, "type": "log"} if panel.logarithmic else {"type": "linear"},
        # A single value between two gaps would be invisible as a line.
        "showPoints": "auto",
        "spanNulls": False,
        "stacking": {"group": "A", "mode": "normal" if panel.stacked else "none"},
        "thresholdsStyle": {"mode": "dashed" if panel.thresholds else "off"},
    }


def _table_custom(panel: Panel) -> dict[str, Any]:
    return {"align": "auto", "cellOptions": {"type": "auto"}, "filterable": False}


_CUSTOM: Final = {"timeseries": _timeseries_custom, "table": _table_custom}


def _overrides(panel: Panel) -> list[dict[str, Any]]:
    if panel.kind == "table":
        return [each for target in panel.targets if (each := _column(target)) is not None]
    found: list[dict[str, Any]] = []
    for refid, target in _lettered(panel):
        properties: list[dict[str, Any]] = []
        if target.color is not None:
            properties.append({"id": "color", "value": {"fixedColor": target.color, "mode": "shades"}})
        if target.dashed:
            properties.append({"id": "custom.lineStyle", "value": {"dash": [6, 6], "fill": "dash"}})
            properties.append({"id": "custom.fillOpacity", "value": 0})
        if properties:
            found.append({"matcher": {"id": "byFrameRefID", "options": refid}, "properties": properties})
    for name, color in panel.colors:
        several = name.startswith("/")
        fixed = {"id": "color", "value": {"fixedColor": color, "mode": "shades" if several else "fixed"}}
        matcher = {"id": "byRegexp" if several else "byName", "options": name}
        found.append({"matcher": matcher, "properties": [fixed]})
    return found


def _column(target: Target) -> dict[str, Any] | None:
    properties: list[dict[str, Any]] = []
    if target.unit is not None:
        properties.append({"id": "unit", "value": target.unit})
    if target.thresholds:
        properties.append({"id": "thresholds", "value": _steps(target.thresholds, target.base)})
        properties.append({"id": "custom.cellOptions", "value": {"type": "color-text"}})
    if not properties:
        return None
    return {"matcher": {"id": "byName", "options": target.legend}, "properties": properties}


def _transformations(panel: Panel) -> list[dict[str, Any]]:
    """One row for each set of labels, with the columns that the panel names, in its order."""
    renamed = {name if isinstance(name, str) else label(name): title for name, title in panel.columns}
    order = {name: place for place, name in enumerate(renamed)}
    hidden = {"Time": True}
    for refid, target in _lettered(panel):
        value = "Value" if len(panel.targets) == 1 else f"Value #{refid}"
        if panel.values:
            renamed[value] = target.legend
            order[value] = len(order)
        else:
            hidden[value] = True
    return [
        {"id": "merge", "options": {}},
        {"id": "organize", "options": {"excludeByName": hidden, "indexByName": order, "renameByName": renamed}},
    ]


# -- options ----------------------------------------------------------------------------------------------------------


def _stat_options(panel: Panel) -> dict[str, Any]:
    return {
        "colorMode": "value",
        "graphMode": "none",
        "justifyMode": "auto",
        "orientation": "auto",
        "reduceOptions": {"calcs": ["lastNotNull"], "fields": "", "values": False},
        "textMode": "value_and_name" if panel.names else "auto",
        "wideLayout": True,
    }


def _timeseries_options(panel: Panel) -> dict[str, Any]:
    shown = {"calcs": [], "displayMode": "list", "placement": "bottom", "showLegend": True}
    if panel.table_legend:
        shown |= {"calcs": ["lastNotNull", "max"], "displayMode": "table", "placement": "right"}
    return {"legend": shown, "tooltip": {"mode": "multi", "sort": "desc"}}


def _table_options(panel: Panel) -> dict[str, Any]:
    by = [] if panel.sort is None else [{"desc": panel.sort[1] == "down", "displayName": panel.sort[0]}]
    return {"cellHeight": "sm", "footer": {"show": False}, "showHeader": True, "sortBy": by}


def _heatmap_options(panel: Panel) -> dict[str, Any]:
    return {
        "calculate": False,
        "cellGap": 1,
        "color": {"exponent": 0.5, "fill": "dark-orange", "mode": "scheme", "reverse": False}
        | {"scale": "exponential", "scheme": "Oranges", "steps": 64},
        "exemplars": {"color": "rgba(255,0,255,0.7)"},
        "filterValues": {"le": 1e-09},
        "legend": {"show": True},
        "rowsFrame": {"layout": "auto"},
        "showValue": "never",
        "tooltip": {"mode": "single", "showColorScale": False, "yHistogram": True},
        "yAxis": {"axisPlacement": "left", "reverse": False, "unit": panel.unit},
    }


_OPTIONS: Final = {
    "stat": _stat_options,
    "timeseries": _timeseries_options,
    "table": _table_options,
    "heatmap": _heatmap_options,
}
