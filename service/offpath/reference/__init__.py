"""Pages and dashboards that are made from code."""
