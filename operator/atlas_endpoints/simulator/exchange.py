"""Requests, answers and Atlas's errors, without any HTTP library."""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from http import HTTPStatus

STANDARD_HEADERS = {
    "Server": "mdbws",
    "Strict-Transport-Security": "max-age=31536000; includeSubdomains;",
    "Referrer-Policy": "strict-origin-when-cross-origin",
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "X-Permitted-Cross-Domain-Policies": "none",
    "X-Java-Version": "17.0.12+7",
    "X-Mongodb-Service-Version": "gitHash=0000000000000000000000000000000000000000; versionString=simulator",
    "X-Envoy-Upstream-Service-Time": "1",
}
"""Atlas sends them with every answer, errors included."""

_BLOCKED = "Failed to delete {} Private endpoint with id {{}} during IN_PROGRESS state. Please try again later."
_EXISTS = "A private endpoint already exists for {} region {}."
_ERRORS = {
    "ATLAS_GENERAL_ERROR": (400, "Reason: {}."),
    "BACKUP_PRIVATE_ENDPOINT_ALREADY_EXISTS_FOR_REGION": (409, _EXISTS),
    "BACKUP_PRIVATE_ENDPOINT_DELETE_BLOCKED_DURING_PROVISIONING": (400, _BLOCKED.format("Backup")),
    "BACKUP_PRIVATE_ENDPOINT_NOT_FOUND": (404, "A private endpoint with id {} does not exist."),
    "CANNOT_DELETE_PRIVATE_ENDPOINT_SERVICE_WITH_ENDPOINTS": (
        409,
        "A private endpoint service with endpoints cannot be deleted. Please delete all endpoints and retry.",
    ),
    "CANNOT_DISABLE_ENCRYPTION_AT_REST_DUE_TO_PRIVATE_ENDPOINTS": (
        400,
        "Encryption at Rest cannot be disabled when private endpoints are present.",
    ),
    "CANNOT_DISABLE_ENCRYPTION_AT_REST_REQUIRE_PRIVATE_NETWORKING_WHILE_PRIVATE_ENDPOINTS_EXIST": (
        400,
        (
            "Cannot disable requirePrivateNetworking field when there are private endpoints."
            " Remove private endpoints in region(s) {} to disable requirePrivateNetworking."
        ),
    ),
    "CANNOT_USE_FLEX_CLUSTER_IN_CLUSTER_API": (400, "Flex cluster {} cannot be used in the Cluster API."),
    "CLUSTER_NOT_FOUND": (404, "No cluster named {} exists in group {}."),
    "CROSS_REGION_PRIVATE_LINK_SELF_REGION": (400, "The service's own region {} cannot be a remote region."),
    "DATA_FEDERATION_PRIVATE_ENDPOINT_LIMIT_EXCEEDED": (
        400,
        "No more than {} private endpoints are possible on Azure.",
    ),
    "DATA_FEDERATION_PRIVATE_ENDPOINT_NOT_FOUND": (404, "No private endpoint with ID {} exists in group {}."),
    "DATA_FEDERATION_TENANT_NOT_FOUND_FOR_NAME": (404, "No federated database named {} exists in group {}."),
    "ENCRYPTION_AT_REST_PRIVATE_ENDPOINT_ALREADY_EXISTS_FOR_REGION": (409, _EXISTS),
    "ENCRYPTION_AT_REST_PRIVATE_ENDPOINT_DELETE_BLOCKED_DURING_PROVISIONING": (
        400,
        _BLOCKED.format("Encryption at Rest"),
    ),
    "ENCRYPTION_AT_REST_PRIVATE_ENDPOINT_NOT_FOUND": (404, "A private endpoint with id {} does not exist."),
    "ENCRYPTION_AT_REST_PRIVATE_NETWORKING_NOT_ENABLED": (400, "Private networking is not enabled for {}."),
    "EXPORT_BUCKET_NOT_FOUND": (404, "No export Bucket with ID {} does not exist."),  # Atlas says so
    "GROUP_NOT_FOUND": (404, "No group with ID {} exists."),
    "INVALID_ATTRIBUTE": (400, "Invalid attribute {} specified."),  # Atlas also puts whole sentences into it
    "INVALID_ENUM_VALUE": (400, "An invalid enumeration value {} was specified."),
    "INVALID_IP_ADDRESS_OR_CIDR_NOTATION": (400, "The address {} must be in valid IP address or CIDR notation."),
    "INVALID_JSON": (400, "Received JSON does not match expected format."),
    "INVALID_JSON_ATTRIBUTE": (400, "Received JSON for the {} attribute does not match expected format."),
    "INVALID_VERSION_DATE": (406, "Invalid accept header or version date."),
    "IP_ADDRESS_NOT_ON_ACCESS_LIST": (403, "IP address {} is not allowed to access this resource."),
    "MALFORMED_JSON": (400, "Received JSON is malformed."),
    "METHOD_NOT_ALLOWED": (405, "The method {} is not allowed for this resource."),
    "MISSING_ATTRIBUTE": (400, "The required attribute {} was not specified."),
    "MULTIPLE_PRIVATE_ENDPOINTS_RESTRICTED_TO_SINGLE_REGION": (
        409,
        "Projects with multiple private endpoints in the same region cannot support private endpoints in other regions.",
    ),
    "NOT_IN_GROUP": (401, "The current user is not in the group, or the group does not exist."),
    "NOT_SERVERLESS_TENANT_CLUSTER": (400, "Cluster {} in group {} is not a serverless instance."),
    "PATH_PARAM_PARSE_ERROR": (400, "One or more path parameter in the request URI {} is malformed."),
    "PRIVATE_ENDPOINT_ALREADY_EXISTS": (409, "The service already contains a private endpoint with the id {}."),
    "PRIVATE_ENDPOINT_ID_MALFORMED": (
        404,
        "AWS interface endpoint ids must begin with 'vpce-' followed by a series of alphanumeric characters.",
    ),
    "PRIVATE_ENDPOINT_NOT_FOUND": (404, "A private endpoint with id {} does not exist."),
    "PRIVATE_ENDPOINT_SERVICE_ALREADY_EXISTS_FOR_REGION": (
        409,
        "A private endpoint service already exists for {} region {}.",
    ),
    "PRIVATE_ENDPOINT_SERVICE_CANNOT_ACCEPT_ENDPOINTS": (
        409,
        "The private endpoint service with id {} is not ready to accept endpoint connection requests.",
    ),
    "PRIVATE_ENDPOINT_SERVICE_NOT_FOUND": (404, "A private endpoint service with id {} does not exist."),
    "PROVIDER_UNSUPPORTED": (400, "Provider {} not currently supported."),
    "RATE_LIMITED": (429, "Resource {} is limited to {} requests every {} minutes."),
    "RATE_LIMITED_TOKEN_BUCKET": (
        429,
        "Rate limit exceeded for {}. Please retry after {} seconds. Request capacity: {}. Refill rate: {} per {} seconds.",
    ),
    "RESOURCE_NOT_FOUND": (404, "Cannot find resource {}."),
    "SERVERLESS_INSTANCE_NOT_FOUND": (404, "No serverless instance named {} exists in group {}."),
    "STREAM_PRIVATE_LINK_ALREADY_EXISTS": (
        400,
        "A Private Link connection of {} {} to the same target already exists.",
    ),
    "STREAM_PRIVATE_LINK_DNS_DOMAIN_ALREADY_SET": (
        400,
        "The DNS domain of Private Link with connection ID ({}) cannot be changed in state {}.",
    ),
    "STREAM_PRIVATE_LINK_IN_USE": (400, "Private Link with connection ID ({}) is in use."),
    "STREAM_PRIVATE_LINK_NOT_FOUND": (404, "No Private Link with connection ID ({}) exists."),
    "STREAM_PRIVATE_LINK_REQUIRES_CLUSTER_IN_REGION": (400, "The project has no cluster in region {} of Google Cloud."),
    "STREAM_TENANT_NOT_FOUND_FOR_NAME": (404, "No stream workspace named {} exists in group {}."),
    "TENANT_PRIVATE_ENDPOINT_NOT_FOUND": (
        404,
        "No private endpoint with ID {} exists for this serverless instance.",
    ),
    "UNSUPPORTED_MEDIA_TYPE": (415, "Media type {} is not supported."),
    "USER_UNAUTHORIZED": (401, "Current user is not authorized to perform this action."),
    "VALIDATION_ERROR": (400, "The request content produced the validation error: {}"),
    "VERSION_GONE": (410, "Version {} of {} is no longer available."),
    "WRITES_NOT_ALLOWED_DURING_APP_UPGRADES": (
        405,
        "Writes are not allowed while Atlas is being upgraded. Please try again later.",
    ),
}
"""Status and detail of each error; the parameters fill the gaps in their order."""


