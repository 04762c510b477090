"""The kind ``DataFederationPrivateEndpoint``: everything that the operator decides about it."""
