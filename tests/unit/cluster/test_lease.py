"""The Lease as it is on the wire: read leniently, and written by compare-and-set."""

from typing import TYPE_CHECKING

import pytest
from kubernetes.aio import client

from atlas_endpoints.cluster.errors import ClusterUnavailableError, LeaseConflictError, LeaseRefusedError
from atlas_endpoints.cluster.lease import Lease, LeaseApi, Record
from unit.cluster.api_server import RESET, Answer, ApiServer, status_of

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

PATH = "/apis/coordination.k8s.io/v1/namespaces/ours/leases"
STAMP = "2026-11-25T12:30:15.000001Z"
RECORD = Record("a_1", 45, STAMP, STAMP, 3)
SPEC = {
    "holderIdentity": "a_1",
    "leaseDurationSeconds": 45,
    "acquireTime": STAMP,
    "renewTime": STAMP,
    "leaseTransitions": 3,
}


class Wire:
    def __init__(self, server: ApiServer, api: client.ApiClient) -> None:
        self.server = server
        self.lease = LeaseApi(api, "ours", "atlas-endpoints")


@pytest.fixture
def wire(server: ApiServer, api: client.ApiClient) -> Wire:
    return Wire(server, api)


def lease(version: str = "7", spec: object = SPEC, *, status: int = 200, **metadata: object) -> Answer:
    meta = {"name": "atlas-endpoints", "namespace": "ours", "resourceVersion": version, "uid": "u", **metadata}
    return Answer(status, {"apiVersion": "coordination.k8s.io/v1", "kind": "Lease", "metadata": meta, "spec": spec})


ABSENT = Answer(404, status_of(404, "NotFound", 'leases.coordination.k8s.io "atlas-endpoints" not found'))
FORBIDDEN = Answer(403, status_of(403, "Forbidden", "leases.coordination.k8s.io is forbidden"))
NO_NAMESPACE = Answer(404, status_of(404, "NotFound", 'namespaces "ours" not found'))
CONFLICT = Answer(409, status_of(409, "Conflict", "the object has been modified"))


SPARSE = {"holderIdentity": None, "leaseDurationSeconds": None, "renewTime": None}
READINGS: dict[str, tuple[Answer, Lease | None]] = {
    "a Lease": (lease(), Lease("7", RECORD)),
    "none": (ABSENT, None),
    "one without a spec": (lease(spec=None), Lease("7", Record())),
    "one with an empty spec": (lease(spec={}), Lease("7", Record())),
    "one with a spec of nulls": (lease(spec=SPARSE), Lease("7", Record())),
    "one with unknown fields": (lease(spec={**SPEC, "strategy": "New", "new": {"in": "1.50"}}), Lease("7", RECORD)),
}


@pytest.mark.parametrize(("answer", "found"), READINGS.values(), ids=READINGS)
async def test_it_is_read_leniently(wire: Wire, answer: Answer, found: Lease | None) -> None:
    wire.server.answers.append(answer)
    assert await wire.lease.read() == found
    assert wire.server.calls == [f"GET {PATH}/atlas-endpoints"]


@pytest.mark.parametrize(
    "answer",
    [
        *(Answer(200, each) for each in (["a list"], {"kind": "Lease"}, {"kind": "Lease", "metadata": {}, "spec": {}})),
        *(lease(spec=["a list"]), lease(spec={"leaseDurationSeconds": "long"})),
        *(Answer(200, "<html>", "text/html"), Answer(404, "<html>", "text/html")),
        *(Answer(429, "", "text/plain"), Answer(500, "", "text/plain")),
        Answer(401, status_of(401, "Unauthorized", "Unauthorized")),
    ],
    ids=lambda answer: f"{answer.status} {str(answer.body)[:60]}",
)
async def test_an_unclear_answer_is_a_temporary_error(wire: Wire, answer: Answer) -> None:
    wire.server.answers.append(answer)
    with pytest.raises(ClusterUnavailableError):
        await wire.lease.read()


class TestWriting:
    async def test_creating(self, wire: Wire) -> None:
        wire.server.answers.append(lease("8", status=201))
        assert await wire.lease.create(RECORD) == Lease("8", RECORD)
        (request,) = wire.server.requests
        assert (request.method, request.path) == ("POST", PATH)
        assert request.body == {
            "apiVersion": "coordination.k8s.io/v1",
            "kind": "Lease",
            "metadata": {"name": "atlas-endpoints", "namespace": "ours"},
            "spec": SPEC,
        }

    async def test_replacing_this_version_and_nothing_that_others_wrote(self, wire: Wire) -> None:
        wire.server.answers.extend([lease("7", labels={"team": "db"}, annotations={"note": "ours"}), lease("8")])
        before = await wire.lease.read()
        assert before is not None
        assert await wire.lease.replace(before, RECORD) == Lease("8", RECORD)
        request = wire.server.requests[-1]
        assert (request.method, request.path) == ("PUT", f"{PATH}/atlas-endpoints")
        assert request.body["metadata"] == before.metadata
        assert before.metadata["labels"] == {"team": "db"}
        assert request.body["metadata"]["resourceVersion"] == "7"
        assert request.body["spec"] == SPEC

    async def test_a_concurrent_write_is_a_conflict(self, wire: Wire) -> None:
        wire.server.answers.extend([CONFLICT, CONFLICT, ABSENT])
        with pytest.raises(LeaseConflictError):
            await wire.lease.create(RECORD)
        for _ in ("changed", "gone"):
            with pytest.raises(LeaseConflictError):
                await wire.lease.replace(Lease("7", RECORD), RECORD)

    async def test_a_write_is_never_sent_twice(self, wire: Wire) -> None:
        """The fate of the first is not known; the elector looks first."""
        wire.server.answers.append(RESET)
        with pytest.raises(ClusterUnavailableError):
            await wire.lease.create(RECORD)
        assert len(wire.server.requests) == 1


REFUSALS: dict[str, tuple[str, Answer, str]] = {
    "no right to read it": ("read", FORBIDDEN, "may not get Lease ours/atlas-endpoints.*LEADER_ELECT=false"),
    "no right to create it": ("create", FORBIDDEN, "may not create Lease ours/atlas-endpoints"),
    "no right to write it": ("replace", FORBIDDEN, "may not update Lease.*as deploy/base/leader-election.yaml does"),
    "no such namespace": ("create", NO_NAMESPACE, "there is no namespace ours.*LEASE_NAMESPACE"),
}


@pytest.mark.parametrize("case", REFUSALS)
async def test_a_refusal_has_the_remedy(wire: Wire, case: str) -> None:
    call, answer, words = REFUSALS[case]
    wire.server.answers.append(answer)
    calls: dict[str, Callable[[], Awaitable[Lease | None]]] = {
        "read": wire.lease.read,
        "create": lambda: wire.lease.create(RECORD),
        "replace": lambda: wire.lease.replace(Lease("7", RECORD), RECORD),
    }
    with pytest.raises(LeaseRefusedError, match=words):
        await calls[call]()