@dataclass(frozen=True, slots=True)
class Request:
    """What a client sent.

    Attributes:
        target: Path and query as on the request line; HTTP digest signs them.
        path: The path alone, still percent-encoded; answers quote it.
        segments: The decoded parts of the path between its slashes.
        query: The decoded query parameters; of a repeated one the last.
        headers: Header fields, found in any letter case.
        remote: The client's IP address.
    """

    method: str
    target: str
    path: str
    segments: tuple[str, ...]
    query: Mapping[str, str]
    headers: Mapping[str, str]
    body: bytes
    remote: str

    def asks(self, flag: str) -> bool:
        """Return whether a boolean query parameter is true."""
        return self.query.get(flag, "").lower() == "true"

    def authorization(self) -> tuple[str, str]:
        """Return the scheme in small letters and the rest of the Authorization field."""
        scheme, _, value = self.headers.get("Authorization", "").partition(" ")
        return scheme.lower(), value


@dataclass(slots=True)
class Answer:
    """What the server answers; Atlas also sends the content type with an empty body."""

    status: int
    body: bytes = b""
    content_type: str = "application/json"
    headers: dict[str, str] = field(default_factory=dict)
    error_code: str | None = None


class ApiError(Exception):
    """An error in Atlas's format, which never has the versioned media type.

    Args:
        parameters: The strings and numbers in the detail.
        fields: What is wrong with which field, for ``badRequestDetail``.
        is_challenge: It asks the client to prove who it is. Atlas prints this one body over several lines, in another
            order and without ``parameters``.
    """

    def __init__(
        self,
        status: int,
        code: str,
        detail: str,
        *parameters: str | int,
        fields: Mapping[str, str] | None = None,
        headers: Mapping[str, str] | None = None,
        is_challenge: bool = False,
    ) -> None:
        super().__init__(detail)
        self.status = status
        self.code = code
        self.detail = detail
        self.parameters = parameters
        self.fields = fields or {}
        self.headers = dict(headers or {})
        self.is_challenge = is_challenge

    def answer(self, *, nulls: bool = False, pretty: bool = False) -> Answer:
        """Return the answer; with ``nulls`` without detail, parameters and reason, as the schema allows."""
        body: dict[str, object] = {}
        if self.is_challenge:
            body = {"error": self.status, "reason": reason(self.status), "detail": self.detail, "errorCode": self.code}
            return Answer(self.status, to_json(body, pretty=True), headers=self.headers, error_code=self.code)
        if self.fields:
            described = [{"description": text, "field": name} for name, text in self.fields.items()]
            body["badRequestDetail"] = {"fields": described}
        body["detail"] = None if nulls else self.detail
        body["error"] = self.status
        body["errorCode"] = self.code
        body["parameters"] = None if nulls else list(self.parameters)
        body["reason"] = None if nulls else reason(self.status)
        headers = {"X-Error-Code": self.code, **self.headers}
        return Answer(self.status, to_json(body, pretty=pretty), headers=headers, error_code=self.code)


