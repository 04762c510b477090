"""Resources on the API server, as tests make, change and await them."""

from __future__ import annotations

import json
import time
from typing import TYPE_CHECKING, Any

import httpx

from atlas_endpoints.kinds.serverless_private_endpoint.kind import KIND
from control_plane.process import PATIENCE
from support.atlas import CLIENT_ID, CLIENT_SECRET

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from atlas_endpoints.cluster.api import Names
    from control_plane import ControlPlane
    from support.observed import Recorder

MERGE = {"Content-Type": "application/merge-patch+json"}
CREDENTIALS = {"clientId": CLIENT_ID, "clientSecret": CLIENT_SECRET}


class Resources:
    """The resources and Secrets of one namespace.

    Args:
        control_plane: where they are.
        namespace: which one.
        labels: that each resource gets, so that one operator of several serves it.
        recorder: what to wait with, so that many can wait at once; without it, the API server is asked again and again.
        names: of their kind.
    """

    def __init__(
        self,
        control_plane: ControlPlane,
        namespace: str,
        labels: Mapping[str, str],
        *,
        recorder: Recorder | None = None,
        names: Names = KIND.names,
    ) -> None:
        self._names = names
        self.namespace = namespace
        self._labels = dict(labels)
        self._control_plane = control_plane
        self._http = control_plane.client()
        self._recorder = recorder
        self._written: dict[str, int] = {}

    def beside(self, namespace: str, data: Mapping[str, str] | None = None) -> Resources:
        """Return the resources of another namespace that the same operator serves; ``data``: of the Secret there."""
        found = Resources(self._control_plane, namespace, self._labels, recorder=self._recorder, names=self._names)
        found.secret(data=data)
        return found

    def create(
        self, name: str, spec: Mapping[str, Any], *, annotations: Mapping[str, str] | None = None
    ) -> dict[str, Any]:
        body = self._manifest(name, spec, annotations or {})
        return self._wrote(self._http.post(self._path(), params={"fieldValidation": "Strict"}, json=body))

    def accepts(self, spec: Mapping[str, Any]) -> bool:
        parameters = {"fieldValidation": "Strict", "dryRun": "All"}
        return self._http.post(self._path(), params=parameters, json=self._manifest("dry", spec, {})).is_success

    def is_listed(self) -> bool:
        """Return whether a LIST is answered: for a moment after a CRD was changed it is refused with 429."""
        return self._http.get(self._path()).is_success

    def edit(self, name: str, **spec: Any) -> dict[str, Any]:
        """Change fields of a spec; ``None`` removes one."""
        return self.patch(name, {"spec": spec})

    def annotate(self, name: str, annotations: Mapping[str, str | None]) -> dict[str, Any]:
        """Change annotations; ``None`` removes one."""
        return self.patch(name, {"metadata": {"annotations": dict(annotations)}})

    def patch(self, name: str, patch: Mapping[str, Any]) -> dict[str, Any]:
        return self._wrote(self._http.patch(self._path(name), content=json.dumps(patch), headers=MERGE))

    def write_status(self, name: str, patch: Mapping[str, Any]) -> dict[str, Any]:
        """Apply a merge patch to a status, as an earlier operator may have left it."""
        path = f"{self._path(name)}/status"
        return self._wrote(self._http.patch(path, content=json.dumps({"status": patch}), headers=MERGE))

    def get(self, name: str) -> dict[str, Any]:
        return _json(self._http.get(self._path(name)))

    def all(self) -> list[dict[str, Any]]:
        return list(_json(self._http.get(self._path()))["items"])

    def version(self) -> int:
        """Return the highest resource version among all resources, which any write to one of them raises."""
        return max(int(body["metadata"]["resourceVersion"]) for body in self.all())

    def patch_if_there(self, name: str, patch: Mapping[str, Any]) -> dict[str, Any] | None:
        """Apply a merge patch to a resource, unless it is gone by now."""
        answer = self._http.patch(self._path(name), content=json.dumps(patch), headers=MERGE)
        return None if answer.status_code == httpx.codes.NOT_FOUND else self._wrote(answer)

    def delete(self, name: str) -> None:
        self._http.delete(self._path(name)).raise_for_status()

    def delete_if_there(self, name: str) -> dict[str, Any] | None:
        """Delete a resource, unless it is gone by now; give it if something holds it."""
        answer = self._http.delete(self._path(name))
        body = {} if answer.status_code == httpx.codes.NOT_FOUND else _json(answer)
        return body if body.get("kind") == self._names.kind else None

    def exists(self, name: str) -> bool:
        return self._http.get(self._path(name)).status_code == httpx.codes.OK

    def secret(self, name: str = "atlas-credentials", data: Mapping[str, str] | None = None) -> None:
        """Create a Secret, or replace it in one step; by default with credentials that work."""
        body = {
            "apiVersion": "v1",
            "kind": "Secret",
            "metadata": {"name": name},
            "stringData": dict(CREDENTIALS if data is None else data),
        }
        collection = f"/api/v1/namespaces/{self.namespace}/secrets"
        answer = self._http.put(f"{collection}/{name}", json=body)
        # The API server creates no Secret by PUT.
        _json(self._http.post(collection, json=body) if answer.status_code == httpx.codes.NOT_FOUND else answer)

    def delete_secret(self, name: str = "atlas-credentials") -> None:
        self._http.delete(f"/api/v1/namespaces/{self.namespace}/secrets/{name}").raise_for_status()

    def wait(
        self, name: str, what: Callable[[dict[str, Any]], bool], *, timeout: float = PATIENCE, says: str = ""
    ) -> dict[str, Any]:
        """Wait until a resource is as expected, and give it."""
        deadline = time.monotonic() + timeout
        if self._recorder is not None:
            since = self._written.get(name, 0)
            found = self._recorder.wait(self.namespace, name, what, since=since, timeout=timeout)
            if found is not None:
                return found
        while True:
            body = self.get(name)
            if what(body):
                return body
            if time.monotonic() > deadline:
                raise AssertionError(f"{name} is not {says or 'as expected'} after {timeout:.0f} s: {told(body)}")
            time.sleep(0.05)

    def states(self, name: str) -> list[dict[str, Any]]:
        """Return all states that the recorder has seen of a resource."""
        assert self._recorder is not None
        return self._recorder.states(self.namespace, name)

    def wait_ready(self, name: str, *, timeout: float = PATIENCE) -> dict[str, Any]:
        return self.wait(
            name, lambda body: observed(body) and ready(body)["status"] == "True", timeout=timeout, says="ready"
        )

    def wait_reason(
        self, name: str, reason: str, *, pair: str | None = None, timeout: float = PATIENCE
    ) -> dict[str, Any]:
        """Wait until Ready of the present generation has a reason, with ``Reconciling`` or ``Stalled`` if told."""
        return self.wait(
            name,
            lambda body: (
                observed(body)
                and ready(body)["reason"] == reason
                and (pair is None or condition(body, pair) is not None)
            ),
            timeout=timeout,
            says=f"{reason} {pair or ''}",
        )

    def events(self, name: str | None = None) -> list[dict[str, Any]]:
        """Read the Events about a resource, or about all, the oldest first."""
        items = _json(self._http.get(f"/apis/events.k8s.io/v1/namespaces/{self.namespace}/events"))["items"]
        found = [
            each
            for each in items
            if each["regarding"]["kind"] == self._names.kind and name in {None, each["regarding"]["name"]}
        ]
        return sorted(found, key=lambda each: str(each["eventTime"]))

    def wait_events(self, name: str, *told: tuple[str, str], timeout: float = PATIENCE) -> list[dict[str, Any]]:
        """Wait until there are so many Events about a resource, and give them if type and reason of each are as told."""
        deadline = time.monotonic() + timeout
        while len(found := self.events(name)) < len(told) and time.monotonic() < deadline:
            time.sleep(0.05)
        assert [(each["type"], each["reason"]) for each in found] == list(told), found
        return found

    def close(self) -> None:
        self._http.close()

    def _manifest(self, name: str, spec: Mapping[str, Any], annotations: Mapping[str, str]) -> dict[str, Any]:
        return {
            "apiVersion": f"{self._names.group}/{self._names.version}",
            "kind": self._names.kind,
            "metadata": {"name": name, "labels": self._labels, "annotations": dict(annotations)},
            "spec": dict(spec),
        }

    def _wrote(self, answer: httpx.Response) -> dict[str, Any]:
        body = _json(answer)
        self._written[body["metadata"]["name"]] = int(body["metadata"]["resourceVersion"])
        return body

    def _path(self, name: str = "") -> str:
        names = self._names
        return f"/apis/{names.group}/{names.version}/namespaces/{self.namespace}/{names.plural}/{name}".rstrip("/")


def condition(body: Mapping[str, Any], type_: str) -> dict[str, Any] | None:
    conditions = body.get("status", {}).get("conditions", [])
    return next((each for each in conditions if each["type"] == type_), None)


def ready(body: Mapping[str, Any]) -> dict[str, Any]:
    return condition(body, "Ready") or {"status": "", "reason": "", "message": ""}


def observed(body: Mapping[str, Any]) -> bool:
    """Return whether the status speaks about the present generation."""
    return bool(body["status"]["observedGeneration"] == body["metadata"]["generation"])


def told(body: Mapping[str, Any]) -> str:
    status = body.get("status", {})
    conditions = [
        f"{each['type']}={each['status']} {each['reason']}: {each['message']}" for each in status.get("conditions", [])
    ]
    return json.dumps({"generation": body["metadata"]["generation"], **status, "conditions": conditions}, indent=2)


def _json(answer: httpx.Response) -> dict[str, Any]:
    assert answer.is_success, answer.text
    return dict(answer.json())
