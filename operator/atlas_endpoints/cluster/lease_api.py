"""The Lease on the API server: read, created, replaced by compare-and-set, and waited for."""

import asyncio
import json
import math
from collections.abc import Mapping
from contextlib import suppress
from http import HTTPStatus
from typing import Any

import aiohttp
from kubernetes.aio import client
from kubernetes.aio.client.exceptions import ApiException
from typing_extensions import override

from atlas_endpoints.cluster.api import FIELD_MANAGER
from atlas_endpoints.cluster.calls import call
from atlas_endpoints.cluster.election import Lease, Record
from atlas_endpoints.cluster.errors import ClusterUnavailableError, LeaseConflictError, LeaseRefusedError
from atlas_endpoints.cluster.refusals import is_gone, is_not_served, told

GROUP, VERSION, PLURAL = "coordination.k8s.io", "v1", "leases"


class LeaseApi:
    """One Lease of ``coordination.k8s.io``.

    It is read and written as plain JSON: the client's own class refuses a Lease with a field that it does not know, and
    writes times that the API server does not always take.

    Args:
        api: the connection; no fence may hold its writes back.
        namespace: of the Lease.
        name: of the Lease.
    """

    def __init__(self, api: client.ApiClient, namespace: str, name: str) -> None:
        self._objects = client.CustomObjectsApi(api)
        self._namespace = namespace
        self._name = name
        self._metadata: dict[str, Any] = {}
        """As last seen, so that labels and annotations that others put there stay."""

    @override
    def __str__(self) -> str:
        """Name the Lease for people."""
        return f"{self._namespace}/{self._name}"

    async def read(self) -> Lease | None:
        """Read the Lease; None when there is none.

        Raises:
            LeaseRefusedError: it may not be read, or the API server knows no Leases.
            ClusterUnavailableError: it could not be read.
        """
        try:
            body = await call(
                self._objects.get_namespaced_custom_object(GROUP, VERSION, self._namespace, PLURAL, self._name)
            )
        except ApiException as error:
            if is_gone(error):
                return None
            raise self._refusal(error, "get") from error
        return self._taken_in(body)

    async def create(self, record: Record) -> Lease:
        """Create the Lease.

        Raises:
            LeaseConflictError: somebody else was first.
            LeaseRefusedError: it may not be created, or its namespace does not exist.
            ClusterUnavailableError: nobody knows whether it was created.
        """
        body = _body({"name": self._name, "namespace": self._namespace}, record)
        try:
            answer = await call(
                self._objects.create_namespaced_custom_object(
                    GROUP, VERSION, self._namespace, PLURAL, body, field_manager=FIELD_MANAGER
                )
            )
        except ApiException as error:
            raise self._refusal(error, "create") from error
        return self._taken_in(answer)

    async def replace(self, lease: Lease, record: Record) -> Lease:
        """Write the Lease if it is still as it was when it was read.

        Raises:
            LeaseConflictError: it has changed, or is gone.
            LeaseRefusedError: it may not be written.
            ClusterUnavailableError: nobody knows whether it was written.
        """
        metadata = {**self._metadata, "name": self._name, "resourceVersion": lease.version}
        try:
            answer = await call(
                self._objects.replace_namespaced_custom_object(
                    GROUP,
                    VERSION,
                    self._namespace,
                    PLURAL,
                    self._name,
                    _body(metadata, record),
                    field_manager=FIELD_MANAGER,
                )
            )
        except ApiException as error:
            if is_gone(error):
                raise LeaseConflictError from error
            raise self._refusal(error, "update") from error
        return self._taken_in(answer)

    async def changed(self, lease: Lease, *, within: float) -> None:
        """Return as soon as the Lease is another one than this, or after so many seconds.

        A watch that breaks, or is refused, only makes this the latter.
        """
        with suppress(TimeoutError):
            async with asyncio.timeout(within):
                # A stream that is cut off or not understood tells nothing.
                with suppress(ApiException, aiohttp.ClientError, OSError, ValueError):
                    await self._event_after(lease, within)
                    return
                await asyncio.sleep(within)

    async def _event_after(self, lease: Lease, within: float) -> None:
        stream = await self._objects.list_namespaced_custom_object_without_preload_content(
            GROUP,
            VERSION,
            self._namespace,
            PLURAL,
            field_selector=f"metadata.name={self._name}",
            resource_version=lease.version,
            timeout_seconds=max(1, math.ceil(within)),
            watch=True,
        )
        async with stream:
            event = json.loads(await stream.content.readline())
        if not isinstance(event, dict) or event.get("type") not in {"ADDED", "MODIFIED", "DELETED"}:
            raise ValueError("no event")  # such as an error: this version is too old for a watch

    def _taken_in(self, body: object) -> Lease:
        try:
            return self._parsed(body)
        except (AttributeError, KeyError, TypeError, ValueError):
            raise ClusterUnavailableError(f"What the API server answered is no Lease: {type(body).__name__}") from None

    def _parsed(self, body: Any) -> Lease:
        metadata = body["metadata"]
        self._metadata = {
            name: metadata[name] for name in ("labels", "annotations", "ownerReferences") if name in metadata
        }
        spec = body.get("spec") or {}
        return Lease(
            str(metadata["resourceVersion"]),
            Record(
                holder=spec.get("holderIdentity") or "",
                duration=int(spec.get("leaseDurationSeconds") or 0),
                acquired=spec.get("acquireTime") or "",
                renewed=spec.get("renewTime") or "",
                transitions=int(spec.get("leaseTransitions") or 0),
            ),
        )

    def _refusal(self, error: ApiException, verb: str) -> Exception:
        """Tell what a person has to do about a refusal."""
        if error.status == HTTPStatus.CONFLICT:
            return LeaseConflictError()
        if error.status == HTTPStatus.FORBIDDEN:
            return LeaseRefusedError(
                f"The operator may not {verb} Lease {self} ({told(error)}). Give its ServiceAccount the verbs get, create,"
                f" update and watch on leases of {GROUP} in that namespace, as deploy/base/leader-election.yaml does, or run a single"
                " replica with ATLAS_ENDPOINTS_LEADER_ELECT=false."
            )
        if is_gone(error):
            return LeaseRefusedError(
                f"Lease {self} cannot be created, as there is no namespace {self._namespace}. Create it, or name another"
                " one with ATLAS_ENDPOINTS_LEASE_NAMESPACE."
            )
        if is_not_served(error):
            return LeaseRefusedError(
                f"The API server serves no leases of {GROUP}/{VERSION}. Run a single replica with ATLAS_ENDPOINTS_LEADER_ELECT=false."
            )
        if error.status == HTTPStatus.UNPROCESSABLE_ENTITY:
            return LeaseRefusedError(f"The API server does not take Lease {self}: {told(error)}")
        return ClusterUnavailableError(f"The API server refused Lease {self}: {told(error)}")


def _body(metadata: Mapping[str, Any], record: Record) -> dict[str, Any]:
    return {
        "apiVersion": f"{GROUP}/{VERSION}",
        "kind": "Lease",
        "metadata": metadata,
        "spec": {
            "holderIdentity": record.holder,
            "leaseDurationSeconds": record.duration,
            "acquireTime": record.acquired,
            "renewTime": record.renewed,
            "leaseTransitions": record.transitions,
        },
    }
