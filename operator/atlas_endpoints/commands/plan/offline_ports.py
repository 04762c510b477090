"""The reconciler's ports without a cluster. Pure."""
# ruff: noqa: ARG002  # the ports define these methods, and document them

import math
from collections.abc import Iterable
from dataclasses import dataclass

from atlas_endpoints.atlas.credentials import CredentialsError
from atlas_endpoints.cluster.api import Age, Lack, Target, extract
from atlas_endpoints.cluster.errors import ReferenceProblem, UnreadableError
from atlas_endpoints.controller.cache import Body, Key
from atlas_endpoints.reconcile.credentials import Access, NoCredentialsError


@dataclass(frozen=True, slots=True)
class OnePair:
    """The same credentials for every resource: their fingerprint, or why there are none."""

    found: str | CredentialsError

    async def resolve(self, namespace: str, secret_name: str | None, *, age: Age = Age.RECENT) -> Access:
        if isinstance(self.found, CredentialsError):
            raise NoCredentialsError(
                self.found.reason, self.found.message, source=None, retry_in=math.inf, operation="readEnvironment"
            )
        return Access(self.found, "environment")


class Exports:
    """The referenced objects whose exports are among the manifests."""

    def __init__(self, bodies: Iterable[Body]) -> None:
        self._found = dict[tuple[str, ...], Body]()
        for body in filter(None, bodies):
            metadata = body["metadata"]
            names = body.get("apiVersion"), body.get("kind"), metadata["namespace"], metadata.get("name")
            self._found[tuple(map(str, names))] = body

    async def read(self, target: Target, *, age: Age) -> str:
        api = f"{target.group}/{target.version}".removeprefix("/")
        body = self._found.get((api, target.kind, target.namespace, target.name), {})
        found = extract(body, target.path)
        if not isinstance(found, Lack):
            return found
        raise UnreadableError(
            ReferenceProblem.KIND_NOT_ALLOWED,
            f"The plan does not read the cluster, so {target.field} of {target.object} is unknown. Add an export of that object"
            " to the manifests; its status counts only with --use-statuses.",
            retry_in=math.inf,
        )


class NoCluster:
    """The API server and the resync: nothing is there, and nothing follows."""

    async def read(self, key: Key) -> Body | None:
        return None

    async def refresh(self, namespace: str) -> frozenset[str]:
        return frozenset()

    def get(self, *_: object, **__: object) -> None:
        pass

    join = scope_of = leave = get
