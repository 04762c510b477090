"""The kind ``PrivateEndpointRegionalMode``: each region of a project has its own private endpoints and connection strings. Pure.

The resource exists, so the mode is on. Switching it changes the strings of running applications, so those of which clusters change is
said beforehand, and nothing is sent until a person accepts it.

Source: https://www.mongodb.com/docs/api/doc/atlas-admin-api-v2/operation/operation-toggleregionalendpointmode, and recorded answers.
"""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Annotated, Any, ClassVar, Self

from pydantic import Field
from typing_extensions import override

from atlas_endpoints.atlas.errors import AtlasError, UpdateRejectedError
from atlas_endpoints.atlas.requests import Scope
from atlas_endpoints.cluster.api import Names
from atlas_endpoints.controller.cache import Body
from atlas_endpoints.kinds.clusters import CLUSTERS, regional_mode_in
from atlas_endpoints.kinds.importer import Found, InTerraform, LeftOut, Options
from atlas_endpoints.kinds.lives.imports import importer_of
from atlas_endpoints.kinds.lives.life import Facts, Life, ask, may_appear
from atlas_endpoints.kinds.lives.made import MOST_OTHERS, some_of
from atlas_endpoints.kinds.new_manifest import NewManifest, fitting, retained
from atlas_endpoints.kinds.parts.api import Api
from atlas_endpoints.kinds.parts.fields import DeclaredResource, DeclaredSpec, Entry, Sent
from atlas_endpoints.kinds.parts.states import Going, States, Works
from atlas_endpoints.reconcile.compare import Comparison
from atlas_endpoints.reconcile.crd import Crd
from atlas_endpoints.reconcile.decision import POLL, Decision, Get, State, Write, WriteResult
from atlas_endpoints.reconcile.outputs import Output
from atlas_endpoints.reconcile.reasons import Progress, ReadyReason, Reason
from atlas_endpoints.reconcile.resource import FORCE, FORCE_DELETE, Thing
from atlas_endpoints.reconcile.status import Shown, Status

MODE, ON, OFF = "regionalMode", "ENABLED", "DISABLED"
BESIDE = (Get("clusters", beside=True),)


class Spec(DeclaredSpec):
    """The spec."""

    accept_string_changes: bool = False
    """Whether the operator may switch the mode although the private connection strings of clusters change with it. Default:
    false; then it names these clusters in `status.affectedClusters`, and sends nothing (reason StringsWillChange). It counts
    for switching the mode on, and for switching it off with `deletionPolicy` Delete."""

    enabled: ClassVar = ON
    sent: ClassVar = {"enabled": Sent(shown="status", changes=True)}


class Mode(Entry):
    """The mode as the status shows it."""

    id: Shown  # pyright: ignore[reportIncompatibleVariableOverride]  # frozen
    """Always `regionalMode`."""

    @classmethod
    @override
    def read(cls, answer: Any) -> Self | None:
        is_on = regional_mode_in(answer)
        return None if is_on is None else cls(id=MODE, status=ON if is_on else OFF)


class ModeStatus(Status):
    """The status of the kind."""

    shown_as: ClassVar = "mode"

    mode: Mode | None = None
    """The regional mode as Atlas last returned it. {as_returned}"""
    affected_clusters: Annotated[tuple[Shown, ...], Field(max_length=MOST_OTHERS)] = ()
    """The clusters whose private connection strings change when the operator switches the mode, at most 16; absent when none
    changes, or when the mode is on.

    The name of one."""


