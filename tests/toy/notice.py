"""The kind ``Notice``: a notice of an Atlas project, with a text and a color. Pure."""

from collections.abc import Collection, Mapping
from pathlib import Path
from typing import Any, ClassVar

from pydantic import BaseModel, ConfigDict, Field
from typing_extensions import override

from atlas_endpoints.atlas.requests import Refusals, Request, Scope, path
from atlas_endpoints.cluster.api import Names
from atlas_endpoints.controller.cache import Body
from atlas_endpoints.controller.requeue import NoRequeue, RequeueAfter
from atlas_endpoints.kinds.commands import KindWithCommands
from atlas_endpoints.reconcile.compare import Comparison, Treatment, cause_of, described
from atlas_endpoints.reconcile.decision import Decision, State, Write
from atlas_endpoints.reconcile.facts import Facts
from atlas_endpoints.reconcile.reasons import Reason
from atlas_endpoints.reconcile.resource import Resource, part
from atlas_endpoints.reconcile.spec import CommonSpec, ObjectId
from atlas_endpoints.reconcile.status import Shown, Status, StatusModel
from atlas_endpoints.tunings import POLL_FIRST

_ALL = "/api/atlas/v2/groups/{groupId}/notices"
_ONE = f"{_ALL}/{{noticeId}}"
LIST, GET, UPDATE, DELETE = "listNotices", "getNotice", "updateNotice", "deleteNotice"
_REFUSALS = Refusals(absent=("NOTICE_NOT_FOUND",))


class Notice(BaseModel):
    """A notice in Atlas's words."""

    model_config = ConfigDict(frozen=True)

    id: str = Field(validation_alias="_id")
    text: str | None = None
    color: str | None = None
    status: str | None = None


class NoticeSpec(CommonSpec):
    """What the user asks for."""

    notice_id: ObjectId
    text: str | None = None
    color: str | None = None

    @property
    @override
    def desired(self) -> Mapping[str, str]:
        return {name: value for name, value in (("text", self.text), ("color", self.color)) if value is not None}


class NoticeView(StatusModel):
    """The notice in Atlas's own words."""

    id: Shown
    status: Shown | None = None
    text: Shown | None = None
    color: Shown | None = None


class NoticeStatus(Status):
    """The whole status."""

    notice: NoticeView | None = None


class NoticeResource(Resource, frozen=True):
    """One resource as the API server holds it."""

    spec_type: ClassVar = NoticeSpec
    status_type: ClassVar = NoticeStatus
    fields: ClassVar = ("text", "color")

    spec: NoticeSpec
    status: NoticeStatus

    @property
    @override
    def entry(self) -> str:
        return self.spec.notice_id

    @property
    @override
    def written_as(self) -> str:
        return self.spec.notice_id

    @property
    @override
    def scope_name(self) -> str:
        return "notices"

    @property
    @override
    def is_bound(self) -> bool:
        return self.status.notice is not None

    @override
    def shown(self, value: Notice) -> Mapping[str, str | None]:
        return {"text": value.text, "color": value.color}


class Notices(KindWithCommands[NoticeResource]):
    """An entry is a notice; a scope is a project."""

    names = Names("toy.atlas-endpoints.dev", "v1alpha1", "Notice", "notices")
    resource = NoticeResource
    templates: ClassVar[Mapping[str, str]] = {LIST: _ALL, GET: _ONE, UPDATE: _ONE, DELETE: _ONE}

    @property
    @override
    def crd(self) -> Path:
        return Path(__file__).with_name("crd.yaml")

    @override
    def entry_of(self, body: Body) -> str | None:
        named = part(body, "spec").get("noticeId")
        return named if isinstance(named, str) else None

    @override
    def shown_in(self, status: Mapping[str, Any]) -> Collection[str]:
        found = (status.get("notice") or {}).get("id")
        return () if found is None else (found,)

    @override
    def scope_name_in(self, spec: Mapping[str, Any]) -> str | None:
        return "notices"

    @override
    def list_request(self, scope: Scope) -> Request:
        return Request(LIST, "GET", path(_ALL, LIST, groupId=scope.project_id))

    @override
    def listed(self, item: Any) -> tuple[str, Notice] | None:
        notice = self.got("", item)
        return None if notice is None else (notice.id, notice)

    @override
    def get_request(self, scope: Scope, entry: str) -> Request:
        return _request(GET, "GET", scope, entry)

    @override
    def got(self, entry: str, answer: Any) -> Notice | None:
        is_one = isinstance(answer, dict) and isinstance(answer.get("_id"), str) and answer["_id"].startswith(entry)
        return Notice.model_validate(answer) if is_one else None

    @override
    def decide(self, facts: Facts[NoticeResource]) -> Decision:
        entry = facts.resource.entry
        notice = facts.view.value(entry)
        if notice is None:
            return Decision(State(Reason.ENDPOINT_NOT_FOUND, "Atlas has no such notice."), absent=entry)
        found = Comparison.of(facts, notice, lambda _: True)
        if chosen := found.chosen:
            fields = {each.field: each.desired for each in chosen}
            cause = cause_of(chosen, facts, notice, lambda _: True)
            write = Write(_request(UPDATE, "PATCH", facts.scope, entry, fields), cause, fields, touches=(entry,))
            state = State(Reason.PENDING, "A change waits to be sent.", RequeueAfter(POLL_FIRST), found.differences)
            return Decision(state, write, seen=notice)
        if found.by_treatment[Treatment.REPORT]:
            state = State(
                Reason.DRIFTED,
                f"Atlas shows something else: {described(found.differences)}.",
                NoRequeue(),
                found.differences,
            )
            return Decision(state, seen=notice)
        return Decision(
            State(Reason.AVAILABLE, "The notice is as specified.", NoRequeue(), found.differences), seen=notice
        )

    @override
    def decide_deletion(self, facts: Facts[NoticeResource]) -> Decision:
        entry = facts.resource.entry
        notice = facts.view.value(entry)
        state = State(Reason.DELETING, "Atlas is deleting the notice.", RequeueAfter(POLL_FIRST))
        if notice is None:
            return Decision(state, absent=entry, nothing_left=True)
        write = Write(_request(DELETE, "DELETE", facts.scope, entry), touches=(entry,))
        return Decision(state, write, seen=notice)

    @override
    def render(self, facts: Facts[NoticeResource], seen: Notice) -> Mapping[str, Any]:
        return {"notice": NoticeView(**dict(seen))}


def _request(operation: str, method: str, scope: Scope, entry: str, body: Mapping[str, str] | None = None) -> Request:
    where = path(_ONE, operation, groupId=scope.project_id, noticeId=entry)
    return Request(operation, method, where, body, _REFUSALS)


NOTICES = Notices()
