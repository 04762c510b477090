"""Manifests that overlap: exports of a resource, several manifests of one, and conflicts. Pure."""

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import replace

from atlas_endpoints.commands import crd_rules
from atlas_endpoints.commands.manifests import Document, Invalid, Manifest, Other, Place
from atlas_endpoints.commands.plan.forecast import Action, Forecast
from atlas_endpoints.reconcile.ownership import is_owner
from atlas_endpoints.reconcile.reasons import Reason
from atlas_endpoints.reconcile.status import Status


def merged(documents: Iterable[Document]) -> list[Document]:
    """Move the status of each export into the manifest of the same resource, if there is one.

    A manifest that the API server refuses as an edit of the export is ``Invalid``.
    """
    documents = list(documents)
    ours = [each for each in documents if not isinstance(each, Other) and each.key is not None]
    exports = {each.key: (each, each.exported) for each in ours if each.exported is not None}
    written = {each.key for each in ours if each.exported is None}
    found: list[Document] = []
    for each in documents:
        if isinstance(each, Other) or (each.exported is not None and each.key not in written):
            found.append(each)
        elif each.exported is None:
            export = exports.get(each.key)
            found.append(_edited(each, *export) if export is not None and isinstance(each, Manifest) else each)
    return found


def _edited(manifest: Manifest, export: Manifest | Invalid, status: Status) -> Manifest | Invalid:
    """Return a manifest as an edit of an export with a status."""
    before = export if isinstance(export, Manifest) else manifest
    new, old = ({"spec": each.body["spec"], "status": status.to_json()} for each in (manifest, before))
    if problems := crd_rules.problems(manifest.kind.crd, new, old):
        return Invalid(manifest.place, tuple(problems), manifest.key, status)
    # An edit is compared with the confirmed values, and with the kind's own fields.
    applied = status.applied and status.applied.model_copy(update={"generation": 0})
    # A creation whose result is unknown belongs to a uid, which no manifest has.
    own = {} if status.creation else {name: value for name, value in status if name not in Status.model_fields}
    known = type(status)(observed_generation=0, applied=applied, **own).to_json()
    return replace(manifest, exported=status, body={**manifest.body, "status": known})


def duplicates(documents: Iterable[Document]) -> list[str]:
    """Return warnings about resources with several manifests, of which the last one that is applied wins."""
    places = defaultdict[object, list[str]](list)
    for each in documents:
        if isinstance(each, Manifest):
            places[each.key].append(str(each.place))
    return [
        f"{key} has several manifests. The one that is applied last is effective: {'; '.join(found)}."
        for key, found in places.items()
        if len(found) > 1
    ]


def endangered(documents: Iterable[Document]) -> list[str]:
    """Return warnings about resources whose endpoint is deleted with them, unlike those of their exports."""
    manifests = [each for each in documents if isinstance(each, Manifest)]
    before = {each.key: each.resource.deletion_policy for each in manifests if each.exported is not None}
    return [
        f"{each.key}: with deletionPolicy Delete, which the export does not have, the endpoint is deleted with this resource."
        for each in manifests
        if each.exported is None and each.resource.deletion_policy == "Delete" != before.get(each.key, "Delete")
    ]


def with_conflicts(forecasts: Sequence[Forecast]) -> tuple[list[Forecast], list[str]]:
    """Return the forecasts, with the reason Conflict where another resource owns or may own the endpoint, and warnings.

    Resources conflict by what they name when their references are resolved. The owner is that in the exported statuses.
    """
    rivals = defaultdict[tuple[str | None, ...], list[Forecast]](list)
    owners = set[tuple[object, str]]()
    for each in forecasts:
        manifest = each.manifest
        if manifest is None or manifest.resource.spec.management_policy != "Manage" or manifest.resource.suspended_by:
            continue
        kind, status = manifest.kind, manifest.exported.to_json() if manifest.exported is not None else {}
        body = {**manifest.body, "status": status}
        named = kind.named_by(body)
        if (endpoint_id := named.endpoint or each.endpoint_id) is not None:
            scope = kind.names.kind, each.project_id, manifest.resource.scope_name
            # Azure does not preserve the letter case of IDs.
            rivals[*scope, named.shared, endpoint_id.casefold()].append(replace(each, endpoint_id=endpoint_id))
        if named.endpoint is not None and is_owner(kind, body, named.endpoint):
            owners.add((each.document.key, named.endpoint.casefold()))
    refused: dict[Place, Forecast] = {}
    warnings: list[str] = []
    for (*_, endpoint_id), found in rivals.items():
        if len({each.document.key for each in found}) == 1:
            continue
        owning = {each.document.key for each in found if (each.document.key, endpoint_id) in owners}
        owner = owning.pop() if len(owning) == 1 else None
        rule = f"{owner} owns the endpoint" if owner else "The resource that is created first will own the endpoint"
        message = f"{rule}. The others get the reason Conflict, and nothing is sent for them. Remove all but one."
        names = " and ".join(f"{each.document.key} ({each.document.place})" for each in found)
        warnings.append(f"{names} name the same endpoint {found[0].endpoint_id}. {message}")
        action = Action.UNKNOWN if owner is None else Action.REPORT
        for each in found:
            if each.document.key != owner:
                refused[each.document.place] = replace(
                    each, action=action, reason=Reason.CONFLICT, message=message, request=None
                )
    return [refused.get(each.document.place, each) for each in forecasts], warnings
