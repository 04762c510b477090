"""The picture of the dashboard: `make dashboard-picture`.

A real operator works beside a simulated Atlas, in which things go wrong; a real Prometheus reads its metrics and answers
the queries of the dashboard; what it answers is drawn. Grafana itself is in no registry that serves packages.

| module | what it is about |
| --- | --- |
| `prometheus` | the server: how it is started, what the panels ask it, and what comes back |
| `story` | what happens while it looks |
| `picture` | the drawing, as SVG; pure |
"""
