"""What resources of the kinds have whose endpoints Atlas makes for a region: spec, status, and what they name. Pure."""

from collections.abc import Mapping
from typing import ClassVar, Literal

from typing_extensions import override

from atlas_endpoints.kinds.cloud_endpoint import Region
from atlas_endpoints.kinds.lives.made import MadeResource, MadeStatus
from atlas_endpoints.kinds.parts.fields import DeclaredSpec, Entry, Sent
from atlas_endpoints.kinds.regions import atlas_name, place_of
from atlas_endpoints.reconcile.crd import fixed
from atlas_endpoints.reconcile.status import Applied, Shown


class RegionalSpec(DeclaredSpec):
    """The fields of a spec that names the endpoint of a region; none of them but ``output_config_map_ref`` may change."""

    cel_rules: ClassVar = [
        fixed(
            "region",
            "may not be changed, not even to its other spelling (`EU_WEST_1`, `eu-west-1`): an endpoint never moves to another region;"
            " create a second resource there, wait until it is Ready, and delete this one {atlas_keeps}",
        ),
    ]

    provider_name: Literal["AWS", "AZURE"]
    region: Region

    sent: ClassVar = {"region": Sent("regionName")}

    @property
    def regions_in_atlas(self) -> Mapping[str, str]:
        """The regions in Atlas's words, by their fields in the status."""
        return {"region": atlas_name(self.provider_name, self.region)}

    @property
    def place(self) -> str:
        """What it names, as people can read it."""
        return place_of(self.provider_name, self.region)

    @property
    def where(self) -> str:
        """What it names, for people."""
        return f"{self.provider_name} region {self.place}"


class EndpointStatus(Entry):
    """The endpoint as the status shows it; the region is that of the spec, by which it was found, in Atlas's words."""

    in_atlas: ClassVar[Mapping[str, str]] = {"region": "regionName"}

    id: Shown  # pyright: ignore[reportIncompatibleVariableOverride]  # frozen
    """The ID that Atlas gave the endpoint."""
    region: Shown | None = None
    """{region}, as Atlas names it."""
    private_endpoint_connection_name: Shown | None = None
    """{connection_name} of the endpoint in AWS, if Atlas returns one."""


class RegionalStatus(MadeStatus):
    """The status of such a kind."""

    applied: Applied | None = None
    """The endpoint that Atlas last confirmed. If Atlas shows no such endpoint later, this is drift, and `driftPolicy` decides.
    If this is absent, the endpoint was never there, and the operator creates it with any `driftPolicy`."""
    endpoint: EndpointStatus | None = None
    """The endpoint as Atlas last returned it; absent until Atlas shows one. {as_returned}"""


class RegionalResource(MadeResource, frozen=True):
    """A resource that names the endpoint of a region. Its entry is that endpoint, by the ID that Atlas gave it."""

    words: ClassVar = {
        "role": "Project Owner in the project, which Atlas demands even to read",
        "drift": "somebody deletes the endpoint in Atlas. `Correct` (default): it creates the endpoint again. `Report`: it only"
        " reports that the endpoint is missing (reason EndpointNotFound). With both values, it creates the endpoint of a new resource.",
        "provision": "make the endpoint ACTIVE",
        "provisioned": "the endpoint is ACTIVE",
        "outputs": "and updates. Its keys are {keys}, as far as they are known; it is written from the state PENDING_ACCEPTANCE on",
        "deleted": "the endpoint of the {place} from Atlas, no matter who created",
        "ready": "Atlas reports that the endpoint is ACTIVE",
        "methods": "`POST` to create the endpoint, or `DELETE` to remove a failed one before it is created again",
        "sent_without_refused": "",
        "others": "endpoints of the {same_place}",
        "on_its_way": ", or on its way to be ACTIVE",
        "states": "INITIATING, PENDING_ACCEPTANCE{accepted}, ACTIVE, PENDING_RECREATION, FAILED, DELETING",
        "removes_only": 'with `atlas-endpoints.dev/force-delete: "true"`, a deletion does not wait for {users} that need the'
        ' endpoint; with `atlas-endpoints.dev/force-finalize: "true"`, it removes only the resource.',
    }

    scope_field: ClassVar = "provider_name"

    spec: RegionalSpec
    status: RegionalStatus

    @property
    @override
    def place(self) -> str:
        return self.spec.place

    @property
    @override
    def called(self) -> str:
        return f"endpoint of {self.spec.where}"

    @override
    def shown(self, value: Entry) -> Mapping[str, str | None]:
        """Return what the spec says, since the endpoint was found by that."""
        return dict(self.spec.desired)
