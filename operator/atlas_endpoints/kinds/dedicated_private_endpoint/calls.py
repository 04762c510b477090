"""The calls for private endpoint services, their endpoints, and clusters. Pure.

Source: https://www.mongodb.com/docs/api/doc/atlas-admin-api-v2/group/endpoint-private-endpoint-services. The published
schemas and codes are not enforced on answers: recorded ones differ in status codes, nulls, names of regions and forms
of ids.
"""

from atlas_endpoints.atlas.errors import (
    EndpointAbsentError,
    InstanceNotFoundError,
    InvalidRequestError,
    NotServerlessError,
)
from atlas_endpoints.atlas.requests import Refusals
from atlas_endpoints.kinds.parts.api import Api, Read

REFUSALS = Refusals(
    # The names since 2020, and the older ones of the same codes.
    absent=(
        "PRIVATE_ENDPOINT_SERVICE_NOT_FOUND",
        "PRIVATE_ENDPOINT_NOT_FOUND",
        "INTERFACE_ENDPOINT_NOT_FOUND",
        "ENDPOINT_GROUP_NOT_FOUND",
        "PRIVATELINK_NOT_FOUND",
    ),
    explanations={
        EndpointAbsentError: "Atlas has no private endpoint service, or no endpoint in it, with this ID.",
        InstanceNotFoundError: "The project has no cluster with this name. Correct clusterName.",
        NotServerlessError: (
            "The cluster is a Flex cluster or a serverless instance, which has no such endpoints. Name a dedicated cluster in"
            " clusterName."
        ),
        InvalidRequestError: "Atlas cannot parse the request: a name or an ID is malformed. To correct it, {wrong_field}.",
    },
)
SERVICES = Api(
    below="privateEndpoint/{cloudProvider}/endpointService",
    one="endpointServiceId",
    list="listPrivateEndpointService",
    paged=False,
    get="getPrivateEndpointService",
    delete="deletePrivateEndpointService",
    refusals=REFUSALS,
)
CHANGES = Api(
    below="privateEndpoint/endpointService",
    one="endpointServiceId",
    create="createPrivateEndpointService",
    update="updatePrivateEndpointService",
    refusals=REFUSALS,
)
"""The calls that make a service, which Atlas refuses where a region has one, and change it; their paths name no cloud."""

ENDPOINTS = Api(
    below=f"{SERVICES.below}/{{endpointServiceId}}/endpoint",
    one="endpointId",
    get="getPrivateEndpoint",
    create="createPrivateEndpoint",
    delete="deletePrivateEndpoint",
    refusals=REFUSALS,
)
CLUSTER = Read(
    operation="getCluster",
    below="clusters/{clusterName}",
    # It describes a cluster of several regions with different shards.
    version="2024-08-05",
    parse=lambda answer: answer,
    refusals=REFUSALS,
)
