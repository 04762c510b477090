"""The names of our kind in the Kubernetes API."""

GROUP = "atlas-endpoints.dev"
VERSION = "v1alpha1"
PLURAL = "serverlessprivateendpoints"
KIND = "ServerlessPrivateEndpoint"

FIELD_MANAGER = "atlas-endpoints"
"""Under this name ``managedFields`` shows what the operator wrote."""
