"""The reconciles of a kind: each takes one of two courses, and ends with one result."""

import logging
from contextlib import suppress
from dataclasses import replace
from functools import partial
from typing import Any

from atlas_endpoints.cluster.errors import ClusterUnavailableError
from atlas_endpoints.controller.cache import Body, Key, is_deleting, key_of, status_of
from atlas_endpoints.controller.controller import Store
from atlas_endpoints.controller.log_lines import LogFields
from atlas_endpoints.controller.requeue import Backoff
from atlas_endpoints.reconcile import deletion, failures, summarize
from atlas_endpoints.reconcile.at_rest import finds_work
from atlas_endpoints.reconcile.attempt import Attempt
from atlas_endpoints.reconcile.confirmed import confirmed_so_far
from atlas_endpoints.reconcile.creation import Creations
from atlas_endpoints.reconcile.gather import Gatherer
from atlas_endpoints.reconcile.kind import Kind
from atlas_endpoints.reconcile.last import LastCourse
from atlas_endpoints.reconcile.live import LiveCourse
from atlas_endpoints.reconcile.one_pass import Pass, Shared
from atlas_endpoints.reconcile.outcome import Concluded, Ending, Outcome, status_unchanged
from atlas_endpoints.reconcile.ports import Ports
from atlas_endpoints.reconcile.protection import Protection
from atlas_endpoints.reconcile.reasons import CLUSTER_UNAVAILABLE, EventReason
from atlas_endpoints.reconcile.resource import ObjectMeta
from atlas_endpoints.reconcile.spec import InvalidSpecError
from atlas_endpoints.reconcile.status import CONTENDED, condition_in

logger = logging.getLogger(__name__)


class Reconciler:
    """Reconcile resources of one kind."""

    def __init__(self, kind: Kind[Any], ports: Ports) -> None:
        self._kind = kind
        self._ports = ports
        self._gatherer = Gatherer(kind, ports)
        self._memories = memories = self._gatherer.memories
        self._protection = Protection(self._gatherer)
        creations = Creations(ports.clock.monotonic, ports.clock.now, memories)
        self._shared = Shared(self._gatherer, self._protection, creations)
        self.finds_work = partial(finds_work, self._gatherer)

    async def reconcile(self, body: Body, store: Store) -> Concluded:
        one = Pass(self._shared, body, store)
        try:
            outcome = await (LastCourse(one) if is_deleting(body) else LiveCourse(one)).run()
        except ClusterUnavailableError as error:
            unread = "An object that the resource depends on could not be read; the operator tries again: %s"
            logger.warning(unread, error, extra=LogFields(key=str(one.key)))
            outcome = status_unchanged(Backoff(at_most=error.retry_within), unreported=CLUSTER_UNAVAILABLE)
        except InvalidSpecError as error:
            if is_deleting(body):
                raise  # what hinders a deletion is said by its course
            self._gatherer.leave(key_of(body))
            outcome = replace(failures.of_invalid_spec(error, one.attempt()), handled=_request(body))
        return self._completed(store.body, outcome, one.attempt(self._ports.clock.now()))

    def failed(self, body: Body, error: Exception) -> Concluded:
        attempt = self._gatherer.attempt(body, self._ports.clock.now())
        applied = attempt.previous.applied
        # The error may have come after a write, so what the spec no longer wants is not confirmed.
        with suppress(Exception):  # an invalid spec, or the defect itself
            applied = confirmed_so_far(self._kind.resource.parse(body, now=attempt.now))
        return self._completed(body, replace(failures.of_bug(error, attempt), applied=applied), attempt)

    def _completed(self, body: Body, outcome: Outcome, attempt: Attempt) -> Concluded:
        """Return the result of a reconcile of an object; an outcome without a state keeps the status.

        Args:
            attempt: as of the end of the reconcile, whose times the status shows.
        """
        status = status_of(body)
        if outcome.state is not None:
            status = summarize.render(attempt, outcome).to_json()
        self._protection.reconciled(body, outcome, status)
        return Concluded(requeue=outcome.requeue, status=status, failure_reason=outcome.failure_reason, outcome=outcome)

    def forget(self, key: Key) -> None:
        self._gatherer.leave(key)
        self._memories.pop(key, None)

    def waits_for_others(self, key: Key) -> bool:
        """Return whether a resource waits until it is known who else exists, or who owns its endpoint."""
        memory, body = self._memories.get(key), self._ports.resources.get(key)
        is_contended = body is not None and bool(condition_in(status_of(body), CONTENDED))
        return is_contended or (memory is not None and memory.is_unlisted)

    def changed(self, key: Key) -> None:
        """Record that a change of a resource was seen; what is read for a force-sync request begins later."""
        self._memories[key].changed_at = self._ports.clock.monotonic()

    def ask_again(self, key: Key) -> None:
        """Let the next reconcile of a resource ask Atlas again."""
        self._memories[key].failure = None

    def left_behind(self, body: Body) -> Ending:
        """Return the Event about what stays in Atlas when a resource is gone without a reconcile of its deletion; empty: none is due."""
        left = deletion.left_behind(self._kind, body)
        if not left or self._memories[key_of(body)].ending is not None:
            return {}
        with suppress(InvalidSpecError):
            resource = self._kind.resource.parse(body)
            if (owner := self._gatherer.known_protector(resource)) is not None:
                return deletion.handed_over(self._kind, owner, resource)
        return {EventReason.ENDPOINT_RETAINED: left}


def _request(body: Body) -> str | None:
    """Return the force-sync request, as far as the metadata is readable."""
    try:
        return ObjectMeta.parse(body).reconcile_request
    except InvalidSpecError:
        return None
