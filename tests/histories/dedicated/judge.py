"""Whether a history of private endpoints of dedicated clusters has ended as its resources want it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

from atlas_endpoints.kinds.dedicated_private_endpoint.regions import atlas_name, same_region
from atlas_endpoints.kinds.dedicated_private_endpoint.resource import entry_of
from atlas_endpoints.simulator.service import AVAILABLE, FAILED, REJECTED
from histories.dedicated.atlas import target_of

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping, Sequence

    from atlas_endpoints.controller.cache import Body
    from atlas_endpoints.simulator.service import PrivateEndpoint, Service
    from histories.dedicated.atlas import Target


def named_by(body: Body) -> Target | None:
    """Return the endpoint that a resource names, once its service is known."""
    entry = entry_of(body)
    return None if entry is None else target_of(*entry.split("/", 1))


def service_of(body: Body) -> str | None:
    """Return the service that a status shows."""
    found: str | None = (body["status"].get("service") or {}).get("id")
    return found


def reason_of(body: Body) -> str | None:
    """Return the reason of ``Ready``."""
    return next((each["reason"] for each in body["status"].get("conditions", ()) if each["type"] == "Ready"), None)


def registrations_of(body: Body) -> Mapping[Target, bool]:
    """Return the endpoints that a status claims to have registered, and whether Atlas has shown each since."""
    return {
        target_of(each["serviceId"], each["endpointId"]): bool(each.get("confirmed"))
        for each in body["status"].get("registrations", ())
    }


def shows(body: Body, target: Target) -> bool:
    """Return whether a status shows an endpoint."""
    endpoint_id = (body["status"].get("endpoint") or {}).get("id") or ""
    return (service_of(body), endpoint_id.casefold()) == target


def goes_with(body: Body, held: Collection[str]) -> bool:
    """Return whether a resource that is gone was to take along what was made for it; ``held`` had a finalizer."""
    return body["spec"].get("deletionPolicy") == "Delete" and body["metadata"]["uid"] in held


class Holds(Protocol):
    """An Atlas; see ``histories.dedicated.atlas``."""

    registered: set[Target]

    @property
    def services(self) -> list[Service]: ...

    def endpoint(self, target: Target) -> PrivateEndpoint | None: ...


@dataclass(frozen=True)
class Ending:
    """What there is at the end of a history, and what has led to it.

    Attributes:
        bodies: the resources that are there.
        atlas: what it holds.
        handed_over: the endpoints that another resource named when the one for which they were registered was gone.
    """

    bodies: Sequence[Body]
    atlas: Holds
    handed_over: Collection[Target]

    def wrong(self) -> str | None:
        """Tell what is not as the resources want it; ``None``: all is."""
        for body in self.bodies:
            if (wrong := self._wrong_with(body)) is not None:
                ready = next((each for each in body["status"].get("conditions", ()) if each["type"] == "Ready"), None)
                return f"{body['metadata']['name']}: {wrong}; {ready}"
        return self._left_over()

    def _wrong_with(self, body: Body) -> str | None:
        metadata, spec, status = body["metadata"], body["spec"], body["status"]
        if "deletionTimestamp" in metadata:
            # What somebody registers at the very moment of its deletion cannot be told from what is not deleted.
            others = registrations_of(body).keys() - self.atlas.registered
            return None if others and reason_of(body) == "DeletionBlocked" else "is not gone"
        if status.get("observedGeneration") != metadata["generation"]:
            return "its last edit was not seen"
        finalizers = metadata.get("finalizers") or []
        if bool(finalizers) != (spec.get("deletionPolicy") == "Delete"):
            return f"its finalizers are {finalizers}"
        reason = reason_of(body)
        service = self._place_of(body)
        if service is None or service.id != service_of(body):
            is_reported = reason == "Drifted" and service is None and spec.get("driftPolicy") == "Report"
            return None if is_reported else "it does not show the service of its region"
        return self._wrong_with_endpoint(body, service, reason)

    def _wrong_with_endpoint(self, body: Body, service: Service, reason: str | None) -> str | None:
        spec, target = body["spec"], named_by(body)
        endpoint = None if target is None else self.atlas.endpoint(target)
        reports = spec.get("driftPolicy") == "Report"
        is_known = any(each.endpoint_id == target.endpoint_id for each in registrations_of(body)) if target else False
        differs = endpoint is not None and endpoint.address != spec.get("privateEndpointIpAddress")
        match reason:
            case "Conflict":
                rivals = [each for each in self.bodies if each is not body and named_by(each) == target]
                return None if rivals else "it has no rival"
            case "ServiceFailed":
                return None if service.status == FAILED else "its service has not failed"
            case "WaitingForCloudEndpoint":
                is_former = endpoint is None and is_known and target not in registrations_of(body)
                return None if target is None or is_former else "it does not wait for anybody"
            case "Drifted":
                is_adopted = target not in registrations_of(body)
                has_gone = reports and endpoint is None
                return None if has_gone or (differs and (reports or is_adopted)) else "nothing has drifted"
            case "EndpointFailed":
                is_refused = endpoint is not None and endpoint.status in {REJECTED, FAILED}
                return None if is_refused else "its endpoint has not failed"
            case "Available":
                if endpoint is None or endpoint.status != AVAILABLE or differs:
                    return f"its endpoint is not as it wants it: {endpoint}"
                return self._wrong_with_regions(body, service)
            case other:
                return f"{other} explains nothing"

    def _wrong_with_regions(self, body: Body, service: Service) -> str | None:
        wanted = {atlas_name("AWS", each) for each in body["spec"].get("supportedRemoteRegions") or ()}
        missing = wanted - set(service.remote_regions or ())
        is_reported = any(each["spec"].get("driftPolicy") == "Report" for each in self.bodies)
        return f"the service lacks {missing}" if missing and not is_reported else None

    def _place_of(self, body: Body) -> Service | None:
        """Return the service of the region of a resource."""
        cloud, region = body["spec"]["providerName"], body["spec"]["region"]
        found = (each for each in self.atlas.services if each.cloud_provider == cloud)
        return next((each for each in found if same_region(cloud, each.region, region)), None)

    def _left_over(self) -> str | None:
        """Tell of what was registered, and nobody needs any more."""
        for target in self.atlas.registered:
            claims = [body for body in self.bodies if target in registrations_of(body)]
            if any(named_by(body) == target for body in self.bodies):
                continue
            if any(reason_of(body) == "Available" for body in claims):
                return f"{target} was replaced, and is there"
        return None
