"""Names that objects of tests have."""

NAMED = {"apiVersion": "atlas-endpoints.dev/v1alpha1", "kind": "ServerlessPrivateEndpoint"}
"""Of what kind an object is, where a test does not care."""
