"""Manifests that overlap: exports of a resource, several manifests of one resource, and conflicts. Pure."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from atlas_endpoints.commands.manifests import Document, Manifest, Other, Place
from atlas_endpoints.controller.cache import Body, Key
from atlas_endpoints.reconcile.ownership import is_owner
from atlas_endpoints.reconcile.status import Status

if TYPE_CHECKING:
    from atlas_endpoints.commands.plan.forecast import Forecast


def merged(documents: Iterable[Document]) -> list[Document]:
    """Move the status of each export into the manifest of the same resource, if there is one."""
    documents = list(documents)
    ours = [each for each in documents if not isinstance(each, Other) and each.key is not None]
    statuses = {each.key: each.exported for each in ours if each.exported is not None}
    written = {each.key for each in ours if each.exported is None}
    found: list[Document] = []
    for each in documents:
        if isinstance(each, Manifest) and each.exported is None and (status := statuses.get(each.key)):
            found.append(replace(each, exported=status, body={**each.body, "status": _before_an_edit(status)}))
        elif isinstance(each, Other) or each.exported is None or each.key not in written:
            found.append(each)
    return found


def _before_an_edit(status: Status) -> Mapping[str, Any]:
    """Return the part of a status with which an edit is compared: the confirmed values, and the kind's own fields."""
    applied = status.applied and status.applied.model_copy(update={"generation": 0})
    # A creation whose result is unknown belongs to a uid, which no manifest has.
    own = {} if status.creation else {name: value for name, value in status if name not in Status.model_fields}
    return type(status)(observed_generation=0, applied=applied, **own).to_json()


def duplicates(documents: Iterable[Document]) -> list[str]:
    """Return warnings about resources with several manifests, of which the last one that is applied wins."""
    places: dict[Key, list[Place]] = {}
    for each in documents:
        if isinstance(each, Manifest):
            places.setdefault(each.key, []).append(each.place)
    return [
        f"{key} has several manifests. The one that is applied last is effective: {'; '.join(map(str, found))}."
        for key, found in places.items()
        if len(found) > 1
    ]


@dataclass(frozen=True, slots=True)
class Conflict:
    """Resources that would manage the same endpoint.

    Attributes:
        owner: by an exported status; else None, and the one that is created first will own it.
    """

    endpoint_id: str
    resources: Mapping[Place, Key]
    owner: Key | None

    @property
    def warning(self) -> str:
        """Return the warning for users."""
        named = " and ".join(f"{key} ({place})" for place, key in self.resources.items())
        owner = f"{self.owner} owns it" if self.owner is not None else "The resource that is created first will own it"
        return (
            f"{named} name the same endpoint {self.endpoint_id}. {owner}. The others get the reason Conflict, and nothing is"
            " sent for them. Remove all but one."
        )


def conflicts(forecasts: Iterable["Forecast"]) -> list[Conflict]:
    """Return the conflicts between the resources, by what they name when their references are resolved."""
    named: dict[tuple[str | None, ...], tuple[str, dict[Place, Manifest]]] = {}
    for each in forecasts:
        manifest = each.manifest
        if manifest is None or manifest.resource.spec.management_policy != "Manage" or manifest.resource.suspended_by:
            continue
        found = manifest.kind.named_by(_in_cluster(manifest))
        endpoint_id = found.endpoint or each.endpoint_id
        if endpoint_id is None:
            continue
        # Azure does not preserve the letter case of IDs.
        scope_name, entry = manifest.resource.scope_name, endpoint_id.casefold()
        place = manifest.kind.names.kind, each.project_id, scope_name, found.shared, entry
        named.setdefault(place, (endpoint_id, {}))[1][each.place] = manifest
    contended = []
    for endpoint_id, manifests in named.values():
        resources = {where: each.key for where, each in manifests.items()}
        owners = {each.key for each in manifests.values() if _owns(each)}
        if len(set(resources.values())) > 1:
            contended.append(Conflict(endpoint_id, resources, owners.pop() if len(owners) == 1 else None))
    return contended


def _owns(manifest: Manifest) -> bool:
    kind, body = manifest.kind, _in_cluster(manifest)
    endpoint_id = kind.named_by(body).endpoint
    return endpoint_id is not None and is_owner(kind, body, endpoint_id)


def _in_cluster(manifest: Manifest) -> Body:
    """Return a resource with the status in its export."""
    return {**manifest.body, "status": manifest.exported.to_json() if manifest.exported is not None else {}}
