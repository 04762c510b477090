"""The resource ``BackupPrivateEndpoint``: its spec with the rules of the CRD, and its status. Pure."""

from collections.abc import Mapping
from typing import Any, ClassVar, Literal, Self

from typing_extensions import override

from atlas_endpoints.kinds.cloud_endpoint import Region
from atlas_endpoints.kinds.parts.fields import Sent
from atlas_endpoints.kinds.regional_resource import EndpointStatus, RegionalResource, RegionalSpec, RegionalStatus
from atlas_endpoints.kinds.regions import atlas_name, place_of
from atlas_endpoints.reconcile.status import Shown


class Spec(RegionalSpec):
    """The spec; ``kubectl explain bpe.spec`` describes each field. Without ``vpc_region``, it is the region."""

    provider_name: Literal["AWS"]  # pyright: ignore[reportIncompatibleVariableOverride]  # frozen
    vpc_region: Region | None = None

    sent: ClassVar = {**RegionalSpec.sent, "vpc_region": Sent("vpcRegionName")}

    @property
    @override
    def regions_in_atlas(self) -> Mapping[str, str]:
        vpc_region = atlas_name(self.provider_name, self.vpc_region or self.region)
        return {**super().regions_in_atlas, "vpc_region": vpc_region}

    @property
    @override
    def place(self) -> str:
        return place_of(self.provider_name, self.region, self.vpc_region)


class BackupEndpointStatus(EndpointStatus):
    """The endpoint as the status shows it; the region of its VPC is the region if Atlas shows none."""

    in_atlas: ClassVar = {**EndpointStatus.in_atlas, "vpc_region": "vpcRegionName"}

    vpc_region: Shown | None = None

    @classmethod
    @override
    def read(cls, answer: Any) -> Self | None:
        found = super().read(answer)
        return found and found.model_copy(update={"vpc_region": found.vpc_region or found.region})


class BackupStatus(RegionalStatus):
    """The status of the kind."""

    endpoint: BackupEndpointStatus | None = None  # pyright: ignore[reportIncompatibleVariableOverride]  # frozen


class BackupPrivateEndpoint(RegionalResource, frozen=True):
    """A resource of the kind."""

    spec_type: ClassVar = Spec
    status_type: ClassVar = BackupStatus

    spec: Spec
    status: BackupStatus
