"""The simulated Atlas from behind: its log of requests, its endpoints, and what shall go wrong. See docs/simulator.md."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import httpx

if TYPE_CHECKING:
    from collections.abc import Mapping

ENDPOINTS = "/privateEndpoint/serverless/instance/"
"""What the paths of this API family have in common."""


@dataclass(frozen=True, slots=True)
class Request:
    """A request that Atlas received.

    Attributes:
        time: When, in seconds since 1970.
        method: The HTTP method.
        path: The path without the query.
        status: The HTTP status of the answer; None if there was none.
        body: The decoded body.
    """

    time: float
    method: str
    path: str
    status: int | None
    body: Any

    def describe(self) -> str:
        """Write it down in one line, with a second one for the body."""
        return "\n".join([f"{self.method} {self.path}", *self._body(), f"answered {self.status}"])

    def summarize(self) -> str:
        """Write it down in one line, with no more of the path than tells the calls apart."""
        return " ".join(
            [f"{self.method} …{self.path.partition(ENDPOINTS)[2]}", f"answered {self.status}", *self._body()]
        )

    def _body(self) -> list[str]:
        return [json.dumps(self.body)] if self.body else []


class SimulatedAtlas:
    """The control API of a running simulator; close it after use."""

    def __init__(self, url: str) -> None:
        self.url = url
        self._client = httpx.Client(base_url=f"{url}/_simulator", trust_env=False, timeout=5)

    def close(self) -> None:
        self._client.close()

    def answers(self) -> bool:
        try:
            return self._client.get("mode").is_success
        except httpx.TransportError:
            return False

    def count(self) -> int:
        count: int = self._get("state")["requests"]
        return count

    def requests(self, since: int = 0) -> list[Request]:
        """List the requests to the endpoints, from a count on, without those that only get a token."""
        entries = self._get(f"requests?since={since}")
        return [
            Request(entry["time"], entry["method"], entry["path"], entry["status"], entry["body"])
            for entry in entries
            if ENDPOINTS in entry["path"] and entry["answered"] is not None
        ]

    def endpoint(self, endpoint_id: str) -> Mapping[str, Any] | None:
        """Return an endpoint as Atlas holds it; None when there is none."""
        return next(
            (
                endpoint
                for project in self._get("state")["projects"]
                for instance in project["instances"]
                for endpoint in instance["endpoints"]
                if endpoint["_id"] == endpoint_id
            ),
            None,
        )

    def change(self, change: Mapping[str, Any]) -> None:
        """Change an endpoint as a person in Atlas's UI would."""
        self._post("endpoints", change)

    def put_account(self, account: Mapping[str, Any]) -> None:
        """Add a service account, or change one, as a person in Atlas's UI would."""
        self._post("credentials", {"serviceAccounts": [account]})

    def fail(self, status: int) -> None:
        """Answer every call to the endpoints with an error from now on."""
        self._post("faults", [{"match": {"path": ENDPOINTS}, "status": status}])

    def heal(self) -> None:
        self._client.delete("faults").raise_for_status()

    def switch(self, mode: str) -> None:
        """Switch to `normal`, `flex`, `gone` or `read-only`."""
        self._post("mode", {"mode": mode})

    def _get(self, path: str) -> Any:
        return self._client.get(path).raise_for_status().json()

    def _post(self, path: str, document: Any) -> None:
        self._client.post(path, json=document).raise_for_status()
