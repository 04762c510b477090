"""The resource ``EncryptionAtRestPrivateEndpoint``: its spec with the rules of the CRD, and its status. Pure."""

from typing import ClassVar

from atlas_endpoints.kinds.regional_resource import RegionalResource, RegionalSpec, RegionalStatus
from atlas_endpoints.reconcile.status import Shown


class Spec(RegionalSpec):
    """The spec; ``kubectl explain earpe.spec`` describes each field."""


class EncryptionStatus(RegionalStatus):
    """The status of the kind.

    Attributes:
        approve_command: approves the connection in Azure, while the endpoint waits for that.
    """

    approve_command: Shown | None = None


class EncryptionAtRestPrivateEndpoint(RegionalResource, frozen=True):
    """A resource of the kind."""

    spec_type: ClassVar = Spec
    status_type: ClassVar = EncryptionStatus

    spec: Spec
    status: EncryptionStatus
