"""The process of ``atlas-endpoints run``: connections, signals, leadership, and what it reports."""
