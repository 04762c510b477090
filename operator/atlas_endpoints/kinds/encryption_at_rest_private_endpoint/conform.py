"""How ``atlas-endpoints conform`` tries endpoints of this kind, in a project with a customer key that no cluster uses. Pure."""

from atlas_endpoints.kinds.conforming import CLOUD, Life, StopError
from atlas_endpoints.kinds.encryption_at_rest_private_endpoint.kind import CLUSTERS, ENCRYPTION, KIND, encryption_in
from atlas_endpoints.kinds.regional_conform import family_of


async def _check(life: Life) -> None:
    settings = encryption_in((await life.look(ENCRYPTION.of(life.scope))).body)
    if settings is None or not settings[CLOUD].requires_private_networking:
        raise StopError("the project does not require private networking for a key in AWS KMS")
    clusters = CLUSTERS.parse((await life.look(CLUSTERS.of(life.scope).page(1))).body.get("results"))
    if clusters is None or len(clusters) >= CLUSTERS.page_size or any(each.provider != "NONE" for each in clusters):
        raise StopError("clusters of the project use customer keys, or it is not known whether they do")


FAMILY = family_of(KIND, _check)
