"""The committed dashboards without a Grafana: a page that asks a Prometheus what their panels ask.

It draws what the dashboards use (time series, figures, tables, heatmaps) and nothing else. For `make stack` and a first
look; whoever has a Grafana imports the same files there.
"""
