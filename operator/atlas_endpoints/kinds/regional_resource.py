"""What resources of the kinds have whose endpoints Atlas makes for a region: spec, status, and what they name. Pure."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, replace
from datetime import datetime
from typing import Any, ClassVar, Literal, Self

from pydantic import Field
from typing_extensions import override

from atlas_endpoints.kinds.cloud_endpoint import Region
from atlas_endpoints.kinds.regional_atlas import Endpoint, EndpointState, place_of
from atlas_endpoints.kinds.regions import atlas_name
from atlas_endpoints.reconcile.resource import Resource, Thing
from atlas_endpoints.reconcile.spec import CommonSpec, ConfigMapRef
from atlas_endpoints.reconcile.status import Creation, Shown, ShownEntry, Status


class RegionalSpec(CommonSpec):
    """The fields of a spec that names the endpoint of a region; none of them but ``output_config_map_ref`` may change."""

    provider_name: Literal["AWS", "AZURE"]
    region: Region
    output_config_map_ref: ConfigMapRef | None = None

    @property
    @override
    def desired(self) -> Mapping[str, str]:
        return {"region": self.region}

    @property
    def regions_in_atlas(self) -> Mapping[str, str]:
        """The regions in Atlas's words, by their fields in the status."""
        return {"region": atlas_name(self.provider_name, self.region)}

    @property
    def place(self) -> str:
        """What it names; see ``Endpoint.place``."""
        return place_of(self.provider_name, self.region)

    @property
    def where(self) -> str:
        """What it names, for people."""
        return f"{self.provider_name} region {self.place}"


class EndpointStatus(ShownEntry):
    """The endpoint as the status shows it; the region is that of the spec, by which it was found, in Atlas's words."""

    id: Shown  # pyright: ignore[reportIncompatibleVariableOverride]  # frozen
    region: Shown | None = None
    private_endpoint_connection_name: Shown | None = None

    @classmethod
    def of(cls, endpoint: Endpoint, spec: RegionalSpec, since: datetime) -> Self:
        """Return the status of an endpoint that Atlas shows, or is about to delete."""
        return cls.model_validate({**asdict(endpoint), **spec.regions_in_atlas, "status_since": since})


class RegionalStatus(Status):
    """The status of such a kind.

    Attributes:
        intent: to create the endpoint, whose result is not known yet.
    """

    endpoint: EndpointStatus | None = None
    intent: Creation | None = Field(default=None, alias="creation")

    @property
    @override
    def is_being_deleted(self) -> bool:
        return self.endpoint is not None and self.endpoint.status == EndpointState.DELETING

    @property
    @override
    def creation(self) -> Creation | None:
        return self.intent


class RegionalResource(Resource, frozen=True):
    """A resource that names the endpoint of a region. Its entry is that endpoint, by the ID that Atlas gave it."""

    fields: ClassVar[Sequence[str]] = ("region",)
    endpoint_type: ClassVar[type[EndpointStatus]] = EndpointStatus

    spec: RegionalSpec
    status: RegionalStatus

    @property
    @override
    def entry(self) -> str | None:
        return None if self.status.endpoint is None else self.status.endpoint.id

    @property
    def region_thing(self) -> Thing:
        """The endpoint that it names, also while Atlas has none."""
        place = self.spec.place
        return Thing(key_of(place), place, f"The endpoint of {self.spec.where}")

    @property
    @override
    def thing(self) -> Thing | None:
        return self.region_thing

    @property
    @override
    def created_as(self) -> str:
        return self.region_thing.key

    @property
    @override
    def written_as(self) -> str:
        return self.created_as  # whatever ID it has

    @property
    @override
    def may_be_in_atlas(self) -> bool:
        return True

    @property
    @override
    def scope_name(self) -> str:
        return self.spec.provider_name

    @property
    @override
    def is_bound(self) -> bool:
        status = self.status
        return status.endpoint is not None or status.intent is not None or status.applied is not None

    @property
    @override
    def connection(self) -> Mapping[str, str | None]:
        return dict(self.spec.desired)

    @property
    @override
    def has_outputs(self) -> bool:
        return self.spec.output_config_map_ref is not None

    @override
    def shown(self, value: Endpoint) -> Mapping[str, str | None]:
        """Return what the spec says, since the endpoint was found by that."""
        return dict(self.spec.desired)

    @override
    def basis(self, value: Any) -> object:
        """Return the endpoint without the text of its failure, which may change with each observation."""
        return replace(value, error_message=None)


def key_of(place: str) -> str:
    """Return the key of the endpoint of a place; see ``kind.Named``."""
    return f"/{place}"
