"""Manifests that overlap: exports of a resource, several manifests of one, conflicts, and what is shared. Pure."""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from typing import Any

from atlas_endpoints.commands import crd_rules
from atlas_endpoints.commands.check import report
from atlas_endpoints.commands.manifests import Document, Invalid, Manifest, Other, Place
from atlas_endpoints.commands.plan.forecast import Action, Forecast
from atlas_endpoints.controller.cache import Body, Key
from atlas_endpoints.reconcile.ownership import is_owner
from atlas_endpoints.reconcile.reasons import Reason
from atlas_endpoints.reconcile.status import Status


def merged(documents: Iterable[Document]) -> list[Document]:
    """Move the status of each export into the manifest of the same resource, if there is one.

    A manifest that the API server refuses as an edit of the export is ``Invalid``.
    """
    documents = list(documents)
    ours = [each for each in documents if not isinstance(each, Other) and each.key is not None]
    statuses = {each.key: each.exported for each in ours if each.exported is not None}
    exports = {each.key: each for each in ours if isinstance(each, Manifest) and each.exported is not None}
    written = {each.key for each in ours if each.exported is None}
    found: list[Document] = []
    for each in documents:
        if isinstance(each, Manifest) and each.exported is None and (status := statuses.get(each.key)):
            edited = exports.get(each.key, each)
            if problems := crd_rules.problems(each.kind.crd, *(_exported(one, status) for one in (each, edited))):
                found.append(Invalid(each.place, tuple(problems), each.key, status))
            else:
                found.append(replace(each, exported=status, body={**each.body, "status": _before_an_edit(status)}))
        elif isinstance(each, Other) or each.exported is None or each.key not in written:
            found.append(each)
    return found


def _exported(manifest: Manifest, status: Status) -> Body:
    return {"spec": manifest.body["spec"], "status": status.to_json()}


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


def endangered(documents: Iterable[Document]) -> list[str]:
    """Return warnings about resources whose endpoint is deleted with them, unlike those of their exports."""
    policies: dict[bool, dict[Key, str | None]] = {True: {}, False: {}}
    for each in documents:
        if isinstance(each, Manifest):
            policies[each.exported is None][each.key] = each.resource.deletion_policy
    return [
        f"{key}: with deletionPolicy Delete, which the export does not have, the endpoint is deleted with this resource."
        for key, policy in policies[True].items()
        if policy == "Delete" and policies[False].get(key, policy) != policy
    ]


def of_several_kinds(forecasts: Iterable[Forecast]) -> list[str]:
    """Return warnings about what resources of different kinds name in one project: an endpoint connects to one service only."""
    users: dict[tuple[str, str], dict[str, Key | None]] = defaultdict(dict)
    for each in forecasts:
        if each.manifest is None or not each.manifest.kind.names_endpoints:
            continue
        if each.endpoint_id is not None and each.project_id is not None:
            users[each.project_id, each.endpoint_id.casefold()][each.manifest.kind.names.kind] = each.key
    return [
        f"{' and '.join(f'{kind} {key}' for kind, key in found.items())} name the same endpoint {endpoint_id}. A private endpoint"
        " connects to one service only, so only one of them can work."
        for (_, endpoint_id), found in users.items()
        if len(found) > 1
    ]


def with_conflicts(forecasts: Sequence[Forecast]) -> tuple[list[Forecast], list[str]]:
    """Return the forecasts, with the reason Conflict where another resource owns or may own the endpoint, and warnings.

    Resources conflict by what they name when their references are resolved. The owner is that in the exported statuses.
    """
    rivals: dict[tuple[object, ...], list[tuple[Forecast, Manifest]]] = defaultdict(list)
    for each in forecasts:
        manifest = each.manifest
        if manifest is None or manifest.resource.spec.management_policy != "Manage" or manifest.resource.suspended_by:
            continue
        named = manifest.kind.named_by(_in_cluster(manifest))
        if (endpoint_id := named.endpoint or each.endpoint_id) is not None:
            # Azure does not preserve the letter case of IDs.
            place = *_scope_of(each, manifest), named.shared, endpoint_id.casefold()
            rivals[place].append((replace(each, endpoint_id=endpoint_id), manifest))
    refused: dict[Place, Forecast] = {}
    warnings: list[str] = []
    for found in rivals.values():
        if len({manifest.key for _, manifest in found}) == 1:
            continue
        owners = {manifest.key for _, manifest in found if _owns(manifest)}
        owner = owners.pop() if len(owners) == 1 else None
        rule = f"{owner} owns the endpoint" if owner else "The resource that is created first will own the endpoint"
        message = f"{rule}. The others get the reason Conflict, and nothing is sent for them. Remove all but one."
        names = " and ".join(f"{manifest.key} ({manifest.place})" for _, manifest in found)
        warnings.append(f"{names} name the same endpoint {found[0][0].endpoint_id}. {message}")
        refused |= {each.place: _refused(each, message, owner) for each, _ in found if each.key != owner}
    return [refused.get(each.place, each) for each in forecasts], warnings


def _refused(forecast: Forecast, message: str, owner: Key | None) -> Forecast:
    action = Action.UNKNOWN if owner is None else Action.REPORT
    return replace(forecast, action=action, reason=Reason.CONFLICT, message=message, request=None)


def _scope_of(forecast: Forecast, manifest: Manifest) -> tuple[str, str | None, str]:
    return manifest.kind.names.kind, forecast.project_id, manifest.resource.scope_name


def with_sharers(forecasts: Sequence[Forecast]) -> list[Forecast]:
    """Add to each resource which others share something with it."""
    users: dict[tuple[object, ...], list[Forecast]] = defaultdict(list)
    for each in forecasts:
        if each.manifest is not None and each.shared is not None:
            users[(*_scope_of(each, each.manifest), each.shared)].append(each)
    shared = {each.place: _with_sharers(each, found) for found in users.values() for each in found}
    return [shared.get(each.place, each) for each in forecasts]


def _with_sharers(forecast: Forecast, users: Iterable[Forecast]) -> Forecast:
    others = [each for each in users if each.key != forecast.key]
    if not others:
        return forecast
    names = report.named(dict.fromkeys(str(each.key) for each in others), most=10)
    message = f"{forecast.message} It shares {forecast.shared} with {names}."
    if forecast.request is not None and any(each.request == forecast.request for each in others):
        message += " Only the first of them sends this request."
    return replace(forecast, message=message)


def _owns(manifest: Manifest) -> bool:
    kind, body = manifest.kind, _in_cluster(manifest)
    endpoint_id = kind.named_by(body).endpoint
    return endpoint_id is not None and is_owner(kind, body, endpoint_id)


def _in_cluster(manifest: Manifest) -> Body:
    """Return a resource with the status in its export."""
    return {**manifest.body, "status": manifest.exported.to_json() if manifest.exported is not None else {}}
