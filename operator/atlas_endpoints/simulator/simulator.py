"""The simulated Atlas as one object, without an HTTP server."""

import json
import random
import time
from collections.abc import Callable, Sequence

from atlas_endpoints.simulator import seed as seeds
from atlas_endpoints.simulator.auth import (
    GROUP_OWNER,
    Credentials,
    Digest,
    OAuth,
    Principal,
    decode_basic,
    parse_digest,
)
from atlas_endpoints.simulator.dedicated import Dedicated
from atlas_endpoints.simulator.endpoint import Names
from atlas_endpoints.simulator.exchange import Answer, ApiError, Request, api_error, to_json, unauthorized
from atlas_endpoints.simulator.faults import Faults
from atlas_endpoints.simulator.federation import Federation
from atlas_endpoints.simulator.journal import Journal
from atlas_endpoints.simulator.regional import Regional
from atlas_endpoints.simulator.routes import API, OAUTH, Call, Family, check_version, find_operation, media_type
from atlas_endpoints.simulator.seed import Seed
from atlas_endpoints.simulator.serverless import Serverless
from atlas_endpoints.simulator.services import Services, put_cluster
from atlas_endpoints.simulator.streams import Streams
from atlas_endpoints.simulator.switches import Switches
from atlas_endpoints.simulator.world import Clock, World


