"""The simulator on a TCP port, and the faults of the network."""

import asyncio
import signal
import sys
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager, suppress
from functools import partial
from pathlib import Path
from urllib.parse import parse_qsl, unquote

from aiohttp import web

from atlas_endpoints.simulator import seed as seeds
from atlas_endpoints.simulator.control import PREFIX, Control
from atlas_endpoints.simulator.exchange import STANDARD_HEADERS, Answer, ApiError, Request
from atlas_endpoints.simulator.faults import ActiveFault, Fault
from atlas_endpoints.simulator.journal import Entry
from atlas_endpoints.simulator.routes import API, OAUTH, Family
from atlas_endpoints.simulator.simulator import Simulator
from atlas_endpoints.simulator.world import World

_SUCCESS = range(200, 300)
_WRITES = frozenset({"POST", "PATCH", "DELETE"})
_STOP_SIGNALS = (signal.SIGINT, signal.SIGTERM)
_SHOWN_ENDPOINTS = 10
_SHUTDOWN_SECONDS = 0.2  # a request that a fault delays is not waited for


class Server:
    """Serves one simulator at :attr:`url`, which has no slash at the end."""

    def __init__(self, simulator: Simulator) -> None:
        self.simulator = simulator
        self.url = ""
        self._control = Control(simulator)

    async def handle(self, received: web.BaseRequest) -> web.StreamResponse:
        """Answer one HTTP request."""
        request = await _read(received)
        if request.segments[:1] == (PREFIX,):
            return _response(self._control.answer(request))
        simulator, world = self.simulator, self.simulator.world
        now = world.settle()
        entry = simulator.journal.open(request, now=now, credentials=simulator.claimed_credentials(request))
        if world.switches.latency:
            await asyncio.sleep(world.switches.latency)
        active = simulator.faults.take(request.method, request.target)
        late = world.switches.late_writes
        if active is None and late is not None and request.method in _WRITES and request.segments[:3] == API:
            active = ActiveFault(Fault(drop="after", apply_after=late))
        if active is not None:
            response = await self._fail(received, request, entry, active)
        else:
            response = self._answer(request, entry)
        entry.answered = world.clock()
        return response

    def _answer(self, request: Request, entry: Entry) -> web.StreamResponse:
        return _record(entry, self.simulator.answer(request))

    async def _fail(
        self, received: web.BaseRequest, request: Request, entry: Entry, active: ActiveFault
    ) -> web.StreamResponse:
        fault = active.fault
        if fault.delay:
            await asyncio.sleep(fault.delay)
        if fault.applies:
            refused = self._apply(request, fault.apply_after)
            if refused is not None:
                active.hits -= 1  # it did not happen to this request
                return _record(entry, refused)
        if fault.drop is not None:
            entry.dropped = "late" if fault.apply_after is not None else fault.drop
            return _drop(received)
        if not fault.answers:
            return self._answer(request, entry)
        entry.fault = True
        if fault.verbatim is not None:
            entry.status, entry.error_code = fault.status, fault.error_code
            return _drop(received, fault.verbatim)
        return _record(entry, fault.answer)

    def _apply(self, request: Request, late: float | None) -> Answer | None:
        """Let a request take effect, now or later; return an answer only if it is refused."""
        simulator = self.simulator
        if late is None or request.segments[:2] == OAUTH:
            answer = simulator.answer(request)
            return None if answer.status in _SUCCESS else answer
        now = simulator.world.settle()
        try:
            admitted = simulator.admit(request)
        except ApiError as error:
            return simulator.refusal(request, error)
        simulator.world.timeline.at(now + late, partial(simulator.perform, admitted))
        return None


@asynccontextmanager
async def running(simulator: Simulator, host: str = "127.0.0.1", port: int = 0) -> AsyncIterator[Server]:
    """Serve a simulator inside this process; the caller may look into it and change it all the time.

    Args:
        port: 0: a free one, see the server's ``url``.
    """
    server = Server(simulator)
    runner = web.ServerRunner(web.Server(server.handle, access_log=None), shutdown_timeout=_SHUTDOWN_SECONDS)
    await runner.setup()
    try:
        await web.TCPSite(runner, host, port).start()
        shown = f"[{host}]" if ":" in host else host
        server.url = f"http://{shown}:{runner.addresses[0][1]}"
        yield server
    finally:
        await runner.cleanup()


