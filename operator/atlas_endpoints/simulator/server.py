"""The simulator on a TCP port: bytes in, bytes out, and everything that goes wrong on the way."""

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
from atlas_endpoints.simulator.errors import ApiError
from atlas_endpoints.simulator.exchange import Answer, Request
from atlas_endpoints.simulator.faults import ActiveFault
from atlas_endpoints.simulator.headers import STANDARD
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
    """Serves one simulator; :attr:`url` is where."""

    def __init__(self, simulator: Simulator, host: str, port: int) -> None:
        self.simulator = simulator
        self._control = Control(simulator)
        self._host = host
        self._port = port
        self._runner: web.ServerRunner | None = None

    @property
    def url(self) -> str:
        """The base URL, without a slash at the end."""
        host = f"[{self._host}]" if ":" in self._host else self._host
        return f"http://{host}:{self._port}"

    async def start(self) -> None:
        """Listen; a port of 0 becomes a free one.

        Raises:
            OSError: The address is taken or not ours.
        """
        self._runner = web.ServerRunner(
            web.Server(self._handle, access_log=None),
            shutdown_timeout=_SHUTDOWN_SECONDS,
        )
        await self._runner.setup()
        site = web.TCPSite(self._runner, self._host, self._port)
        try:
            await site.start()
        except OSError:
            await self.stop()
            raise
        self._port = self._runner.addresses[0][1]

    async def stop(self) -> None:
        """Close the port and every connection."""
        if self._runner is not None:
            await self._runner.cleanup()

    async def _handle(self, received: web.BaseRequest) -> web.StreamResponse:
        request = await _read(received)
        if request.segments[:1] == (PREFIX,):
            return _response(self._control.answer(request))
        simulator = self.simulator
        now = simulator.world.settle()
        credentials = simulator.claimed_credentials(request)
        entry = simulator.journal.open(request, now=now, credentials=credentials)
        if simulator.world.switches.latency:
            await asyncio.sleep(simulator.world.switches.latency)
        active = simulator.faults.take(request.method, request.path)
        if active is not None:
            response = await self._fail(received, request, entry, active)
        elif simulator.world.switches.late_writes is not None and _writes(request):
            response = self._write_late(received, request, entry, simulator.world.switches.late_writes)
        else:
            response = self._answer(request, entry)
        entry.answered = simulator.world.clock()
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
                self.simulator.faults.give_back(active)
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

    def _write_late(self, received: web.BaseRequest, request: Request, entry: Entry, late: float) -> web.StreamResponse:
        refused = self._apply(request, late)
        if refused is not None:
            return _record(entry, refused)
        entry.dropped = "late"
        return _drop(received)

    def _apply(self, request: Request, late: float | None) -> Answer | None:
        """Let a request take effect, now or later; return an answer only if it is refused."""
        simulator = self.simulator
        if late is None or request.segments[:2] == OAUTH:
            answer = simulator.answer(request)
            return None if answer.status in _SUCCESS else answer
        now = simulator.world.settle()
        try:
            admitted = simulator.api.admit(request)
        except ApiError as error:
            return simulator.api.refusal(request, error)
        simulator.world.timeline.at(now + late, partial(simulator.api.perform, admitted))
        return None


@asynccontextmanager
async def running(simulator: Simulator, host: str = "127.0.0.1", port: int = 0) -> AsyncIterator[Server]:
    """Serve a simulator inside this process.

    Args:
        simulator: The simulator; the caller may look into it and change it all the time.
        host: The address to listen on.
        port: The port; 0: a free one.

    Yields:
        The server, for its ``url``.
    """
    server = Server(simulator, host, port)
    await server.start()
    try:
        yield server
    finally:
        await server.stop()


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
    """Serve until SIGINT or SIGTERM, and say what is served; what the command ``simulate`` does.

    Args:
        host: The address to listen on.
        port: The port; 0: a free one.
        seed: The seed file; ``None``: a small world is made up and its credentials are printed.
        transition: Seconds that each change of status takes; ``None``: as the seed file says, else 2.
        latency: Seconds that each request takes; ``None``: as the seed file says, else 0.
        say: Prints a line; by default to standard output.
        families: What can be asked of it besides what it has anyway.

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
    """Return lines that tell a person what a simulator serves, and how to use it."""
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


def _writes(request: Request) -> bool:
    return request.method in _WRITES and request.segments[:3] == API


def _record(entry: Entry, answer: Answer) -> web.StreamResponse:
    entry.status, entry.error_code = answer.status, answer.error_code
    return _response(answer)


def _response(answer: Answer) -> web.StreamResponse:
    response = web.Response(status=answer.status, body=answer.body, headers=STANDARD)
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
