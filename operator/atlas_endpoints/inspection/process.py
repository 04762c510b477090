"""Print the status of a resource: read Kubernetes; ask Atlas nothing, and write nothing."""

from collections.abc import Callable
from datetime import UTC, datetime

from atlas_endpoints.cluster.connection import Connection
from atlas_endpoints.cluster.errors import ClusterUnavailableError
from atlas_endpoints.cluster.writer import ResourceWriter
from atlas_endpoints.controller.cache import Key, key_of
from atlas_endpoints.inspection.report import lines
from atlas_endpoints.kinds.serverless_private_endpoint.kind import KIND
from atlas_endpoints.settings import StatusSettings


async def run(settings: StatusSettings, put: Callable[[str], object], say: Callable[[str], object]) -> bool:
    """Print the status of a resource, and return whether it was found.

    Args:
        put: prints a line of the report.
        say: prints an error.

    Raises:
        NoClusterError, OSError, ValueError: there is no cluster.
    """
    connection = await Connection.open()
    try:
        writer = ResourceWriter(connection.fenced(lambda: False), KIND.names)
        key = Key(KIND.names.kind, *settings.namespace_and_name)
        try:
            here = await writer.list(key.namespace, "")
        except ClusterUnavailableError as error:
            say(str(error))
            return False
        if here is None:
            say("The API server does not serve the kind: install the CRD (kubectl apply -f crds/).")
            return False
        body = next((each for each in here.bodies if key_of(each) == key), None)
        if body is None:
            say(f"There is no ServerlessPrivateEndpoint {key}.")
            return False
        try:
            everywhere = await writer.list(None, "")
        except ClusterUnavailableError:  # the user may list his own namespace only
            everywhere = None
        for line in lines(body, (everywhere or here).bodies, sees_all=everywhere is not None, now=datetime.now(UTC)):
            put(line)
        return True
    finally:
        await connection.close()
