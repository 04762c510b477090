"""The Admin API: from a request to an answer, in Atlas's order of checks.

Credentials, access list, URL, version, project, role, then what is the operation's own: rate limit, mode, instance, body,
endpoint. Where Atlas's own order is not known, this one tells a stranger least.
"""

import json
from dataclasses import replace

from atlas_endpoints.simulator import errors, negotiation
from atlas_endpoints.simulator.credentials import GROUP_OWNER, Credentials, Principal
from atlas_endpoints.simulator.digest import Digest
from atlas_endpoints.simulator.errors import ApiError
from atlas_endpoints.simulator.exchange import Answer, Request, to_json
from atlas_endpoints.simulator.headers import of_operation
from atlas_endpoints.simulator.oauth import OAuth
from atlas_endpoints.simulator.routes import Call, Routes
from atlas_endpoints.simulator.world import World


class AdminApi:
    """Answers everything under ``/api/atlas/v2``.

    Args:
        world: What there is.
        credentials: Who may ask.
        oauth: Whose access token it is.
        digest: Whose signature it is.
        routes: What can be asked for.
    """

    def __init__(self, world: World, credentials: Credentials, oauth: OAuth, digest: Digest, routes: Routes) -> None:
        self._world = world
        self._credentials = credentials
        self._oauth = oauth
        self._digest = digest
        self._routes = routes

    def answer(self, request: Request) -> Answer:
        """Handle a request."""
        try:
            call = self.admit(request)
        except ApiError as error:
            return self.refusal(request, error)
        return self.perform(call)

    def admit(self, request: Request) -> Call:
        """Check all that can be checked without reading the body.

        Raises:
            ApiError: Something forbids the request.
        """
        principal = self._authenticate(request)
        if not principal.allows(request.remote):
            raise errors.address_not_allowed(request.remote)
        call = self._routes.match(request)
        operation, switches = call.operation, self._world.switches
        end = (switches.deprecation, switches.sunset) if operation.is_deprecated else (None, None)
        call.headers.update(of_operation(operation.java_method, *end))
        try:
            call = replace(call, version=self._check(call, principal))
            operation.admit(call)
        except ApiError as error:
            error.headers = call.headers | error.headers
            raise
        return call

    def perform(self, call: Call) -> Answer:
        """Do what an admitted request asks for."""
        request = call.request
        try:
            status, body = call.operation.perform(call)
        except ApiError as error:
            error.headers = call.headers | error.headers
            return self.refusal(request, error)
        if body and request.asks("pretty"):
            body = to_json(json.loads(body), pretty=True)
        if body and request.asks("envelope"):
            body = b'{"status":%d,"content":%b}' % (status, body)
        return Answer(status, body, negotiation.media_type(call.version), call.headers)

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

    def _check(self, call: Call, principal: Principal) -> str:
        accept = call.request.headers.get("Accept", "")
        version = negotiation.negotiate(accept, call.operation.version, self._world.clock())
        if (named := call.names.get("groupId")) is None:
            return version
        self._check_visible(named, principal)
        if call.operation.writes and principal.role(named) != GROUP_OWNER:
            challenge = self._digest.challenge() if self._world.switches.challenge_on_role else None
            raise errors.user_unauthorized(challenge)
        return version

    def _check_visible(self, project_id: str, principal: Principal) -> None:
        is_there = project_id in self._world.projects
        if not is_there and principal.sees_all_projects:
            raise errors.group_not_found(project_id)
        if not is_there or principal.role(project_id) is None:
            raise errors.not_in_group()
