"""What is to become of an endpoint whose resource is deleted, as far as the resource alone tells; pure."""

from dataclasses import dataclass
from typing import TypeAlias

from atlas_endpoints.atlas.serverless_private_endpoints import EndpointStatus
from atlas_endpoints.engine.controller import MetadataChange
from atlas_endpoints.kinds.serverless_private_endpoint.announcements import Announcement, EventReason, tell
from atlas_endpoints.kinds.serverless_private_endpoint.model import (
    ENDPOINT_ANNOTATION,
    FINALIZER,
    DeletionPolicy,
    EndpointRecord,
    ObjectMeta,
    ServerlessPrivateEndpoint,
    Status,
)

_BY_ANNOTATION = (
    'set the annotation atlas-endpoints.dev/deletion-policy to Retain, or atlas-endpoints.dev/force-finalize to "true".'
)

WAYS_OUT = f"To let the resource go and leave the endpoint in Atlas as it is, {_BY_ANNOTATION}"

WITHOUT_WAITING = f"To let the resource go without waiting for that, {_BY_ANNOTATION}"


def names_ways_out(message: str) -> bool:
    """Tell whether a message says how a resource goes all the same."""
    return _BY_ANNOTATION in message


def with_ways_out(message: str) -> str:
    """Say how a resource goes all the same, unless a message does already."""
    return message if names_ways_out(message) else f"{message} {WAYS_OUT}"


@dataclass(frozen=True, slots=True)
class Release:
    """Let the resource go; nothing is sent to Atlas (any more).

    Attributes:
        announcement: what to tell; ``None`` where nothing is left behind.
    """

    announcement: Announcement | None


@dataclass(frozen=True, slots=True)
class Keep:
    """Keep the resource until somebody acts.

    Attributes:
        message: why, and what to do.
    """

    message: str


@dataclass(frozen=True, slots=True)
class Delete:
    """Have the endpoint deleted, unless somebody else needs it; then let the resource go."""


Fate: TypeAlias = Release | Keep | Delete


def fate_by_metadata(metadata: ObjectMeta, endpoint_id: str | None, status: Status) -> Release | None:
    """Decide by the annotations alone, whatever the spec is like; ``None``: they do not decide.

    Args:
        metadata: of a resource that is being deleted and has our finalizer.
        endpoint_id: of its endpoint, if it has one.
        status: of the resource.

    Raises:
        InvalidSpecError: an annotation says what nobody understands.
    """
    if metadata.is_force_finalized:
        why = "the annotation atlas-endpoints.dev/force-finalize has let the resource go"
        return Release(tell(EventReason.FORCE_FINALIZED, becomes(endpoint_id, status, why), action="Delete"))
    if metadata.skips:
        return _retained(endpoint_id, status, f"the annotation {metadata.skips[0]} says skip")
    if metadata.deletion_policy == "Retain":
        return _retained(endpoint_id, status, "an annotation has set its deletion policy to Retain")
    return None


def fate(resource: ServerlessPrivateEndpoint, policy: DeletionPolicy, *, writes: bool) -> Fate:
    """Decide about a resource that is being deleted and has our finalizer.

    Args:
        resource: as it is; its annotations do not decide alone.
        policy: for its endpoint, as the most specific of all that say something has it.
        writes: whether the operator may write to Atlas at all.
    """
    endpoint_id, status, spec = resource.endpoint_id, resource.status, resource.spec
    if endpoint_id is None and status.reservation is None:
        return Release(None)
    if policy == "Retain":
        return _retained(endpoint_id, status, "its deletion policy is Retain")
    if spec.management_policy != "Manage":
        return _retained(endpoint_id, status, f"spec.managementPolicy is {spec.management_policy}")
    if not resource.is_owner:
        why = "it was taken over from an earlier resource, and spec.endpointId does not name it"
        return _retained(endpoint_id, status, why)
    if spec.suspend:
        return Keep(_kept("The resource is suspended", "Set spec.suspend to false.", status))
    if not writes:
        remedy = "That takes whoever runs the operator to set ATLAS_ENDPOINTS_WRITES=on."
        return Keep(_kept("WRITES is off", remedy, status))
    return Delete()


def _kept(why: str, remedy: str, status: Status) -> str:
    """Say why a resource is kept, what is to be done about it, and how it goes all the same."""
    if _is_going(status):
        message = (
            f"Atlas is deleting the endpoint, which nobody can stop. {why}, so it is not looked whether that is done."
        )
        return f"{message} {remedy} {WITHOUT_WAITING}"
    return f"{why}, so its endpoint is not deleted. {remedy} {WAYS_OUT}"


def bookkeeping(resource: ServerlessPrivateEndpoint, policy: DeletionPolicy | None) -> MetadataChange | None:
    """Give what a resource's metadata lacks: the finalizer, or its removal, and the record of what was reserved.

    Args:
        resource: as it is.
        policy: for its endpoint; ``None`` while it is not known: the finalizer stays as it is.
    """
    reservation = resource.status.reservation
    annotations = {}
    if reservation is not None and reservation.endpoint_id is not None and not reservation.adopted:
        annotations = {ENDPOINT_ANNOTATION: str(EndpointRecord(reservation.endpoint_id, resource.metadata.uid))}
    has = FINALIZER in resource.metadata.finalizers
    wants = has
    if policy is not None:
        wants = policy == "Delete" and resource.spec.management_policy == "Manage" and resource.is_owner
    return MetadataChange({FINALIZER: wants}, annotations) if has is not wants or not is_recorded(resource) else None


def is_recorded(resource: ServerlessPrivateEndpoint) -> bool:
    """Tell whether the metadata tells of the endpoint that was reserved, if one was: a backup has it, the status may not."""
    reservation = resource.status.reservation
    if reservation is None or reservation.endpoint_id is None or reservation.adopted:
        return True
    return resource.metadata.endpoint_record == EndpointRecord(reservation.endpoint_id, resource.metadata.uid)


def left_by_a_race(endpoint_id: str) -> Announcement:
    """Tell of an endpoint that was reserved while its resource went."""
    why = "it was reserved in the very moment in which its resource was deleted"
    return tell(EventReason.ENDPOINT_RETAINED, becomes(endpoint_id, Status(), why), action="Create")


def _retained(endpoint_id: str | None, status: Status, why: str) -> Release:
    return Release(tell(EventReason.ENDPOINT_RETAINED, becomes(endpoint_id, status, why), action="Delete"))


def becomes(endpoint_id: str | None, status: Status, why: str) -> str:
    """Say what becomes of an endpoint for which nothing is sent (any more), and why.

    Args:
        endpoint_id: of the endpoint, if it is known.
        status: of its resource.
        why: nothing is sent.
    """
    what = f"Endpoint {endpoint_id}" if endpoint_id else "An endpoint that may have been reserved"
    stays = "is being deleted by Atlas, which nobody can stop" if _is_going(status) else "stays in Atlas as it is"
    return f"{what} {stays}: {why}."


def _is_going(status: Status) -> bool:
    """Tell whether Atlas was asked to delete an endpoint, or was seen at it; one that is only waited for is not."""
    return status.endpoint is not None and status.endpoint.status == EndpointStatus.DELETING
