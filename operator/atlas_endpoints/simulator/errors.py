"""Atlas's errors: the ApiError body with its quirks, and one constructor for each error the simulator answers."""

from collections.abc import Mapping
from http import HTTPStatus

from atlas_endpoints.simulator.exchange import Answer, to_json

MEDIA_TYPE = "application/json"
"""Errors never carry the versioned media type."""


class ApiError(Exception):
    """An answer in the ApiError shape.

    Args:
        status: The HTTP status, repeated in the body as ``error``.
        code: The ``errorCode``, repeated in the header ``X-Error-Code``.
        detail: A sentence for people.
        parameters: The strings and numbers that were put into the sentence.
        fields: What is wrong with which field, for ``badRequestDetail``.
        headers: Further header fields.
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
        """Render the error.

        Args:
            nulls: Send ``null`` for detail, parameters and reason, which the schema allows.
            pretty: Indent the body.
        """
        if self.is_challenge:
            return self._challenge()
        body: dict[str, object] = {}
        if self.fields:
            described = [{"description": text, "field": name} for name, text in self.fields.items()]
            body["badRequestDetail"] = {"fields": described}
        body["detail"] = None if nulls else self.detail
        body["error"] = self.status
        body["errorCode"] = self.code
        body["parameters"] = None if nulls else list(self.parameters)
        body["reason"] = None if nulls else reason(self.status)
        return Answer(
            self.status,
            to_json(body, pretty=pretty),
            MEDIA_TYPE,
            {"X-Error-Code": self.code, **self.headers},
            self.code,
        )

    def _challenge(self) -> Answer:
        body = {"error": self.status, "reason": reason(self.status), "detail": self.detail, "errorCode": self.code}
        return Answer(self.status, to_json(body, pretty=True), MEDIA_TYPE, self.headers, self.code)


def reason(status: int) -> str:
    """Return the standard phrase of a status; a made-up status has none."""
    try:
        return HTTPStatus(status).phrase
    except ValueError:
        return "Unknown"


def unauthorized(challenge: str) -> ApiError:
    """Nobody known is asking; the challenge tells how to prove it."""
    detail = "You are not authorized for this resource."
    return ApiError(401, "UNEXPECTED_ERROR", detail, headers={"WWW-Authenticate": challenge}, is_challenge=True)


def invalid_version() -> ApiError:
    """The Accept header names no version of this resource."""
    return ApiError(406, "INVALID_VERSION_DATE", "Invalid accept header or version date.")


def version_gone(version: str, path: str) -> ApiError:
    """The resource's sunset date has passed."""
    shown = path.lstrip("/")
    return ApiError(410, "VERSION_GONE", f"Version {version} of {shown} is no longer available.", version, shown)


def unsupported_media_type(content_type: str) -> ApiError:
    """The request's body is no JSON."""
    return ApiError(415, "UNSUPPORTED_MEDIA_TYPE", f"Media type {content_type} is not supported.", content_type)


def resource_not_found(path: str) -> ApiError:
    """The URL leads nowhere."""
    return ApiError(404, "RESOURCE_NOT_FOUND", f"Cannot find resource {path}.", path)


def method_not_allowed(method: str) -> ApiError:
    """The URL exists, the method on it does not."""
    return ApiError(405, "METHOD_NOT_ALLOWED", f"The method {method} is not allowed for this resource.", method)


def malformed_path(path: str) -> ApiError:
    """An id or a name in the URL breaks its pattern."""
    detail = f"One or more path parameter in the request URI {path} is malformed."
    return ApiError(400, "PATH_PARAM_PARSE_ERROR", detail, path)


def not_in_group() -> ApiError:
    """The project is somebody else's, or nobody's."""
    detail = "The current user is not in the group, or the group does not exist."
    return ApiError(401, "NOT_IN_GROUP", detail)


def group_not_found(project: str) -> ApiError:
    """The project does not exist, told to somebody who sees all projects."""
    return ApiError(404, "GROUP_NOT_FOUND", f"No group with ID {project} exists.", project)


