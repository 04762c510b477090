"""Steps and views of private connections of Stream Processing; see ``behaviour.cases`` for the form of a case."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from typing_extensions import override

from atlas_endpoints.kinds.stream_private_endpoint.kind import KIND
from atlas_endpoints.simulator.cluster import ClusterDocument
from atlas_endpoints.simulator.services import put_cluster
from atlas_endpoints.simulator.stream_endpoint import StreamConnectionDocument, StreamEndpointDocument, account_details
from behaviour.atlas import PROJECT
from behaviour.steps import Steps, Views
from support.cases import STREAM, manifest

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from atlas_endpoints.atlas.requests import Request
    from atlas_endpoints.controller.cache import Body

ONE, TWO, THREE = (f"{number:024x}" for number in (1, 2, 3))


def _spec(base: str, **fields: Any) -> dict[str, Any]:
    return {**manifest(base, fields, kind=STREAM)["spec"], "projectId": PROJECT, "deletionPolicy": "Delete"}


_SERVICE = "com.amazonaws.eu-west-1.s3"
_DOMAIN = "abc.eu-west-1.aws.confluent.cloud"
_DEDICATED = _spec("AWS_CONFLUENT", dnsDomain=_DOMAIN, dnsSubDomain=[f"one.{_DOMAIN}", f"two.{_DOMAIN}"])
CONSTANTS: Mapping[str, Any] = {
    "PROJECT": PROJECT,
    "ACCOUNT": account_details(PROJECT, "AWS")["awsAccountId"],
    "ONE": ONE,
    "TWO": TWO,
    "THREE": THREE,
    "S3": _spec("AWS"),
    "S3_AGAIN": {**_spec("AWS"), "region": "EU_WEST_1"},
    "REPORTED": {**_spec("AWS"), "driftPolicy": "Report"},
    "OUTPUT": {**_spec("AWS"), "outputConfigMapRef": {"name": "out"}},
    "MSK": _spec("MSK"),
    "OBSERVED": {**_spec("MSK"), "managementPolicy": "Observe"},
    "CONFLUENT": _spec("AWS_CONFLUENT"),
    "DEDICATED": _DEDICATED,
    "OBSERVED_DEDICATED": {**_DEDICATED, "managementPolicy": "Observe"},
    "SERVICE": _DEDICATED["serviceEndpointId"],
    "EVENTHUB": _spec("EVENTHUB"),
    "AZURE_CONFLUENT": _spec("AZURE_CONFLUENT"),
    "GCP_CONFLUENT": _spec("GCP_CONFLUENT"),
    "PUBSUB": _spec("PUBSUB"),
    "ARN": _spec("MSK")["arn"],
    "MSK_IAM": {**_spec("MSK"), "authenticationScheme": "IAM"},
    "CONFLUENT_SHORT": {
        **_spec("AWS_CONFLUENT"),
        "serviceEndpointId": _DEDICATED["serviceEndpointId"].rpartition(".")[2],
    },
    "HERE": {"vendor": "S3", "region": "EU_WEST_1", "serviceEndpointId": _SERVICE},
    "ELSEWHERE": {"vendor": "S3", "region": "EU_WEST_2", "serviceEndpointId": "com.amazonaws.eu-west-2.s3"},
    "TARGET": f"AWS S3 EU_WEST_1 {_SERVICE}",
    "DOMAIN": _DOMAIN,
}


def name_of(request: Request) -> str:
    """Return the name of a call in cases."""
    path, _, query = request.path.partition("?")
    last, number = path.rpartition("/")[2], query.partition("pageNum=")[2]
    more = f" page {number}" if number not in {"", "1"} else ""
    if last == "accountDetails":
        return "GET account"
    if last in {"streams", "connections"}:
        return f"LIST {'workspaces' if last == 'streams' else last}{more}"
    return f"LIST{more}" if number else f"{request.method} connection"


class StreamSteps(Steps):
    """What can happen to such connections."""

    kind = KIND
    name_of = staticmethod(name_of)

    def __init__(self) -> None:
        super().__init__()
        self.news: list[tuple[str, str]] = []
        """The Events that follow from the statuses of all resources: reason and message."""

    @override
    def views(self, name: str) -> StreamViews:
        return StreamViews(self, name)

    @override
    def _checked(self, before: Body, status: Mapping[str, Any]) -> None:
        super()._checked(before, status)
        self.news += self.kind.news(before["status"], status)

    @override
    def clear(self, _: object, __: str) -> None:
        super().clear(None, "")
        self.news.clear()

    def connection(self, document: Mapping[str, Any], _: str) -> None:
        """Put a connection as a person does; ``count``: so many to other services before it."""
        fields, project = dict(document), self.atlas.world.projects[PROJECT]
        for number in range(fields.pop("count", 0)):
            other = {"vendor": "S3", "region": "EU_WEST_1", "serviceEndpointId": f"com.amazonaws.s{number}"}
            put = StreamEndpointDocument.model_validate({**other, "_id": f"{number + 100:024x}"})
            self.atlas.simulator.streams.put(project, put)
        self.atlas.simulator.streams.put(project, StreamEndpointDocument.model_validate(fields))

    def connections(self, documents: Sequence[Mapping[str, Any]], _: str) -> None:
        for each in documents:
            self.connection(each, "")

    def atlas_cluster(self, region: Mapping[str, str], _: str) -> None:
        """Put a cluster of the project into a region."""
        document = ClusterDocument.model_validate({"name": "db", "regions": [region]})
        put_cluster(self.atlas.world, self.atlas.world.projects[PROJECT], document)

    def stream(self, document: Mapping[str, Any], _: str) -> None:
        """Put a connection of a stream; ``uses: true``: it uses the only connection that there is."""
        fields, project = dict(document), self.atlas.world.projects[PROJECT]
        if fields.pop("uses", False):
            fields["connectionId"] = next(iter(project.stream_endpoints))
        put = StreamConnectionDocument.model_validate({"workspaceName": "orders", **fields})
        self.atlas.simulator.streams.put_connection(project, put)

    def streams(self, count: int, _: str) -> None:
        """Put so many connections of streams that use the only connection that there is."""
        for number in range(count):
            self.stream({"name": f"a-connection-of-a-team-{number:03}", "uses": True}, "")

    def alike(self, count: int, _: str) -> None:
        """Put so many connections to the service of ``$S3``."""
        for number in range(count):
            self.connection({**CONSTANTS["HERE"], "_id": f"{number + 1:024x}"}, "")

    def stream_of(self, document: Mapping[str, Any], name: str) -> None:
        """Put another connection of a stream, by its name."""
        self.stream({"name": name, **document}, "")

    def once_intended(self, document: Mapping[str, Any], _: str) -> None:
        """Put a connection once a status says that one is about to be created."""

        def written() -> None:
            if any(each["status"].get("creation") for each in self.cluster.objects.values()):
                self.cluster.written = lambda: None
                self.connection(document, "")

        self.cluster.written = written

    def changes(self, fields: Mapping[str, Any], _: str) -> None:
        """Change the only connection that there is, as a person or Atlas does."""
        (known,) = self.atlas.world.projects[PROJECT].stream_endpoints
        self.connection({"_id": known, "provider": self._provider(known), **fields}, "")

    def _provider(self, id_: str) -> str:
        return self.atlas.world.projects[PROJECT].stream_endpoints[id_].provider

    def accept(self, call: str, _: str) -> None:
        """Answer such calls with success, and do nothing; the first one arrives with ``late``."""
        self._late.clear()

        def accepts(request: Request) -> Any | None:
            if name_of(request) != call:
                return None
            self._late.append(request)
            return {}

        self.atlas.accepted = accepts

    def late(self, _: object, __: str) -> None:
        """Let the late call arrive."""
        self.atlas.accepted = lambda _: None
        for request in self._late[:1]:
            self.atlas.perform(request)
        self._late.clear()


class StreamViews(Views):
    """What ``expect`` can ask for about such connections."""

    _steps: StreamSteps

    def news(self, expected: Sequence[str]) -> None:
        """The Events that follow from the statuses of all resources."""
        assert [str(reason) for reason, _ in self._steps.news] == expected, self._steps.news

    def news_say(self, words: Sequence[str]) -> None:
        found = [message for _, message in self._steps.news]
        assert [each for each in words if not any(each in message for message in found)] == [], found

    def in_atlas(self, expected: Sequence[str] | Mapping[str, Any] | None) -> None:
        """The states of the connections in Atlas in the order in which they were made; or some fields of the only one."""
        found = [each.document() for each in self._steps.atlas.world.projects[PROJECT].stream_endpoints.values()]
        if isinstance(expected, dict):
            assert [{name: each.get(name) for name in expected} for each in found] == [expected], found
        else:
            assert [each["state"] for each in found] == (expected or []), (found, self._steps.atlas.calls)
