"""Dashboards for Grafana, and rules for Prometheus, made from the metrics of `offpath.telemetry.names`.

Their files are committed under `dashboards/`; `offpath dashboards export DIR` writes them from the installed package.
"""
