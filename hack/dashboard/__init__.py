"""The picture of the dashboard: `make dashboard-picture`.

A real operator works beside a simulated Atlas, in which things go wrong; a real Prometheus reads its metrics and answers
the queries of the dashboard; what it answers is drawn. Grafana itself is in no registry that serves packages.

| module | what it is about |
| --- | --- |
| `prometheus` | the server: which one, how it is started and asked |
| `story` | what happens while it looks |
| `answers` | the panels' queries, filled in as Grafana does, and what comes back |
| `picture` | the drawing, as SVG; pure |
"""
