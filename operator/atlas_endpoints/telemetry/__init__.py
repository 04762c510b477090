"""What people see of the running operator: logs, metrics, probes."""
