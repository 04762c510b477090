"""Sees every state of every resource that a test run ever writes."""

from __future__ import annotations

import json
import threading
from typing import TYPE_CHECKING, Any

import httpx

from control_plane.process import wait_until

if TYPE_CHECKING:
    from control_plane import ControlPlane

PATH = "/apis/atlas-endpoints.dev/v1alpha1/serverlessprivateendpoints"


class Recorder:
    """Watches all resources of a control plane from the beginning to ``stop``."""

    def __init__(self, control_plane: ControlPlane) -> None:
        self.bodies: list[dict[str, Any]] = []
        self._http = control_plane.client()
        # Right after a CRD was established the API server may still answer 429: "storage is (re)initializing".
        wait_until(lambda: self._http.get(PATH).is_success, "the API server to list the resources", timeout=30)
        self._version = self._http.get(PATH).raise_for_status().json()["metadata"]["resourceVersion"]
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
                with self._http.stream("GET", PATH, params=parameters) as stream:
                    for line in stream.iter_lines():
                        self._take(json.loads(line))
            except httpx.TransportError:
                continue

    def _take(self, event: dict[str, Any]) -> None:
        body = event["object"]
        assert event["type"] != "ERROR", body
        self._version = body["metadata"]["resourceVersion"]
        if event["type"] in {"ADDED", "MODIFIED"}:
            self.bodies.append(body)