def api_error(
    code: str,
    *parameters: str | int,
    fields: Mapping[str, str] | None = None,
    headers: Mapping[str, str] | None = None,
) -> ApiError:
    """Return the error that Atlas documents under a code."""
    status, detail = _ERRORS[code]
    return ApiError(status, code, detail.format(*parameters), *parameters, fields=fields, headers=headers)


def unauthorized(challenge: str) -> ApiError:
    """Return the error that asks the client to prove who it is."""
    detail = "You are not authorized for this resource."
    return ApiError(401, "UNEXPECTED_ERROR", detail, headers={"WWW-Authenticate": challenge}, is_challenge=True)


def reason(status: int) -> str:
    """Return the standard phrase of a status, or ``Unknown``."""
    try:
        return HTTPStatus(status).phrase
    except ValueError:
        return "Unknown"


def to_json(value: object, *, pretty: bool = False) -> bytes:
    """Return JSON as Atlas writes it: UTF-8 on one line, or indented when a client asks for ``pretty=true``."""
    if pretty:
        text = json.dumps(value, ensure_ascii=False, indent=2, separators=(",", " : "))
    else:
        text = json.dumps(value, ensure_ascii=False, separators=(",", ":"))
    return text.encode("utf-8", "replace")  # JSON may hold half a surrogate pair, UTF-8 may not
