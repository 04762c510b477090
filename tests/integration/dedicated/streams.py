"""A private connection of Stream Processing, which the same operator serves: to a Confluent cluster."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from atlas_endpoints.kinds.stream_private_endpoint.kind import KIND
from control_plane.process import wait_until
from integration.dedicated.endpoints import outputs
from integration.dedicated.project import Project
from support.concurrent_cases import NAME, Cases
from support.resources import Resources, ready

if TYPE_CHECKING:
    from support.concurrent_cases import Env

cases = Cases()

SERVICE = "com.amazonaws.vpce.eu-west-1.vpce-svc-0123456789abcdef0"
DOMAIN = "abc123.eu-west-1.aws.confluent.cloud"
USES = {"workspaceName": "shop", "name": "orders"}
"""A connection of a stream."""


@cases
def a_connection_to_confluent_that_a_stream_uses_beyond_its_resource(env: Env) -> None:
    project = Project(env)
    resources = Resources(env.control_plane, env.resources.namespace, {"served-by": "dedicated"}, names=KIND.names)

    def in_atlas() -> list[str]:
        """Return the states of the connections."""
        return [each["state"] for each in env.atlas.project(env.place)["streamEndpoints"]]

    def stream(**fields: Any) -> None:
        """Have a stream use the connection, or end that, as a person does in Atlas."""
        env.atlas.post("streamConnections", {"projectId": project.id, **USES, **fields})

    bound = {"deletionPolicy": "Delete", "outputConfigMapRef": {"name": "confluent"}}
    resources.create(NAME, project.spec(vendor="CONFLUENT", serviceEndpointId=SERVICE, dnsDomain=DOMAIN, **bound))
    wait_until(lambda: in_atlas() == ["DONE"], "Atlas to make the connection")
    resources.annotate(NAME, {"atlas-endpoints.dev/force-sync": "done"})
    status = resources.wait_ready(NAME)["status"]
    connection, account = status["connection"], status["account"]["awsAccountId"]
    given = {
        "connectionId": connection["id"],
        "interfaceEndpointId": connection["interfaceEndpointId"],
        "providerAccountId": account,
        "awsAccountId": account,
        "dnsDomain": DOMAIN,
    }
    wait_until(lambda: outputs(env, "confluent") == given, "the outputs of the connection")

    stream(connectionId=connection["id"])
    resources.delete(NAME)
    blocked = ready(resources.wait_reason(NAME, "DeletionBlocked"))
    assert blocked["message"].startswith("Atlas deletes no connection that streams use.")
    stream(remove=True)
    resources.annotate(NAME, {"atlas-endpoints.dev/force-sync": "free"})
    wait_until(lambda: not resources.exists(NAME), "the connection to go")
    note = f"Connection {connection['id']} is deleted from Atlas."
    wait_until(lambda: any(each["note"] == note for each in resources.events(NAME)), "an Event about the end")
    assert in_atlas() == []
    assert [each["method"] for each in env.calls() if each["method"] != "GET"] == ["POST", "DELETE", "DELETE"]
    resources.close()
