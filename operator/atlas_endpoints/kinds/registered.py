"""A resource that names an endpoint of the user's network by the ID that the cloud gave it. Pure."""

from collections.abc import Mapping

from pydantic.alias_generators import to_camel
from typing_extensions import override

from atlas_endpoints.kinds.cloud_endpoint import EndpointResource

FIELD = "cloudProviderEndpointId"
"""The managed field that is the ID. That it was confirmed means that Atlas has shown the endpoint."""


class RegisteredResource(EndpointResource, frozen=True):
    """A resource that registers a private endpoint of a cloud; its references keep the values that they had first."""

    @property
    def endpoint_id(self) -> str | None:
        """The endpoint that the spec names; for a reference that is not resolved now, the one that it is bound to."""
        bound = self.bound(FIELD) if self.spec.cloud_provider_endpoint_ref else None
        return self.spec.desired.get(FIELD) or bound

    @override
    def bound(self, field: str) -> str | None:
        resolved = self.status.resolved
        return None if resolved is None else resolved.values.get(field)

    @override
    def unconnected(self) -> Mapping[str, str | None]:
        """Return what the references are bound to, which Atlas cannot change."""
        return {each.field: self.bound(to_camel(each.field)) for each in self.references}
