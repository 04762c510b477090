"""Logs, metrics and probes of the running operator."""