class PrivateEndpointRegionalMode(DeclaredResource, frozen=True):
    """PrivateEndpointRegionalMode switches on the regional mode of the private endpoints of a MongoDB Atlas project.

    With it, a region may have several private endpoints, and sharded clusters in several regions have a private connection
    string for each region. While this resource exists, the mode is on. Before the operator switches it, it reads which
    connection strings change. {retried} {annotations} {removes_only}
    """

    spec_type: ClassVar = Spec
    status_type: ClassVar = ModeStatus
    scope: ClassVar = "regional mode"
    noun: ClassVar = "regional mode"
    bound_by: ClassVar = ("mode", "applied")
    crd: ClassVar = Crd(
        short_name="perm",
        selectable=("projectId",),
        columns=(),
        wide=(),
        applied={"enabled": "`ENABLED`, when Atlas has confirmed it."},
        body={"enabled": "Always `true`."},
    )
    words: ClassVar = {
        "thing": "mode",
        "moved": "",
        "in_a_project": "the regional mode of a project",
        "reported": "that the mode is off (reason Drifted, `status.drift`)",
        "drift": "somebody switches the mode off in Atlas. `Correct` (default): it switches the mode on again. `Report`: it only"
        " reports this (reason Drifted).",
        "at_once": "switches the mode on",
        "provision": "switch the mode",
        "provisioned": "Atlas shows it",
        "outputs": "and updates. Its key is `regionalMode`, with the value `ENABLED` or `DISABLED`",
        "deleted": "the regional mode: it switches it off, no matter who switched",
        "kept_for_others": "The mode stays on if another resource names the project.",
        "deletion_too": "Atlas refuses it while several regions have several endpoints (reason DeletionBlocked).",
        "ready": "the regional mode is on",
        "contended": "project and owns its mode",
        "states": "ENABLED, DISABLED, DELETING while the operator switches it off",
        "operation": "toggleRegionalEndpointMode",
        "methods": "always `PATCH`",
        "removes_only": 'with `atlas-endpoints.dev/force-delete: "true"`, a deletion switches the mode off whichever strings change;'
        ' with `atlas-endpoints.dev/force-finalize: "true"`, it removes only the resource.',
    }

    spec: Spec
    """The desired state. `projectId` (or the ID to which `projectRef` refers) names the project. {others_change}"""
    status: ModeStatus

    @property
    @override
    def entry(self) -> str:
        return MODE

    @property
    @override
    def thing(self) -> Thing:
        return Thing(f"/{MODE}", MODE, "The regional mode")


class StringsReason(ReadyReason):
    """The reason of ``Ready`` that only this kind has."""

    STRINGS_WILL_CHANGE = "StringsWillChange", "False", Progress.STALLED


