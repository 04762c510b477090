"""The Admin API: from a request to an answer, in Atlas's order of checks.

Credentials, access list, URL, version, project, role, rate limit, mode, instance, body, endpoint. Where Atlas's own
order is not known, this one tells a stranger least.
"""

import json
from dataclasses import dataclass
from typing import Literal

from atlas_endpoints.simulator import bodies, errors, negotiation
from atlas_endpoints.simulator.credentials import GROUP_OWNER, Credentials, Principal
from atlas_endpoints.simulator.digest import Digest
from atlas_endpoints.simulator.documents import RATE_LIMIT_ID, instance_document, instances_page, rate_limit_documents
from atlas_endpoints.simulator.errors import ApiError
from atlas_endpoints.simulator.exchange import Answer, Request, to_json
from atlas_endpoints.simulator.headers import of_operation
from atlas_endpoints.simulator.oauth import OAuth
from atlas_endpoints.simulator.routes import ENDPOINT_OPERATIONS, JAVA_METHODS, Operation, Route, match
from atlas_endpoints.simulator.world import Instance, Project, World

Mode = Literal["normal", "flex", "gone", "read-only"]
RATE_LIMITS_VERSION = "2025-03-12"


@dataclass(frozen=True, slots=True)
class Admitted:
    """A request that has passed every check that comes before its body is read."""

    request: Request
    route: Route
    version: str
    project: Project | None
    headers: dict[str, str]


