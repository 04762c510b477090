"""``atlas-endpoints check``: report whether the operator has all that it needs. It changes nothing."""