class PrivateEndpointRegionalModes(Life[PrivateEndpointRegionalMode]):
    """The entry is the mode; a scope is a project."""

    names = Names("atlas-endpoints.dev", "v1alpha1", "PrivateEndpointRegionalMode", "privateendpointregionalmodes")
    resource, entry, noun = PrivateEndpointRegionalMode, Mode, "mode"
    scope_noun, scopes = "", (PrivateEndpointRegionalMode.scope,)
    reasons = (*Reason, *StringsReason)
    api = Api(
        below="privateEndpoint/regionalMode",
        one="",
        list="getRegionalEndpointMode",
        get="getRegionalEndpointMode",
        update="toggleRegionalEndpointMode",
        paged=False,
    )
    reads: ClassVar = {"clusters": CLUSTERS}
    states: ClassVar[States] = {ON: Works(), OFF: Works(), "DELETING": Going()}

    @override
    def entry_of(self, body: Body) -> str:
        return MODE

    @override
    def called(self, entry: str) -> str:
        return "The regional mode"

    @override
    def removal_of(self, scope: Scope, entry: str) -> str:
        return f'PATCH {self.get_request(scope, entry).path} with {{"enabled": false}}'

    @override
    def followed(self, facts: Facts) -> Mode | None:
        return facts.view.value(MODE)

    @override
    def update(self, facts: Facts, entry: Mode, fields: Mapping[str, str]) -> Write:
        remedy = f"Do in Atlas what its message demands. Then {FORCE}."
        return Write(
            self.api.update_of(facts.scope, MODE, {"enabled": True}), fields=fields, remedy=remedy, touches=(MODE,)
        )

    @override
    def decide(self, facts: Facts) -> Decision:
        if (mode := self.followed(facts)) is None:
            return Decision(State(Reason.PENDING, "The operator reads the regional mode of the project.", POLL))
        decision = self.present(facts, mode)
        if (write := decision.write) is None:
            return replace(decision, own={"affected_clusters": ()})
        accepted = facts.resource.spec.accept_string_changes
        hindrance, affected, doubt = self.forecast(facts, "on", Reason.PENDING, accepted=accepted)
        decision = replace(decision, gets=BESIDE, own={"affected_clusters": affected})
        if hindrance is None:
            return replace(decision, write=replace(write, doubt=doubt))
        return replace(decision, state=replace(hindrance, differences=decision.state.differences), write=None)

    def forecast(
        self, facts: Facts, way: str, reading: ReadyReason, *, accepted: bool
    ) -> tuple[State | None, Sequence[str], str]:
        """Return the state if the mode is not switched now, the clusters whose strings change, and why Atlas may refuse it.

        What of a cluster is not readable counts as affected.
        """
        if (clusters := facts.view.value("clusters")) is None:
            return State(reading, "The operator reads which connection strings will change.", POLL), (), ""
        affected = [each.name for each in clusters if each.follows_regional_mode]
        doubt, strings = "", f" the private connection strings of these clusters: {some_of(affected)}."
        if way == "on" and (replica_sets := [each.name for each in clusters if each.is_replica_set]):
            doubt = f" In this mode, Atlas has only sharded clusters, and may refuse it because of these replica sets: {some_of(replica_sets)}."
        shown = affected[:MOST_OTHERS]
        if not affected or accepted:
            return None, shown, f" It changes{strings}{doubt}" if affected else doubt
        message = (
            f"Switching the regional mode {way} changes{strings} Applications with the old strings lose their connection. Prepare them;"
            f" then set spec.acceptStringChanges to true. Until then, the operator sends nothing.{doubt}"
        )
        return State(StringsReason.STRINGS_WILL_CHANGE, message, facts.as_long_again), shown, doubt

    @override
    def works(self, facts: Facts, entry: Mode, found: Comparison) -> State:
        state = super().works(facts, entry, found)
        says: dict[ReadyReason, str] = {
            Reason.AVAILABLE: "The regional mode of the project is on.",
            Reason.DRIFTED: "The regional mode was switched off in Atlas, and spec.driftPolicy is Report. To switch it on again, set"
            " spec.driftPolicy to Correct; if it shall stay off, delete this resource.",
        }
        return replace(state, message=says.get(state.reason, state.message))

    @override
    def decide_deletion(self, facts: Facts) -> Decision:
        mode, resource, done = self.followed(facts), facts.resource, facts.done
        if mode is None or mode.status == OFF:
            return self.nothing_left(facts)
        accepted = resource.spec.accept_string_changes or resource.metadata.is_delete_forced
        hindrance, affected, _ = self.forecast(facts, "off", Reason.DELETING, accepted=accepted)
        own: dict[str, Any] = {"affected_clusters": affected}
        if hindrance is not None:
            ways = f' Or set the annotation {FORCE_DELETE} to "true"; to leave the mode on, atlas-endpoints.dev/deletion-policy to Retain.'
            message = f"{hindrance.message}{ways if affected else ''}"
            return Decision(replace(hindrance, message=message), seen=mode, gets=BESIDE, own=own)
        state = State(Reason.DELETING, "The operator switches the regional mode of the project off.", facts.polls)
        if done is not None and done.result is WriteResult.REFUSED:
            message = "Atlas keeps the regional mode on while several regions have private endpoints, and one of them has several. Remove endpoints first."
            state = replace(state, reason=Reason.DELETION_BLOCKED, message=message)
        asked = mode.model_copy(update={"status": "DELETING", "status_since": facts.now})
        request = self.api.update_of(facts.scope, MODE, {"enabled": False})
        write = Write(request, names=("enabled",), touches=(MODE,), deletes=resource.thing)
        return replace(ask(facts, state, self.known(facts), write, {**own, "mode": asked}), gets=BESIDE)

    @override
    def nothing_left(self, facts: Facts) -> Decision:
        if (left := max(facts.arrives_for, facts.unknown_for)) > 0:
            return may_appear(facts, left)
        gone = "The regional mode of the project is off." if self.known(facts) else None
        return Decision(State(Reason.DELETING, "The regional mode is off."), nothing_left=True, gone=gone)

    @override
    def is_early(self, error: AtlasError) -> bool:
        return error.operation == self.api.update and isinstance(error, UpdateRejectedError)

    @override
    def outputs(self, resource: PrivateEndpointRegionalMode, own: Mapping[str, Any]) -> Sequence[Output]:
        reference, mode = resource.spec.output_config_map_ref, own.get("mode", resource.status.mode)
        values = {MODE: mode.status} if mode is not None and mode.status else None
        return () if reference is None else (Output(reference.name, (MODE,), values),)

    # Commands.

    @override
    def unnamed(self, scope: Scope, entries: Mapping[str, Any], named: Any) -> Mapping[str, Sequence[str]]:
        return {}


def _manifest(found: Found, options: Options) -> NewManifest | LeftOut:
    if found.value.status == OFF:
        return LeftOut(MODE, f"the regional mode of project {found.project_id} is off", expected=True)
    spec = {"projectId": found.project_id, **retained(options.credentials_secret)}
    return NewManifest(MODE, fitting("regional-mode", found.project_id), options.namespace, spec)


def _found_in(one: InTerraform) -> Found:
    mode = Mode(id=MODE, status=ON if one.text("enabled").lower() == "true" else OFF)
    return Found(one.text("project_id"), PrivateEndpointRegionalMode.scope, None, mode)


KIND = PrivateEndpointRegionalModes()
IMPORTER = importer_of(
    KIND,
    lambda found: found.value.id,
    _manifest,
    terraform="mongodbatlas_private_endpoint_regional_mode",
    id_in_terraform="project_id",
    found_in=_found_in,
)
