"""kopf's settings, each with its reason."""

import random
from collections.abc import Iterable, Iterator, Sequence

import kopf
from typing_extensions import override

from atlas_endpoints.cluster.api import Names


class NoDiffBase(kopf.DiffBaseStorage):
    """Keeps kopf from working out what has changed in an object: it does so for every event, and nobody asks for it."""

    @override
    def build(self, *, body: kopf.Body, extra_fields: Iterable[kopf.FieldSpec] | None = None) -> kopf.BodyEssence:
        """Find nothing in an object that could change."""
        return kopf.BodyEssence()

    @override
    def fetch(self, *, body: kopf.Body) -> kopf.BodyEssence | None:
        """Know of no earlier state."""
        return kopf.BodyEssence()

    @override
    def store(self, *, body: kopf.Body, patch: kopf.Patch, essence: kopf.BodyEssence) -> None:
        """Keep nothing."""


class Forever:
    """Endless, jittered delays for kopf's retries, so that no outage of the API server ends the operator.

    They stop growing near 4 s: the longest of them is what the operator sleeps on after the server is back.
    """

    def __iter__(self) -> Iterator[float]:
        """Begin anew from the shortest delay."""
        delay = 0.25
        while True:
            yield delay * random.uniform(0.5, 1.5)  # noqa: S311  # jitter
            delay = min(delay * 2, 4.0)


def settings(kinds: Sequence[Names], label_selector: str, *, namespaced: bool) -> kopf.OperatorSettings:
    """Set kopf up, each value with its reason; found by experiment with kopf 1.45.

    Args:
        kinds: to watch.
        label_selector: of the objects to watch.
        namespaced: whether only some namespaces are watched.
    """
    result = kopf.OperatorSettings()
    result.networking.error_backoffs = Forever()  # ending for an outage would cost restarts and their backoff
    result.networking.request_timeout = 30  # longer than our session waits for an answer, and pauses before a watch
    result.networking.connect_timeout = 5
    result.watching.inactivity_timeout = 1e8  # off: it may cancel the watcher for good, and nothing notices
    result.watching.server_timeout = 60  # the cure for silently dead streams; an integer, as Kubernetes parses it
    result.watching.client_timeout = 70  # a little longer, for streams that the server does not end
    result.watching.connect_timeout = 5
    result.watching.reconnect_backoff = 0.5
    result.watching.chunk_size = 250  # as many as our own LIST; all at once take memory that is not given back
    result.watching.initial_streaming = False  # loses objects when it is interrupted
    # To scan namespaces takes a right to list them all, which nobody needs who names the few that he wants.
    result.scanning.disabled = namespaced
    # A CRD may come late, go and come back, so kopf watches CRDs. A selector names one of them, or all.
    if len(kinds) == 1:
        result.watching.field_selectors["customresourcedefinitions.v1.apiextensions.k8s.io"] = (
            f"metadata.name={kinds[0].plural}.{kinds[0].group}"
        )
    if label_selector:
        for names in kinds:
            result.watching.label_selectors[f"{names.plural}.{names.version}.{names.group}"] = label_selector
    result.queueing.worker_limit = None  # with a limit, idle workers hold their slots: a few objects a second
    # kopf has a worker for each object with recent events, of 15 kB. To start another costs no more than to keep one waiting.
    result.queueing.idle_timeout = 0.05
    result.queueing.exit_timeout = 0.5  # no handler is under way for longer when kopf is stopped
    result.queueing.error_delays = (1, 2, 5, 10, 30)
    result.posting.loggers = False  # Events are ours to post
    result.process.ultimate_exiting_timeout = None  # else kopf kills the process ten minutes after it has ended
    result.persistence.diffbase_storage = NoDiffBase()
    # It is never used; to look for its traces in an object, for every event, costs least where it has one place only.
    result.persistence.progress_storage = kopf.StatusProgressStorage()
    result.peering.standalone = True  # peering is no mutual exclusion
    # kopf removes a finalizer of this name from every object as soon as no handler needs it: never that of our own.
    result.persistence.finalizer = "atlas-endpoints.dev/kopf"
    return result
