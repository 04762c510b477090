"""The status of a resource as a process: it reads Kubernetes, and neither asks Atlas nor writes anything."""

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
    """Print what is known of a resource.

    Args:
        settings: which resource.
        put: is given each line.
        say: is given what keeps it from being known.

    Returns:
        Whether the resource was found.

    Raises:
        NoClusterError, OSError, ValueError: there is no way to a cluster.
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
        except ClusterUnavailableError:  # as for whoever may only look at his own namespace
            everywhere = None
        for line in lines(body, (everywhere or here).bodies, sees_all=everywhere is not None, now=datetime.now(UTC)):
            put(line)
        return True
    finally:
        await connection.close()
