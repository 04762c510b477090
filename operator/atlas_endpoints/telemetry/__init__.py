"""Logs, metrics, probes and traces of the running operator."""
