"""The family of the serverless instances and their private endpoints, which is deprecated."""

from collections.abc import Callable

from atlas_endpoints.simulator import bodies, errors, negotiation
from atlas_endpoints.simulator.documents import instance_document, instances_page
from atlas_endpoints.simulator.endpoint import Endpoint
from atlas_endpoints.simulator.exchange import to_json
from atlas_endpoints.simulator.routes import Call, Family, Operation
from atlas_endpoints.simulator.world import Instance, Project, World

INSTANCES = "/api/atlas/v2/groups/{groupId}/serverless"
INSTANCE = INSTANCES + "/{name}"
COLLECTION = "/api/atlas/v2/groups/{groupId}/privateEndpoint/serverless/instance/{instanceName}/endpoint"
ENDPOINT = COLLECTION + "/{endpointId}"

_RESOURCE = "ApiAtlasServerlessPrivateEndpointResource"
_INSTANCE_RESOURCE = "ApiAtlasServerlessInstanceDescriptionResource"


class Serverless:
    """Answers the operations of the family."""

    def __init__(self, world: World) -> None:
        self._world = world

    def operations(self) -> Family:
        """Return the operations."""

        def endpoints(name: str, perform: Callable[[Call], tuple[int, bytes]], *, writes: bool = False) -> Operation:
            return Operation(f"{_RESOURCE}::{name}", perform, self._admit, writes=writes, is_deprecated=True)

        return {
            COLLECTION: {
                "GET": endpoints("getAllServerlessPrivateEndpoints", self._list),
                "POST": endpoints("createServerlessPrivateEndpoint", self._create, writes=True),
            },
            ENDPOINT: {
                "GET": endpoints("getServerlessPrivateEndpoint", self._get),
                "PATCH": endpoints("updateServerlessPrivateEndpoint", self._update, writes=True),
                "DELETE": endpoints("deleteServerlessPrivateEndpoint", self._delete, writes=True),
            },
            INSTANCES: {"GET": Operation(f"{_INSTANCE_RESOURCE}::getAllServerlessInstances", self._list_instances)},
            INSTANCE: {"GET": Operation(f"{_INSTANCE_RESOURCE}::getServerlessInstance", self._get_instance)},
        }

    def _admit(self, call: Call) -> None:
        request, switches = call.request, self._world.switches
        bucket = self._world.bucket(self._project(call))
        if bucket is not None:
            call.headers.update(bucket.take(self._world.clock(), request.path, headers=switches.rate_limit_headers))
        match self._world.mode:
            case "gone":
                raise errors.version_gone(call.version, request.path)
            case "flex":
                raise errors.not_serverless(call.names["instanceName"], call.names["groupId"])
            case "read-only" if call.operation.writes:
                raise errors.writes_not_allowed()
            case _:
                pass

    def _list_instances(self, call: Call) -> tuple[int, bytes]:
        project = self._project(call)
        # Since the sunset this list is empty; instances that have become Flex clusters stayed in it until then.
        instances = [] if self._world.mode == "gone" else list(project.instances.values())
        return 200, to_json(instances_page(call.request, project, instances))

    def _get_instance(self, call: Call) -> tuple[int, bytes]:
        return 200, to_json(instance_document(self._project(call), self._instance(call, "name")))

    def _list(self, call: Call) -> tuple[int, bytes]:
        return 200, self._instance(call).page()

    def _create(self, call: Call) -> tuple[int, bytes]:
        instance = self._instance(call)
        negotiation.check_content_type(call.request.headers.get("Content-Type", ""))
        reserved = self._world.reserve(instance, bodies.comment_to_create(call.request.body))
        return 201, reserved.render(self._world.switches)

    def _get(self, call: Call) -> tuple[int, bytes]:
        return 200, _endpoint(call, self._instance(call)).render(self._world.switches)

    def _update(self, call: Call) -> tuple[int, bytes]:
        instance = self._instance(call)
        negotiation.check_content_type(call.request.headers.get("Content-Type", ""))
        change = bodies.change(call.request.body, instance.provider_name)
        endpoint = _endpoint(call, instance)
        self._world.update(instance, endpoint, change)
        return 200, endpoint.render(self._world.switches)

    def _delete(self, call: Call) -> tuple[int, bytes]:
        instance = self._instance(call)
        self._world.delete(instance, _endpoint(call, instance))
        return 204, b""

    def _project(self, call: Call) -> Project:
        return self._world.projects[call.names["groupId"]]

    def _instance(self, call: Call, variable: str = "instanceName") -> Instance:
        project, name = self._project(call), call.names[variable]
        instance = project.instances.get(name)
        if instance is None:
            raise errors.instance_not_found(name, project.id)
        return instance


def _endpoint(call: Call, instance: Instance) -> Endpoint:
    endpoint = instance.endpoints.get(call.names["endpointId"])
    if endpoint is None:
        raise errors.endpoint_not_found(call.names["endpointId"])
    return endpoint