async def serve(
    *,
    host: str = "127.0.0.1",
    port: int = 8090,
    seed: Path | None = None,
    transition: float | None = None,
    latency: float | None = None,
    say: Callable[[str], None] | None = None,
    families: Sequence[Callable[[World], Family]] = (),
) -> None:
    """Print what is served, and serve until SIGINT or SIGTERM; the command ``simulate``.

    Args:
        port: 0: a free one.
        seed: The seed file; ``None``: a small world with new credentials, which are printed.
        transition: Seconds that each change of status takes; ``None``: as in the seed file, else 2.
        latency: Seconds that each request takes; ``None``: as in the seed file, else 0.
        say: Prints a line; by default to standard output.
        families: Operations beside the simulator's own.

    Raises:
        InvalidDocumentError: The seed file breaks a rule; the text names the field.
        OSError: The address is taken or not ours.
    """
    say = say or _print
    planted = seeds.read_file(seed) if seed else None
    simulator = Simulator(planted, families=families)
    given = {"transition": transition, "latency": latency}
    switches = simulator.world.switches.changed({name: value for name, value in given.items() if value is not None})
    simulator.world.turn(switches)
    async with running(simulator, host, port) as server:
        for line in describe(server.url, simulator, secrets=planted is None):
            say(line)
        await _until_stopped()


def describe(url: str, simulator: Simulator, *, secrets: bool) -> list[str]:
    """Return what a simulator serves and how to use it, as lines for a person."""
    lines = [f"Atlas simulator: {url}", f"control API: {url}/{PREFIX}/"]
    for project in simulator.world.projects.values():
        lines.append(f"project: {project.id}")
        for instance in project.instances.values():
            lines.append(f"  instance: {instance.name} ({instance.provider_name}, {instance.region_name})")
            endpoints = list(instance.endpoints.values())
            shown = endpoints[:_SHOWN_ENDPOINTS]
            lines += [f"    endpoint: {each.id} {each.status} {each.endpoint_service_name or ''}" for each in shown]
            if len(endpoints) > len(shown):
                lines.append(f"    and {len(endpoints) - len(shown)} more")
        for service in project.services.values():
            lines.append(
                f"  endpoint service: {service.id} ({service.cloud_provider}, {service.region}) {service.status}"
            )
        lines += [f"  cluster: {name}" for name in project.clusters]
        federated = project.federation_endpoints.values()
        lines += [f"  endpoint of Data Federation: {each.id} ({each.provider}) {each.status}" for each in federated]
        lines += [f"  federated database: {name}" for name in sorted(project.federated_databases)]
        lines += [
            f"  {each.purpose.name} endpoint: {each.id} ({each.cloud_provider}, {each.region}) {each.status}"
            for each in project.regional_endpoints.values()
        ]
        lines += [f"  export bucket: {name}" for name in project.export_buckets]
        lines += [
            f"  endpoint of Stream Processing: {each.id} ({each.provider}, {each.vendor}) {each.state}"
            for each in project.stream_endpoints.values()
        ]
    for account in simulator.credentials.service_accounts.values():
        secret = f" clientSecret={account.client_secret}" if secrets else ""
        lines.append(f"service account: clientId={account.client_id}{secret}")
    for key in simulator.credentials.api_keys.values():
        secret = f" privateApiKey={key.private_key}" if secrets else ""
        lines.append(f"API key: publicApiKey={key.public_key}{secret}")
    return lines


async def _until_stopped() -> None:
    stopped = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in _STOP_SIGNALS:
        # A process with the number 1, as in a container, ignores signals that it has no handler for. Outside the main
        # thread there are no handlers; there, whoever cancels this coroutine stops the server.
        with suppress(NotImplementedError, RuntimeError, ValueError):
            loop.add_signal_handler(number, stopped.set)
    try:
        await stopped.wait()
    finally:
        for number in _STOP_SIGNALS:
            loop.remove_signal_handler(number)


async def _read(received: web.BaseRequest) -> Request:
    target = received.raw_path
    path, _, query = target.partition("?")
    parts = path.split("/")[1:]
    return Request(
        method=received.method,
        target=target,
        path=path,
        segments=tuple(map(unquote, parts)) if "%" in path else tuple(parts),
        query=dict(parse_qsl(query, keep_blank_values=True)) if query else {},
        headers=received.headers,
        body=await received.content.read() if received.can_read_body else b"",  # not `read()`, which stops at 1 MiB
        remote=received.remote or "",
    )


def _record(entry: Entry, answer: Answer) -> web.StreamResponse:
    entry.status, entry.error_code = answer.status, answer.error_code
    return _response(answer)


def _response(answer: Answer) -> web.StreamResponse:
    response = web.Response(status=answer.status, body=answer.body, headers=STANDARD_HEADERS)
    response.headers["Content-Type"] = answer.content_type
    response.headers.update(answer.headers)
    return response


def _drop(received: web.BaseRequest, last_words: bytes = b"") -> web.StreamResponse:
    if received.transport is not None:
        received.transport.write(last_words)
        received.transport.close()
    return web.Response()  # never sent: aiohttp finds the connection closed and leaves it at that


def _print(line: str) -> None:
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()