class Simulator:
    """An Atlas for private endpoints; :func:`~atlas_endpoints.simulator.running` serves it over HTTP.

    A request passes the checks in Atlas's order: credentials, access list, URL, version, project, role, then what is
    the operation's own: rate limit, mode, instance, body, endpoint. Where Atlas's order is unknown, this one reveals
    least to a stranger.

    Args:
        seed: What it holds at the start; ``None``: a small world with new random secrets.
        clock: Seconds since 1970. With a test's own clock, the test decides when statuses change and tokens expire;
            dates before 2023 fit no version of the API.
        rng: Where ids and secrets come from; a seeded one makes a run repeatable.
        families: Operations beside its own.

    Attributes:
        seed: What it held at the start.
        world: Projects and what they hold, switches.
        services: Puts endpoint services.
        federation: Puts endpoints of Data Federation.
        regional: Puts endpoints that Atlas makes for a region, and what needs them.
        streams: Puts endpoints of Stream Processing, and connections that use them.
        credentials: Service accounts and API keys.
        oauth: The access tokens.
        faults: What is to go wrong.
        journal: The log of requests.
    """

    def __init__(
        self,
        seed: Seed | None = None,
        *,
        clock: Clock = time.time,
        rng: random.Random | None = None,
        families: Sequence[Callable[[World], Family]] = (),
    ) -> None:
        names = Names(rng or random.SystemRandom(), clock)
        self.seed = seeds.make_up(names) if seed is None else seed
        self.world = World(clock=clock, names=names, switches=Switches().changed(self.seed.switches))
        self.credentials = Credentials()
        self.oauth = OAuth(self.world, self.credentials)
        self._digest = Digest(self.world, self.credentials)
        self.services = Services(self.world)
        self.federation = Federation(self.world)
        self.regional = Regional(self.world)
        self.streams = Streams(self.world)
        self._families = [
            Serverless(self.world).operations(),
            Dedicated(self.world, self.services).operations(),
            self.federation.operations(),
            self.regional.operations(),
            self.streams.operations(),
            *(family(self.world) for family in families),
        ]
        self.faults = Faults()
        self.journal = Journal()
        self._plant()

    def _plant(self) -> None:
        for project_seed in self.seed.projects:
            project = self.world.add_project(project_seed.id, project_seed.rate_limit)
            for each in project_seed.instances:
                instance = self.world.add_instance(
                    project, each.name, provider_name=each.provider_name, region_name=each.region_name
                )
                for document in each.endpoints:
                    self.world.put(instance, document, advance=True)
            for service in project_seed.endpoint_services:
                self.services.put(project, service, advance=True)
            for cluster in project_seed.clusters:
                put_cluster(self.world, project, cluster)
            for endpoint in project_seed.data_federation_endpoints:
                self.federation.put(project, endpoint)
            project.federated_databases |= project_seed.federated_databases
            project.regional_mode = project_seed.regional_mode
            self.regional.put_encryption(project, project_seed.encryption_at_rest)
            for regional in (*project_seed.encryption_at_rest_endpoints, *project_seed.backup_endpoints):
                self.regional.put(project, regional)
            for bucket in project_seed.export_buckets:
                self.regional.put_bucket(project, bucket)
            for streams in project_seed.stream_endpoints:
                self.streams.put(project, streams)
            for connection in project_seed.stream_connections:
                self.streams.put_connection(project, connection)
        self.credentials.put(self.seed.service_accounts, self.seed.api_keys)

    def answer(self, request: Request) -> Answer:
        """Answer a request to Atlas."""
        self.world.settle()
        if request.segments[:2] == OAUTH:
            return self.oauth.answer(request)
        try:
            if request.segments[:3] != API:
                raise api_error("RESOURCE_NOT_FOUND", request.path)
            call = self.admit(request)
        except ApiError as error:
            return self.refusal(request, error)
        return self.perform(call)

    def admit(self, request: Request) -> Call:
        """Make all checks of a request to the Admin API that need no body.

        Raises:
            ApiError: Something forbids the request.
        """
        principal = self._authenticate(request)
        if not principal.allows(request.remote):
            raise api_error("IP_ADDRESS_NOT_ON_ACCESS_LIST", request.remote)
        call = find_operation(self._families, request)
        call.headers["X-Java-Method"] = call.operation.java_method
        if call.operation.announced is not None:
            announced = call.operation.announced(self.world.switches)
            for name, day in (("Deprecation", announced.deprecation), ("Sunset", announced.sunset)):
                if day is not None:  # an HTTP date, but Atlas writes no zero before the day
                    call.headers[name] = f"{day:%a}, {day.day} {day:%b %Y} 00:00:00 GMT"
        try:
            check_version(request.headers.get("Accept", ""), call.operation.version, self.world.clock())
            self._check_role(call, principal)
            call.operation.admit(call)
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
        return Answer(status, body, media_type(call.operation.version), call.headers)

    def refusal(self, request: Request, error: ApiError) -> Answer:
        """Return an error as the answer to the request that caused it."""
        return error.answer(nulls=self.world.switches.null_error_fields, pretty=request.asks("pretty"))

    def claimed_credentials(self, request: Request) -> str | None:
        """Return the public name of the credentials that a request claims to come from, true or not."""
        match request.authorization():
            case "bearer", value:
                return self.oauth.owner(value)
            case "digest", value:
                return parse_digest(value).get("username")
            case "basic", value:
                return (decode_basic(value) or (None,))[0]
            case _:
                return None

    def _authenticate(self, request: Request) -> Principal:
        match request.authorization():
            case "digest", value:
                return self._digest.authenticate(request, value)
            case "bearer", value:
                account = self.credentials.service_accounts.get(self.oauth.owner(value) or "")
                if account is None:
                    raise unauthorized('Bearer realm="MMS Public API", error="invalid_token"')
                return account
            case _:
                raise unauthorized(self._digest.challenge())

    def _check_role(self, call: Call, principal: Principal) -> None:
        if (project_id := call.names.get("groupId")) is None:
            return
        if project_id not in self.world.projects and principal.sees_all_projects:
            raise api_error("GROUP_NOT_FOUND", project_id)
        if project_id not in self.world.projects or principal.role(project_id) is None:
            raise api_error("NOT_IN_GROUP")
        owners = {GROUP_OWNER} | call.operation.suffices
        if (call.operation.writes or call.operation.needs_owner) and principal.role(project_id) not in owners:
            challenge = {"WWW-Authenticate": self._digest.challenge()} if self.world.switches.challenge_on_role else {}
            raise api_error("USER_UNAUTHORIZED", headers=challenge)