class AdminApi:
    """Answers everything under ``/api/atlas/v2``.

    Attributes:
        mode: ``normal``; ``flex``: the instances have become Flex clusters; ``gone``: the sunset has passed;
            ``read-only``: Atlas is being upgraded.
    """

    def __init__(self, world: World, credentials: Credentials, oauth: OAuth, digest: Digest) -> None:
        self.mode: Mode = "normal"
        self._world = world
        self._credentials = credentials
        self._oauth = oauth
        self._digest = digest

    def answer(self, request: Request) -> Answer:
        """Handle a request."""
        try:
            admitted = self.admit(request)
        except ApiError as error:
            return self.refusal(request, error)
        return self.perform(admitted)

    def admit(self, request: Request) -> Admitted:
        """Check all that can be checked without reading the body.

        Raises:
            ApiError: Something forbids the request.
        """
        principal = self._authenticate(request)
        if not principal.allows(request.remote):
            raise errors.address_not_allowed(request.remote)
        route = match(request)
        headers = self._headers(route)
        try:
            version, project = self._check(request, route, principal, headers)
        except ApiError as error:
            error.headers = headers | error.headers
            raise
        return Admitted(request, route, version, project, headers)

    def perform(self, admitted: Admitted) -> Answer:
        """Do what an admitted request asks for."""
        request = admitted.request
        try:
            status, body = self._perform(admitted)
        except ApiError as error:
            error.headers = admitted.headers | error.headers
            return self.refusal(request, error)
        if body and request.asks("pretty"):
            body = to_json(json.loads(body), pretty=True)
        if body and request.asks("envelope"):
            body = b'{"status":%d,"content":%b}' % (status, body)
        return Answer(status, body, negotiation.media_type(admitted.version), admitted.headers)

    def refusal(self, request: Request, error: ApiError) -> Answer:
        """Render an error for the client that caused it."""
        return error.answer(nulls=self._world.switches.null_error_fields, pretty=request.asks("pretty"))

    def _authenticate(self, request: Request) -> Principal:
        scheme, _, value = request.headers.get("Authorization", "").partition(" ")
        match scheme.lower():
            case "digest":
                return self._digest.authenticate(request, value)
            case "bearer":
                account = self._credentials.service_accounts.get(self._oauth.owner(value.strip()) or "")
                if account is None:
                    raise errors.unauthorized('Bearer realm="MMS Public API", error="invalid_token"')
                return account
            case _:
                raise errors.unauthorized(self._digest.challenge())

    def _headers(self, route: Route) -> dict[str, str]:
        switches = self._world.switches
        if route.operation in ENDPOINT_OPERATIONS:
            return of_operation(JAVA_METHODS[route.operation], switches.deprecation, switches.sunset).copy()
        return of_operation(JAVA_METHODS[route.operation], None, None).copy()

    def _check(
        self, request: Request, route: Route, principal: Principal, headers: dict[str, str]
    ) -> tuple[str, Project | None]:
        now = self._world.clock()
        accept = request.headers.get("Accept", "")
        if not route.project:
            return negotiation.negotiate(accept, RATE_LIMITS_VERSION, now), None
        version = negotiation.negotiate(accept, negotiation.RESOURCE_VERSION, now)
        project = self._visible(route.project, principal)
        if route.operation.writes and principal.role(project.id) != GROUP_OWNER:
            challenge = self._digest.challenge() if self._world.switches.challenge_on_role else None
            raise errors.user_unauthorized(challenge)
        if route.operation in ENDPOINT_OPERATIONS:
            bucket = self._world.bucket(project)
            if bucket is not None:
                headers |= bucket.take(now, request.path, headers=self._world.switches.rate_limit_headers)
            self._check_mode(request, route, version)
        return version, project

    def _visible(self, project_id: str, principal: Principal) -> Project:
        project = self._world.projects.get(project_id)
        if project is None and principal.sees_all_projects:
            raise errors.group_not_found(project_id)
        if project is None or principal.role(project_id) is None:
            raise errors.not_in_group()
        return project

    def _check_mode(self, request: Request, route: Route, version: str) -> None:
        if self.mode == "gone":
            raise errors.version_gone(version, request.path)
        if self.mode == "flex":
            raise errors.not_serverless(route.instance, route.project)
        if self.mode == "read-only" and route.operation.writes:
            raise errors.writes_not_allowed()

    def _perform(self, admitted: Admitted) -> tuple[int, bytes]:
        request, route, project = admitted.request, admitted.route, admitted.project
        if project is None:
            return 200, to_json(self._rate_limits(request, route))
        if route.operation is Operation.LIST_INSTANCES:
            # Since the sunset this list is empty; instances that have become Flex clusters stayed in it until then.
            instances = [] if self.mode == "gone" else list(project.instances.values())
            return 200, to_json(instances_page(request, project, instances))
        instance = project.instances.get(route.instance)
        if instance is None:
            raise errors.instance_not_found(route.instance, project.id)
        if route.operation is Operation.GET_INSTANCE:
            return 200, to_json(instance_document(project, instance))
        if route.operation is Operation.LIST:
            return 200, instance.page()
        if route.operation is Operation.CREATE:
            negotiation.check_content_type(request.headers.get("Content-Type", ""))
            reserved = self._world.reserve(instance, bodies.comment_to_create(request.body))
            return 201, reserved.render(self._world.switches)
        return self._perform_on_endpoint(request, route, instance)

    def _perform_on_endpoint(self, request: Request, route: Route, instance: Instance) -> tuple[int, bytes]:
        change = None
        if route.operation is Operation.UPDATE:
            negotiation.check_content_type(request.headers.get("Content-Type", ""))
            change = bodies.change(request.body, instance.provider_name)
        endpoint = instance.endpoints.get(route.endpoint)
        if endpoint is None:
            raise errors.endpoint_not_found(route.endpoint)
        if route.operation is Operation.DELETE:
            self._world.delete(instance, endpoint)
            return 204, b""
        if change is not None:
            self._world.update(instance, endpoint, change)
        return 200, endpoint.render(self._world.switches)

    def _rate_limits(self, request: Request, route: Route) -> dict[str, object]:
        project = self._world.projects.get(request.query.get("groupId", ""))
        limit = (project.rate_limit if project else None) or self._world.switches.rate_limit
        found = rate_limit_documents(limit)
        if route.operation is Operation.LIST_RATE_LIMITS:
            return {"links": [], "results": found, "totalCount": len(found)}
        if route.rate_limit != RATE_LIMIT_ID or not found:
            raise errors.resource_not_found(request.path)
        return found[0]
