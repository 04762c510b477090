"""The kind ``ServerlessPrivateEndpoint``: everything that the operator decides about it."""
