"""What the commands ``check`` and ``plan`` ask and say about serverless private endpoints. Pure."""

from collections.abc import Collection, Iterable

from atlas_endpoints.atlas.errors import one_line
from atlas_endpoints.atlas.requests import Request, Scope
from atlas_endpoints.kinds.serverless_private_endpoint.atlas import Endpoint, update_of
from atlas_endpoints.kinds.serverless_private_endpoint.resource import Spec

NO_ENDPOINT = "0" * 24
"""The ID of an endpoint that cannot exist."""

PROVIDERS = ("AWS", "AZURE")


def mismatch(spec: Spec, endpoints: Collection[Endpoint]) -> str | None:
    """Return why a resource cannot have an endpoint beside these, since an instance is in one cloud."""
    shown = _providers(endpoints)
    if not shown or spec.provider_name in shown:
        return None
    return (
        f"spec.providerName is {spec.provider_name}, but the endpoints of instance {spec.instance_name} are in"
        f" {' and '.join(one_line(each, limit=100) for each in shown)}. Correct providerName. providerName of an existing"
        " resource cannot change: delete the resource and create it again. Atlas keeps the endpoint unless deletionPolicy"
        " is Delete."
    )


def harmless_writes(scope: Scope, endpoints: Collection[Endpoint]) -> Iterable[Request]:
    """Return PATCHes without a change to an endpoint that cannot exist.

    Atlas checks the role before it looks for the endpoint. It rejects a PATCH with the provider of another cloud.
    """
    shown = _providers(endpoints)
    for provider in sorted(PROVIDERS, key=lambda each: each not in shown):
        yield update_of(scope.project_id, scope.name, NO_ENDPOINT, provider, {})


def _providers(endpoints: Collection[Endpoint]) -> list[str]:
    return sorted({each.provider_name for each in endpoints if each.provider_name})
