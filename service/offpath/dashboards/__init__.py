"""Dashboards for Grafana, and rules for Prometheus, made from the metrics of `offpath.telemetry.names`.

What is made here is committed under `dashboards/`; `offpath dashboards export DIR` writes it from the installed package.
"""
