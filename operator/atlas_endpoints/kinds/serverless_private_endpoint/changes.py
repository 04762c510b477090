"""Telling people what is changed in Atlas, field by field: after it was, and at a first contact before it is.

What Atlas holds at a first contact was somebody's, and nobody may remember it afterwards. An Event is put down and never waited
for.
"""

from collections.abc import Callable, Mapping
from typing import Any

from atlas_endpoints.atlas.serverless_private_endpoints import UPDATE as UPDATE_ENDPOINT
from atlas_endpoints.atlas.serverless_private_endpoints import Endpoint
from atlas_endpoints.engine.store import Key
from atlas_endpoints.kinds.serverless_private_endpoint.announcements import (
    UPDATE,
    Announcement,
    EventReason,
    diff,
    tell,
)
from atlas_endpoints.kinds.serverless_private_endpoint.comparison import Difference, compare, same, shown
from atlas_endpoints.kinds.serverless_private_endpoint.model import Cause, ManagedField
from atlas_endpoints.kinds.serverless_private_endpoint.this_pass import Pass
from atlas_endpoints.kinds.serverless_private_endpoint.verdict import Send


def adopted(pass_: Pass, send: Send, before: Endpoint) -> tuple[Difference, ...]:
    """Give what a PATCH changes of an endpoint to which its resource has never applied anything.

    An endpoint that was reserved for the resource has never been anybody else's.
    """
    if pass_.context(before).contacted or (pass_.resource.spec.endpoint_id is None and pass_.resource.is_owner):
        return ()
    return compare(send.fields, before)


def changed(pass_: Pass, send: Send, before: Endpoint, answer: Endpoint) -> tuple[Difference, ...]:
    """Give what a PATCH has changed, as its answer shows it; that a mark of ours is gone is no news."""
    return tuple(
        each
        for each in compare(send.fields, before)
        if same(each.field, shown(answer, each.field), each.desired)
        and not (each.field is ManagedField.COMMENT and each.actual == pass_.resource.mark)
    )


class Changes:
    """Announces what is changed, each change once: a first contact however often its PATCH is tried.

    Args:
        announce: tells people.
    """

    def __init__(self, announce: Callable[[Mapping[str, Any], Announcement], None]) -> None:
        self._announce = announce
        self._told: dict[Key, frozenset[Difference]] = {}

    def before(self, pass_: Pass, send: Send, before: Endpoint) -> None:
        """Tell what is about to be sent, if it is sent at a first contact and was not told.

        Args:
            pass_: that is about to send it.
            send: it.
            before: the endpoint as it is known.
        """
        differences = adopted(pass_, send, before)
        known = self._told.pop(pass_.key, None)
        if not differences:
            return
        if known is not None and known.issuperset(differences):
            self._told[pass_.key] = known
        elif known is not None or not _was_tried(pass_):
            self._told[pass_.key] = (known or frozenset()).union(differences)
            message = (
                f"First contact with endpoint {before.id}, whose values are about to be changed: {diff(differences)}."
            )
            self._announce(pass_.resource.metadata.named, tell(EventReason.ADOPTING, message, action=UPDATE))

    def after(self, pass_: Pass, send: Send, before: Endpoint, answer: Endpoint) -> None:
        """Tell what was sent and confirmed, unless that was told before.

        Args:
            pass_: that has sent it.
            send: it.
            before: the endpoint as it was known.
            answer: as Atlas shows it now.
        """
        differences = changed(pass_, send, before, answer)
        if self._told.get(pass_.key, frozenset()).issuperset(differences):
            return
        reason, what = EventReason.UPDATED, "The endpoint was changed as the spec says"
        if send.cause is Cause.DRIFT:
            reason, what = (
                EventReason.DRIFT_CORRECTED,
                "Somebody had changed the endpoint in Atlas, and it was set back",
            )
        self._announce(pass_.resource.metadata.named, tell(reason, f"{what}: {diff(differences)}.", action=UPDATE))

    def forget(self, key: Key) -> None:
        """Drop what is remembered of a resource that is gone."""
        self._told.pop(key, None)


def _was_tried(pass_: Pass) -> bool:
    """Tell whether the status says that a PATCH for this very spec has failed: an earlier process has told of it."""
    last = pass_.previous.last_error
    return (
        last is not None
        and last.operation == UPDATE_ENDPOINT
        and pass_.previous.observed_generation == pass_.generation
    )
