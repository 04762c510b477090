"""How ``atlas-endpoints conform`` tries endpoints of this kind. Pure."""

from atlas_endpoints.kinds.backup_private_endpoint.kind import KIND
from atlas_endpoints.kinds.regional_conform import family_of

FAMILY = family_of(KIND)
