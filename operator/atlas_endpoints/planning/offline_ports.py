"""What stands in for a cluster, so that the operator's own reconciler can be asked what it would do."""

import math
from collections.abc import Iterable, Mapping, Sequence
from datetime import timedelta

from atlas_endpoints.atlas.credentials import CredentialsError
from atlas_endpoints.atlas.requests import Scope
from atlas_endpoints.cluster.age import Age
from atlas_endpoints.cluster.errors import ReferenceProblem, UnreadableError
from atlas_endpoints.cluster.targets import Lack, Target, extract
from atlas_endpoints.controller.cache import Body, Key, Trigger
from atlas_endpoints.controller.controller import annotations_of
from atlas_endpoints.reconcile.credentials import Access
from atlas_endpoints.reconcile.errors import NoCredentialsError
from atlas_endpoints.reconcile.outputs import Output, Published
from atlas_endpoints.reconcile.resource import Resource
from atlas_endpoints.reconcile.summarize import Outcome

SOURCE = "environment"
"""Where credentials come from, as a status would name it."""


class OnePair:
    """The same credentials for every resource, since Secrets are known in the cluster only.

    Args:
        found: the fingerprint of the credentials, or why there are none.
    """

    def __init__(self, found: str | CredentialsError) -> None:
        self._found = found

    async def resolve(
        self,
        namespace: str,  # noqa: ARG002  # as the port has it
        secret_name: str | None,  # noqa: ARG002  # as the port has it
        *,
        age: Age = Age.RECENT,  # noqa: ARG002  # as the port has it
    ) -> Access:
        """Give that pair.

        Raises:
            NoCredentialsError: there is none.
        """
        if isinstance(self._found, CredentialsError):
            raise NoCredentialsError(
                self._found.reason, self._found.message, source=None, retry_in=math.inf, operation="readEnvironment"
            )
        return Access(self._found, SOURCE)

    def judged(self, access: Access, *, accepted: bool) -> None:
        """Hear what Atlas says about it; the outcome tells that, too."""


class NoNamespaces:
    """No namespace has a default for its resources, since that is known in the cluster only; none changes what is sent."""

    async def annotations(self, namespace: str, *, age: Age) -> Mapping[str, str]:  # noqa: ARG002  # as the port has it
        """Give no annotations."""
        return {}


async def nobody(key: Key) -> Body | None:  # noqa: ARG001  # as the port has it
    """Find no resource: nobody deletes one here, so nobody inherits anything."""
    return None


class Exports:
    """What manifests refer to, as far as exports of it stand beside them; all else is known in the cluster only.

    Args:
        bodies: objects of other kinds that were read with the manifests.
    """

    def __init__(self, bodies: Iterable[Body]) -> None:
        self._found = {_identity(body): body for body in bodies if body}

    async def read(self, target: Target, *, age: Age) -> str:  # noqa: ARG002  # as the port has it
        """Give what an export tells.

        Raises:
            UnreadableError: none does.
        """
        api = f"{target.group}/{target.version}".removeprefix("/")
        body = self._found.get((api, target.kind, target.namespace, target.name), {})
        found = extract(body, target.path)
        if not isinstance(found, Lack):
            return found
        raise UnreadableError(
            ReferenceProblem.KIND_NOT_ALLOWED,
            f"A plan does not ask the cluster, which alone knows {target.field} of {target.object}: so it cannot be told what"
            " would be sent. Put an export of that object beside the manifests.",
            retry_in=math.inf,
        )


def _identity(body: Body) -> tuple[object, ...]:
    metadata = body["metadata"]
    return tuple(
        str(each) for each in (body.get("apiVersion"), body.get("kind"), metadata["namespace"], metadata.get("name"))
    )


class NoOutputs:
    """Nothing is handed over, which changes nothing in Atlas."""

    async def publish(
        self,
        resource: Resource,  # noqa: ARG002  # as the port has it
        outputs: Sequence[Output],  # noqa: ARG002  # as the port has it
        *,
        scope: Scope | None,  # noqa: ARG002  # as the port has it
        max_age: float,  # noqa: ARG002  # as the port has it
    ) -> Published:
        """Write nothing."""
        return Published(None)

    def forget(self, key: Key) -> None:
        """Nothing is remembered."""


class OneLook:
    """A world in which each resource is looked at once: no resync, no limiter, and nobody deletes anything meanwhile."""

    def join(self, key: Key, scope: Scope, interval: timedelta) -> None:
        """There is no resync."""

    def scope_of(self, key: Key) -> Scope | None:
        """There is no resync."""

    def leave(self, key: Key) -> None:
        """There is no resync."""

    def wait_to_correct(self, key: Key) -> float:  # noqa: ARG002  # as the port has it
        """Hold nothing back: no drift is corrected here."""
        return 0.0

    def release(self, key: Key) -> None:
        """Nothing is held back."""

    def holds(self, key: Key, uid: str) -> bool:  # noqa: ARG002  # as the port has it
        """Every manifest is there."""
        return True

    def is_still(self, key: Key, trigger: Trigger) -> bool:  # noqa: ARG002  # as the port has it
        """Nobody changes a manifest meanwhile."""
        return True

    def get(self, key: Key) -> Body | None:  # noqa: ARG002  # as the port has it
        """Nothing of it is known but the manifest."""
        return None

    def found_by(self, value: str) -> Sequence[Body]:  # noqa: ARG002  # as the port has it
        """Nobody else is known."""
        return ()


def with_notes(body: Body, outcome: Outcome) -> Body:
    """Give a manifest with what the operator would first take note of in the resource, so that the next reconcile goes on.

    Args:
        body: the manifest.
        outcome: of a reconcile of it.
    """
    change, reservation = outcome.metadata, outcome.own.get("reservation")
    if change is not None and change.needed_by(body):
        finalizers = [name for name, wanted in change.finalizers.items() if wanted]
        annotations = {**annotations_of(body), **change.annotations}
        body = {**body, "metadata": {**body["metadata"], "finalizers": finalizers, "annotations": annotations}}
    if reservation is not None:
        body = {**body, "status": {"reservation": reservation.to_json()}}
    return body
