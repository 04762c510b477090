"""Fields of a spec that refer to other objects in the resource's namespace. Pure; see ``spec``."""

from functools import partial
from typing import Annotated, Self

from pydantic import AfterValidator, Field, model_validator
from pydantic_core import PydanticCustomError

from atlas_endpoints.reconcile.values import (
    AsWritten,
    ObjectName,
    SecretName,
    matches,
    rule,
)

_API_VERSION = r"[a-z0-9]([-a-z0-9]*[a-z0-9])?([.][a-z0-9]([-a-z0-9]*[a-z0-9])?)+/v[0-9][a-z0-9]*"
_KIND = r"[A-Z][a-zA-Z0-9]*"
_FIELD_PATH = r"([.]?[a-zA-Z0-9_-]+)([.][a-zA-Z0-9_-]+)*"
_CONFIG_MAP_KEY = r"[-._a-zA-Z0-9]+"

PROJECT_API, PROJECT_KIND = "atlas.mongodb.com/v1", "AtlasProject"
"""The default of a reference to a project: the kind of MongoDB's own operator."""

_NO_PROJECT_PATH = (
    "Required value: must be set unless the kind is AtlasProject of atlas.mongodb.com: add the path of the field that "
    "holds the project's ID, such as `.status.atProvider.id`"
)
_HALF_A_KIND = (
    "must be set together with `kind`: set both, or leave both out for an AtlasProject of MongoDB's own operator"
)
_NO_FIELD_PATH = (
    "Required value: must be set unless the kind is VPCEndpoint of ec2.services.k8s.aws or PrivateEndpoint of "
    "network.azure.com: add the path of the field that holds the ID, such as `.status.atProvider.id`"
)

KNOWN_PATHS = {
    ("ec2.services.k8s.aws", "VPCEndpoint"): "status.vpcEndpointID",
    ("network.azure.com", "PrivateEndpoint"): "status.id",
}
"""Where the ID of a private endpoint is, by group and kind: AWS Controllers for Kubernetes (ACK) and Azure Service
Operator (ASO)."""


def _is_api_version(example: str) -> AfterValidator:
    return rule(partial(matches, _API_VERSION), f"must be group and version of a custom resource, such as `{example}`")


def _is_kind(example: str) -> AfterValidator:
    return rule(partial(matches, _KIND), f"must be a kind, such as `{example}`")


ApiVersion = Annotated[str, Field(max_length=128)]
Kind = Annotated[str, Field(max_length=63)]
FieldPath = Annotated[
    str,
    Field(max_length=256),
    rule(
        partial(matches, _FIELD_PATH),
        "must be names of fields that are separated by dots, such as `.status.atProvider.id`; lists and filters are not supported",
    ),
]


class SecretRef(AsWritten):
    """A Secret."""

    name: SecretName


class CloudProviderEndpointRef(AsWritten):
    """An object that contains the ID of the private endpoint in the cloud."""

    api_version: Annotated[ApiVersion, _is_api_version("ec2.services.k8s.aws/v1alpha1")]
    kind: Annotated[Kind, _is_kind("VPCEndpoint")]
    name: ObjectName
    field_path: FieldPath | None = None

    @property
    def group(self) -> str:
        """The API group of the object."""
        return self.api_version.partition("/")[0]

    @property
    def path(self) -> tuple[str, ...]:
        """The path of the field."""
        return _steps(self.field_path or KNOWN_PATHS[self.group, self.kind])

    @model_validator(mode="after")
    def _leads_to_a_field(self) -> Self:
        if self.field_path is None and (self.group, self.kind) not in KNOWN_PATHS:
            raise PydanticCustomError("misfits", "fields do not fit together", {"fieldPath": _NO_FIELD_PATH})
        return self


class ProjectRef(AsWritten):
    """An object that contains the ID of the Atlas project.

    Without ``api_version`` and ``kind`` it is an AtlasProject of MongoDB's own operator.
    """

    api_version: Annotated[ApiVersion, _is_api_version(PROJECT_API)] | None = None
    kind: Annotated[Kind, _is_kind(PROJECT_KIND)] | None = None
    name: ObjectName
    field_path: FieldPath | None = None

    @property
    def api(self) -> str:
        """Group and version of the object."""
        return self.api_version or PROJECT_API

    @property
    def object_kind(self) -> str:
        """The kind of the object."""
        return self.kind or PROJECT_KIND

    @property
    def path(self) -> tuple[str, ...]:
        """The path of the field."""
        return _steps(self.field_path or "status.id")

    @model_validator(mode="after")
    def _leads_to_a_field(self) -> Self:
        misfits = {}
        if (self.api_version is None) is not (self.kind is None):
            misfits["apiVersion"] = _HALF_A_KIND
        elif self.field_path is None and not self._is_atlas_project:
            misfits["fieldPath"] = _NO_PROJECT_PATH
        if misfits:
            raise PydanticCustomError("misfits", "fields do not fit together", misfits)
        return self

    @property
    def _is_atlas_project(self) -> bool:
        return (self.api.partition("/")[0], self.object_kind) == (PROJECT_API.partition("/")[0], PROJECT_KIND)


class ConfigMapKeyRef(AsWritten):
    """A key of a ConfigMap."""

    name: ObjectName
    key: Annotated[
        str,
        Field(max_length=253),
        rule(
            partial(matches, _CONFIG_MAP_KEY),
            "must be a key of a ConfigMap, that is letters, digits, `-`, `_` and `.`",
        ),
    ]


class PrivateEndpointIpAddressFrom(AsWritten):
    """The source of the private endpoint's address."""

    config_map_key_ref: ConfigMapKeyRef


class ConfigMapRef(AsWritten):
    """A ConfigMap."""

    name: ObjectName


def _steps(path: str) -> tuple[str, ...]:
    return tuple(path.removeprefix(".").split("."))
