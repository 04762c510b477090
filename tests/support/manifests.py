"""A manifest as text, and the reader of the commands."""

from atlas_endpoints.commands.manifests import Document, ManifestReader
from atlas_endpoints.kinds.serverless_private_endpoint.kind import KIND

ORDERS = """\
apiVersion: atlas-endpoints.dev/v1alpha1
kind: ServerlessPrivateEndpoint
metadata:
  name: orders
spec:
  projectId: "32b6e34b3d91647abb20e7b8"
  instanceName: shop
  providerName: AWS
  endpointId: "5f7cac1adf5d6c6306f4b283"
"""
NAMESPACED = ORDERS.replace("name: orders", "name: orders\n  namespace: web")


def read(file: str, text: str) -> list[Document]:
    """Return the documents in the text of a file."""
    return ManifestReader([KIND], namespace="shop", use_statuses=True).read(file, text)
