"""The simulated Atlas as one object, free of any HTTP server."""

import random
import time
from collections.abc import Callable, Sequence

from atlas_endpoints.simulator import seed as seeds
from atlas_endpoints.simulator.api import AdminApi
from atlas_endpoints.simulator.credentials import ApiKey, Credentials, ServiceAccount
from atlas_endpoints.simulator.digest import Digest, parse
from atlas_endpoints.simulator.errors import resource_not_found
from atlas_endpoints.simulator.exchange import Answer, Request
from atlas_endpoints.simulator.faults import Faults
from atlas_endpoints.simulator.journal import Journal
from atlas_endpoints.simulator.names import Names
from atlas_endpoints.simulator.oauth import OAuth, basic_user
from atlas_endpoints.simulator.rate_limits import RateLimits
from atlas_endpoints.simulator.routes import API, OAUTH, Family, Routes
from atlas_endpoints.simulator.seed import Seed
from atlas_endpoints.simulator.serverless import Serverless
from atlas_endpoints.simulator.switches import Switches
from atlas_endpoints.simulator.world import Clock, World


class Simulator:
    """An Atlas for serverless private endpoints.

    Everything in it is open to look at and to change; :func:`~atlas_endpoints.simulator.running` serves it over HTTP.

    Args:
        seed: What it holds at the start; ``None``: a small world made up on the spot, see :attr:`seed`.
        clock: Seconds since 1970. A test that turns the hands itself decides when statuses change and tokens expire;
            dates before 2023 fit no version of the API.
        rng: Where ids and secrets come from; a seeded one makes a run repeatable.
        families: What can be asked of it besides what it has anyway.

    Attributes:
        seed: What it held at the start.
        world: Projects, instances, endpoints, switches.
        credentials: Service accounts and API keys.
        oauth: The access tokens.
        api: The Admin API.
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
        own = Serverless(self.world).operations(), RateLimits(self.world).operations()
        routes = Routes([*own, *(family(self.world) for family in families)])
        self.api = AdminApi(self.world, self.credentials, self.oauth, self._digest, routes)
        self.faults = Faults()
        self.journal = Journal()
        self._plant()

    def answer(self, request: Request) -> Answer:
        """Answer a request to Atlas."""
        self.world.settle()
        if request.segments[:2] == OAUTH:
            return self.oauth.answer(request)
        if request.segments[:3] == API:
            return self.api.answer(request)
        return self.api.refusal(request, resource_not_found(request.path))

    def claimed_credentials(self, request: Request) -> str | None:
        """Return the public name of the credentials that a request claims to come from, true or not."""
        scheme, _, value = request.headers.get("Authorization", "").partition(" ")
        match scheme.lower():
            case "bearer":
                return self.oauth.owner(value.strip())
            case "digest":
                return parse(value).get("username")
            case "basic":
                return basic_user(value)
            case _:
                return None

    def _plant(self) -> None:
        for project_seed in self.seed.projects:
            project = self.world.add_project(project_seed.id, project_seed.rate_limit)
            for each in project_seed.instances:
                instance = self.world.add_instance(
                    project, each.name, provider_name=each.provider_name, region_name=each.region_name
                )
                for document in each.endpoints:
                    self.world.put(instance, document, advance=True)
        principals: tuple[ServiceAccount | ApiKey, ...] = (*self.seed.service_accounts, *self.seed.api_keys)
        for principal in principals:
            self.credentials.put(principal)
