"""The Lease on the API server: read, create, replace by compare-and-set, and watch it."""

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
from atlas_endpoints.cluster.refusals import is_gone, is_not_served, message_of

GROUP, VERSION, PLURAL = "coordination.k8s.io", "v1", "leases"

FIELD = {"fieldManager": FIELD_MANAGER}


class LeaseApi:
    """One Lease of ``coordination.k8s.io``.

    Args:
        api: no fence may hold its writes back.
    """

    def __init__(self, api: client.ApiClient, namespace: str, name: str) -> None:
        self._api = api
        self._namespace = namespace
        self._name = name
        self._metadata: dict[str, Any] = {}
        """As last read, so that others' labels and annotations stay."""

    @override
    def __str__(self) -> str:
        return f"{self._namespace}/{self._name}"

    async def read(self) -> Lease | None:
        """Return the Lease, or None.

        Raises:
            LeaseRefusedError: it may not be read, or the API server serves no Leases.
            ClusterUnavailableError: it could not be read.
        """
        try:
            return self._parse(await call(self._api, "GET", (*self._path, self._name)))
        except ApiException as error:
            if is_gone(error):
                return None
            raise self._refusal(error, "get") from error

    async def create(self, record: Record) -> Lease:
        """Create the Lease.

        Raises:
            LeaseConflictError: it exists.
            LeaseRefusedError: it may not be created, or its namespace does not exist.
            ClusterUnavailableError: it is unknown whether it was created.
        """
        body = _body({"name": self._name, "namespace": self._namespace}, record)
        try:
            return self._parse(await call(self._api, "POST", self._path, query=FIELD, body=body))
        except ApiException as error:
            raise self._refusal(error, "create") from error

    async def replace(self, lease: Lease, record: Record) -> Lease:
        """Write the Lease if it is still as it was when it was read.

        Raises:
            LeaseConflictError: it has changed, or is gone.
            LeaseRefusedError: it may not be written.
            ClusterUnavailableError: it is unknown whether it was written.
        """
        body = _body({**self._metadata, "name": self._name, "resourceVersion": lease.version}, record)
        try:
            return self._parse(await call(self._api, "PUT", (*self._path, self._name), query=FIELD, body=body))
        except ApiException as error:
            if is_gone(error):
                raise LeaseConflictError from error
            raise self._refusal(error, "update") from error

    @property
    def _path(self) -> tuple[str, ...]:
        return ("apis", GROUP, VERSION, "namespaces", self._namespace, PLURAL)

    async def changed(self, lease: Lease, *, within: float) -> None:
        """Return as soon as the Lease has changed, or after so many seconds, also if the watch breaks or is refused."""
        with suppress(TimeoutError):
            async with asyncio.timeout(within):
                with suppress(ApiException, aiohttp.ClientError, OSError, ValueError):
                    await self._event_after(lease, within)
                    return
                await asyncio.sleep(within)

    async def _event_after(self, lease: Lease, within: float) -> None:
        stream = await client.CustomObjectsApi(self._api).list_namespaced_custom_object_without_preload_content(
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

    def _parse(self, body: Any) -> Lease:
        try:
            metadata, spec = body["metadata"], body.get("spec") or {}
            lease = Lease(
                str(metadata["resourceVersion"]),
                Record(
                    holder=spec.get("holderIdentity") or "",
                    duration=int(spec.get("leaseDurationSeconds") or 0),
                    acquired=spec.get("acquireTime") or "",
                    renewed=spec.get("renewTime") or "",
                    transitions=int(spec.get("leaseTransitions") or 0),
                ),
            )
        except (AttributeError, KeyError, TypeError, ValueError):
            raise ClusterUnavailableError(f"What the API server answered is no Lease: {type(body).__name__}") from None
        kept = ("labels", "annotations", "ownerReferences")
        self._metadata = {name: metadata[name] for name in kept if name in metadata}
        return lease

    def _refusal(self, error: ApiException, verb: str) -> Exception:
        """Return the error for a refusal, with the remedy."""
        if error.status == HTTPStatus.CONFLICT:
            return LeaseConflictError()
        if error.status == HTTPStatus.FORBIDDEN:
            return LeaseRefusedError(
                f"The operator may not {verb} Lease {self} ({message_of(error)}). Give its ServiceAccount the verbs get, create,"
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
            return LeaseRefusedError(f"The API server does not take Lease {self}: {message_of(error)}")
        return ClusterUnavailableError(f"The API server refused Lease {self}: {message_of(error)}")


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