def user_unauthorized(challenge: str | None = None) -> ApiError:
    """The role is too weak; some servers send a digest challenge along all the same."""
    headers = {"WWW-Authenticate": challenge} if challenge else None
    detail = "Current user is not authorized to perform this action."
    return ApiError(401, "USER_UNAUTHORIZED", detail, headers=headers)


def address_not_allowed(address: str) -> ApiError:
    """The client's address is not on the access list of its credentials."""
    detail = f"IP address {address} is not allowed to access this resource."
    return ApiError(403, "IP_ADDRESS_NOT_ON_ACCESS_LIST", detail, address)


def instance_not_found(name: str, project: str) -> ApiError:
    """The project has no serverless instance of this name."""
    detail = f"No serverless instance named {name} exists in group {project}."
    return ApiError(404, "SERVERLESS_INSTANCE_NOT_FOUND", detail, name, project)


def not_serverless(name: str, project: str) -> ApiError:
    """The instance has become a Flex cluster."""
    detail = f"Cluster {name} in group {project} is not a serverless instance."
    return ApiError(400, "NOT_SERVERLESS_TENANT_CLUSTER", detail, name, project)


def endpoint_not_found(endpoint: str) -> ApiError:
    """The instance has no private endpoint of this id."""
    detail = f"No private endpoint with ID {endpoint} exists for this serverless instance."
    return ApiError(404, "TENANT_PRIVATE_ENDPOINT_NOT_FOUND", detail, endpoint)


def writes_not_allowed() -> ApiError:
    """Atlas itself is being upgraded."""
    detail = "Writes are not allowed while Atlas is being upgraded. Please try again later."
    return ApiError(405, "WRITES_NOT_ALLOWED_DURING_APP_UPGRADES", detail)


def malformed_json() -> ApiError:
    """The body is not JSON."""
    return ApiError(400, "MALFORMED_JSON", "Received JSON is malformed.")


def invalid_json() -> ApiError:
    """The body is JSON, but no object."""
    return ApiError(400, "INVALID_JSON", "Received JSON does not match expected format.")


def invalid_json_attribute(name: str) -> ApiError:
    """A field has the wrong JSON type."""
    detail = f"Received JSON for the {name} attribute does not match expected format."
    return ApiError(400, "INVALID_JSON_ATTRIBUTE", detail, name)


def missing_attribute(name: str) -> ApiError:
    """A required field is absent."""
    return ApiError(400, "MISSING_ATTRIBUTE", f"The required attribute {name} was not specified.", name)


def invalid_attribute(what: str) -> ApiError:
    """A field is unknown here, or its value is refused; Atlas puts whole sentences where the name belongs."""
    return ApiError(400, "INVALID_ATTRIBUTE", f"Invalid attribute {what} specified.", what)


def invalid_enum_value(value: str) -> ApiError:
    """A value is not one of the listed ones."""
    return ApiError(400, "INVALID_ENUM_VALUE", f"An invalid enumeration value {value} was specified.", value)


def invalid_address(value: str) -> ApiError:
    """A value is no IP address."""
    detail = f"The address {value} must be in valid IP address or CIDR notation."
    return ApiError(400, "INVALID_IP_ADDRESS_OR_CIDR_NOTATION", detail, value)


def validation_error(text: str, *, field: str | None = None) -> ApiError:
    """The body breaks a rule of the schema or of the endpoint's state."""
    detail = f"The request content produced the validation error: {text}"
    return ApiError(400, "VALIDATION_ERROR", detail, text, fields={field: text} if field else None)


def token_quota_exceeded(path: str, requests: int) -> ApiError:
    """The token endpoint answers only so many requests a minute to one client at one address."""
    detail = f"Resource {path} is limited to {requests} requests every 1 minutes."
    return ApiError(429, "RATE_LIMITED", detail, path, requests, 1)
