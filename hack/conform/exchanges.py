"""Exchanges with Atlas, and their record: as the recorded answers of the tests, without credentials and IDs of the project."""

import json
import re
import time
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, TextIO

import httpx

from atlas_endpoints.atlas.answers import json_from
from atlas_endpoints.atlas.auth import ServiceAccountAuth
from atlas_endpoints.atlas.client import ROOT
from atlas_endpoints.atlas.credentials import Credentials, ServiceAccount
from atlas_endpoints.atlas.digest import DigestAuth
from atlas_endpoints.atlas.errors import AtlasError, Wording
from atlas_endpoints.atlas.redaction import carried, without

HEADERS = ("Content-Type", "Deprecation", "RateLimit-Limit", "Retry-After", "Sunset", "X-Error-Code", "X-Java-Method")
"""What is recorded of the headers of an answer."""

IDS = {
    r"(?i)[0-9a-f]{24,}": "{24hex}",
    r"(?i)(vpce?-(?:svc-)?)[0-9a-f]{8,}": r"\1{17hex}",
    r"(?<!\d)\d{12}(?!\d)": "{12digits}",
}
"""What names something of a user, with what stands for it in recorded answers."""


class StopError(Exception):
    """A life cannot go on, for the reason in the text."""


@dataclass(frozen=True, slots=True)
class Exchange:
    """A call and its answer: status, headers and body, or None if none came."""

    step: str
    request: Mapping[str, Any]
    response: Mapping[str, Any] | None

    @property
    def status(self) -> int:
        return self.response["status"] if self.response else 0

    @property
    def is_success(self) -> bool:
        return 200 <= self.status < 300

    @property
    def body(self) -> Mapping[str, Any]:
        body = self.response["body"] if self.response else None
        return body if isinstance(body, dict) else {}

    @property
    def summary(self) -> str:
        """The status, and the error code if there is one."""
        return f"{self.status} {self.body.get('errorCode') or ''}".strip() if self.response else "no answer"

    @property
    def is_gone(self) -> bool:
        """Whether a GET shows that something no longer exists; an unknown path does not."""
        is_absent = self.status == 404 and self.body.get("errorCode") not in {None, "RESOURCE_NOT_FOUND"}
        return is_absent or (self.is_success and self.body.get("state") == "DELETED")


class Atlas:
    """Makes calls to a project, one after the other; `record` takes them, a line each."""

    def __init__(self, url: str, project: str, credentials: Credentials, record: TextIO) -> None:
        self._project, self._secret, self._record = project, credentials.secret, record
        auth: httpx.Auth
        if isinstance(credentials, ServiceAccount):
            auth = ServiceAccountAuth(credentials, url, clock=time.monotonic)
        else:
            auth = DigestAuth(credentials)
        hooks = {"response": [httpx.Response.aread]}  # the operator's signing reads refusals
        base_url = f"{url}{ROOT}/groups/{project}/"
        self._http = httpx.AsyncClient(base_url=base_url, auth=auth, timeout=30, event_hooks=hooks)

    async def aclose(self) -> None:
        await self._http.aclose()

    async def send(self, step: str, call: str, version: str, body: Any = None) -> Exchange:
        """Make a call; raises `StopError` if Atlas refuses the credentials or their role."""
        method, _, path = call.partition(" ")
        media = f"application/vnd.atlas.{version}+json"
        headers = {"Accept": media} if body is None else {"Accept": media, "Content-Type": media}
        content = None if body is None else json.dumps(body)
        extensions = {"operation": step}
        request = self._http.build_request(method, path, content=content, headers=headers, extensions=extensions)
        sent = {"method": method, "path": request.url.raw_path.decode(), "body": body}
        try:
            response = await self._http.send(request)
        except httpx.HTTPError:
            return Exchange(step, sent, None)
        except AtlasError as error:
            raise StopError(error.explanation.worded(Wording(credentials="Correct them."))) from error
        shown = without(json_from(response.content), carried(self._secret, request.headers.get("Authorization", "")))
        if shown is None and response.content.strip():
            return Exchange(step, sent, None)  # the answer of a proxy
        kept = {name: response.headers[name] for name in HEADERS if name in response.headers}
        found = Exchange(step, sent, {"status": response.status_code, "headers": kept, "body": shown})
        if found.status in {401, 402, 403}:
            raise StopError(f"Atlas refuses these credentials: {found.summary}")
        return found

    def record(self, family: str, exchange: Exchange) -> None:
        """Append an exchange to the record."""
        about = {"name": f"{family}-{exchange.step}", "source": "make conform", "provider": "AWS", "family": family}
        about |= {"op": exchange.step, "fidelity": "bytes", "date": f"{datetime.now(UTC):%Y-%m-%dT%H:%M:%SZ}"}
        line = json.dumps({**about, "request": exchange.request, "response": exchange.response}, ensure_ascii=False)
        line = line.replace(self._project, "{groupId}")
        for pattern, placeholder in IDS.items():
            line = re.sub(pattern, placeholder, line)
        self._record.write(line + "\n")
        self._record.flush()
