"""How ``atlas-endpoints import`` writes manifests of this kind. Pure."""

from atlas_endpoints.kinds.encryption_at_rest_private_endpoint.kind import KIND
from atlas_endpoints.kinds.regional_importer import importer_of

IMPORTER = importer_of(KIND, "mongodbatlas_encryption_at_rest_private_endpoint")
