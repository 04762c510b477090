"""The resource ``BackupPrivateEndpoint``: its spec with the rules of the CRD, and its status. Pure."""

from collections.abc import Mapping
from typing import ClassVar, Literal

from typing_extensions import override

from atlas_endpoints.kinds.cloud_endpoint import Region
from atlas_endpoints.kinds.regional_atlas import place_of
from atlas_endpoints.kinds.regional_resource import RegionalResource, RegionalSpec, RegionalStatus
from atlas_endpoints.kinds.regions import atlas_name


class Spec(RegionalSpec):
    """The spec; ``kubectl explain bpe.spec`` describes each field. Without ``vpc_region``, it is the region."""

    provider_name: Literal["AWS"]  # pyright: ignore[reportIncompatibleVariableOverride]  # frozen
    vpc_region: Region | None = None

    @property
    @override
    def desired(self) -> Mapping[str, str]:
        values = {"region": self.region, "vpcRegion": self.vpc_region}
        return {field: value for field, value in values.items() if value is not None}

    @property
    @override
    def regions_in_atlas(self) -> Mapping[str, str]:
        vpc_region = atlas_name(self.provider_name, self.vpc_region or self.region)
        return {**super().regions_in_atlas, "vpc_region": vpc_region}

    @property
    @override
    def place(self) -> str:
        return place_of(self.provider_name, self.region, self.vpc_region)


class BackupPrivateEndpoint(RegionalResource, frozen=True):
    """A resource of the kind."""

    spec_type: ClassVar = Spec
    status_type: ClassVar = RegionalStatus
    fields: ClassVar = ("region", "vpcRegion")

    spec: Spec
