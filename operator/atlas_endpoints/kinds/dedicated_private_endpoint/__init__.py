"""The kind ``DedicatedPrivateEndpoint``: everything that the operator decides about it."""
