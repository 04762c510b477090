"""Sees every state of every resource that a test run ever writes."""

from __future__ import annotations

import json
import threading
import time
from typing import TYPE_CHECKING, Any

import httpx

from control_plane.process import wait_until

if TYPE_CHECKING:
    from collections.abc import Callable

    from control_plane import ControlPlane


class Recorder:
    """Watches all resources of a kind from the beginning to ``stop``; any thread may ask it."""

    def __init__(self, control_plane: ControlPlane, plural: str = "serverlessprivateendpoints") -> None:
        self._path = f"/apis/atlas-endpoints.dev/v1alpha1/{plural}"
        self.bodies: list[dict[str, Any]] = []
        self._states: dict[tuple[str, str], list[dict[str, Any]]] = {}
        self._grown = threading.Condition()
        self._http = control_plane.client()
        self._version = ""
        wait_until(self._list, "the API server to list the resources")
        self._stopped = threading.Event()
        self._thread = threading.Thread(target=self._watch, name="status recorder", daemon=True)
        self._thread.start()

    def stop(self) -> None:
        """End the watch; what was written until now has been seen."""
        self._stopped.set()
        self._thread.join(15)
        assert not self._thread.is_alive(), "the watch for statuses hangs"
        self._http.close()

    def distinct(self) -> list[dict[str, Any]]:
        """Each state once, without what changes with every write."""
        seen: dict[str, dict[str, Any]] = {}
        for body in self.bodies:
            metadata = {
                name: value
                for name, value in body["metadata"].items()
                if name not in {"managedFields", "resourceVersion", "uid", "creationTimestamp"}
            }
            seen.setdefault(json.dumps({**body, "metadata": metadata}, sort_keys=True), body)
        return list(seen.values())

    def states(self, namespace: str, name: str) -> list[dict[str, Any]]:
        with self._grown:
            return list(self._states.get((namespace, name), ()))

    def wait(
        self,
        namespace: str,
        name: str,
        what: Callable[[dict[str, Any]], bool],
        *,
        since: int,
        timeout: float,
    ) -> dict[str, Any] | None:
        """Wait until a resource is as expected; give it, or ``None`` when it is not in time.

        It costs next to nothing however many wait, unlike asking the API server again and again.
        """
        deadline = time.monotonic() + timeout
        with self._grown:
            while True:
                states = self._states.get((namespace, name))
                if states and int(states[-1]["metadata"]["resourceVersion"]) >= since and what(states[-1]):
                    return states[-1]
                remaining = deadline - time.monotonic()
                if remaining <= 0 or not self._thread.is_alive():
                    return None
                self._grown.wait(remaining)

    def _watch(self) -> None:
        while not self._stopped.is_set():
            parameters = {
                "watch": "true",
                "resourceVersion": self._version,
                "allowWatchBookmarks": "true",
                # The end comes within this time after ``stop``.
                "timeoutSeconds": "3",
            }
            try:
                with self._http.stream("GET", self._path, params=parameters) as stream:
                    if not stream.is_success:  # the CRD is being changed
                        self._stopped.wait(0.1)
                        continue
                    for line in stream.iter_lines():
                        self._take(json.loads(line))
            except httpx.TransportError:
                continue

    def _take(self, event: dict[str, Any]) -> None:
        body = event["object"]
        match event["type"]:
            case "ERROR":
                # When the CRD is changed, the API server forgets what was before.
                assert body["code"] == httpx.codes.GONE, body
                self._list()
            case "ADDED" | "MODIFIED":
                self._record(body)
                self._version = body["metadata"]["resourceVersion"]
            case _:
                self._version = body["metadata"]["resourceVersion"]

    def _list(self) -> bool:
        """Begin the watch from now, if the API server serves the kind: what was written meanwhile is seen in its last state.

        Right after a CRD was installed or changed it answers 429 for a moment, "storage is (re)initializing".
        """
        answer = self._http.get(self._path)
        if not answer.is_success:
            return False
        self._version = answer.json()["metadata"]["resourceVersion"]
        for body in answer.json()["items"]:
            self._record(body)
        return True

    def _record(self, body: dict[str, Any]) -> None:
        metadata = body["metadata"]
        with self._grown:
            self.bodies.append(body)
            self._states.setdefault((metadata["namespace"], metadata["name"]), []).append(body)
            self._grown.notify_all()
