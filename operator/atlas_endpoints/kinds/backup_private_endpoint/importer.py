"""How ``atlas-endpoints import`` writes manifests of this kind, which Terraform does not have. Pure."""

from atlas_endpoints.kinds.backup_private_endpoint.kind import KIND
from atlas_endpoints.kinds.regional_importer import importer_of

IMPORTER = importer_of(KIND)
