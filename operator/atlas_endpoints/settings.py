"""The settings of the commands: flag, environment variable and help of each.

Only this module reads the operator's own variables.
"""

import os
import re
from datetime import timedelta
from pathlib import Path
from typing import Annotated, Any, Literal

import durationpy
from pydantic import AfterValidator, BeforeValidator, Field, ValidationInfo, field_validator
from pydantic_settings import BaseSettings, CliExplicitFlag, CliPositionalArg, NoDecode, SettingsConfigDict

from atlas_endpoints.atlas.client import check_base_url
from atlas_endpoints.controller.names import is_name, is_namespace
from atlas_endpoints.reconcile.drift_limiter import Limit
from atlas_endpoints.reconcile.spec import InstanceName, ObjectId
from atlas_endpoints.telemetry.logs import LogFormat, LogLevel
from atlas_endpoints.telemetry.resources import Detail

DURATION = re.compile(r"-?(0|([0-9]+([.][0-9]+)?(ms|s|m|h))+)")
"""Go's durations, which have no days; the library accepts more than Go does."""


def _duration(value: Any) -> Any:
    if not isinstance(value, str):
        return value
    if DURATION.fullmatch(value) is None:
        raise ValueError(f"{value!r} is no duration; examples are 90s, 10m and 1h30m")
    return durationpy.from_str(value)


def _names(value: Any) -> Any:
    if not isinstance(value, str):
        return value
    names = [name.strip() for name in value.split(",") if name.strip()]
    if value.strip() and not names:
        raise ValueError("holds commas and no name; all are meant when it is empty")
    return names


def _secret(value: str | None) -> str | None:
    if value and not _is_pair(value):
        raise ValueError("must be namespace/name of a Secret, such as atlas-endpoints/atlas-credentials")
    return value or None


def _is_pair(value: str) -> bool:
    namespace, _, name = value.partition("/")
    return is_namespace(namespace) and is_name(name)


Duration = Annotated[timedelta, BeforeValidator(_duration)]
Names = Annotated[tuple[str, ...], NoDecode, BeforeValidator(_names)]
Secret = Annotated[str | None, AfterValidator(_secret)]

DEFAULT_URL = "https://cloud.mongodb.com"
FOREIGN_VARIABLE = re.compile(r"SIMULATE_|(.*_)?(SERVICE|PORT)(_.*)?$")
CRD = re.compile(r"[a-z0-9]([-a-z0-9]*[a-z0-9])?([.][a-z0-9]([-a-z0-9]*[a-z0-9])?){2,}")
ADDRESS = re.compile(r"[^/]*:[0-9]{1,5}")


class AtlasSettings(BaseSettings):
    """How Atlas is reached."""

    model_config = SettingsConfigDict(env_prefix="ATLAS_ENDPOINTS_", extra="ignore", frozen=True, env_ignore_empty=True)

    # Declared before atlas_url, whose validator reads it.
    allow_plain_http: bool = Field(
        default=False,
        description="Accept an http:// address of Atlas that is not this machine; for test clusters, as credentials travel readable",
    )
    atlas_url: str = Field(default=DEFAULT_URL, description="Address of the Atlas Admin API")
    ca_file: Path | None = Field(
        default=None, description="Certificates to trust for Atlas instead of the system's, as PEM"
    )

    @field_validator("atlas_url")
    @classmethod
    def _can_be_trusted(cls, value: str, info: ValidationInfo) -> str:
        return check_base_url(value or DEFAULT_URL, allow_plain_http=info.data.get("allow_plain_http", False))


class OperatorSettings(AtlasSettings):
    """Run the operator. Each flag is also read from the environment, as ATLAS_ENDPOINTS_ and its name in capitals."""

    namespaces: Names = Field(default=(), description="Namespaces to watch, separated by commas; all when empty")
    label_selector: str = Field(default="", description="Serve only resources with these labels")
    credentials_secret: Secret = Field(
        default=None,
        description="namespace/name of the operator's own Secret, for resources that name none and whose namespace names none",
    )
    # Declared after credentials_secret, which its validator reads.
    credentials_namespaces: Names = Field(
        default=(),
        description="Namespaces whose resources may use the operator's own Secret, separated by commas; all when empty",
    )
    reference_kinds: Names = Field(
        default=(
            "vpcendpoints.ec2.services.k8s.aws",
            "privateendpoints.network.azure.com",
            "atlasprojects.atlas.mongodb.com",
        ),
        description="Kinds that resources may refer to, as the names of their CRDs, separated by commas",
    )
    outputs: CliExplicitFlag[bool] = Field(
        default=False,
        description="Whether ConfigMaps are written for resources that ask for it, with what the cloud's side needs",
    )
    sync_interval: Duration = Field(
        default=timedelta(minutes=10),
        description="How often a settled endpoint is looked at, where the resource does not say",
    )
    stall_grace: Duration = Field(
        default=timedelta(minutes=2),
        description="How long something that another object may heal counts as progress before it counts as stalled",
    )
    max_corrections: str = Field(
        default="20%",
        description="How many resources may have drift corrected within one sync interval: a share of all (at least 10) or a number",
    )
    writes: CliExplicitFlag[bool] = Field(
        default=True,
        description="Whether anything is written to Atlas; off: statuses show what would be sent",
    )
    concurrency: int = Field(default=16, ge=1, le=256, description="How many resources are worked on at once")
    leader_elect: CliExplicitFlag[bool] = Field(
        default=True, description="Of several replicas, let one lead by a Lease; only a single one can do without"
    )
    lease_name: str = Field(default="atlas-endpoints", description="Name of the Lease")
    lease_namespace: str | None = Field(
        default=None,
        description="Namespace of the Lease; the Pod's own, or that of the kubeconfig's context, when empty",
    )
    lease_duration: Duration = Field(
        default=timedelta(seconds=45),
        description="How long after the last sign of the leader another replica takes over; a write may take a third of it, and 15s at most",
    )
    resource_metrics: Detail = Field(
        default="names",
        description="What metrics tell of resources: counts (how many there are), names (what each of them says) or ids (and those of Atlas)",
    )
    http_address: str = Field(
        default="0.0.0.0:8080", description="Where /livez, /readyz and /metrics are served"
    )  # all addresses: kubelet and Prometheus are outside the Pod
    log_format: LogFormat = Field(default="json", description="json or text")
    log_level: LogLevel = Field(default="INFO", description="DEBUG, INFO, WARNING or ERROR")

    @field_validator("sync_interval")
    @classmethod
    def _in_range(cls, value: timedelta) -> timedelta:
        # A resource may not set less than 1m; the setting may, for test clusters.
        if not timedelta(seconds=1) <= value <= timedelta(hours=24):
            raise ValueError("must be from 1s to 24h")
        return value

    @field_validator("stall_grace")
    @classmethod
    def _not_negative(cls, value: timedelta) -> timedelta:
        if value < timedelta(0):
            raise ValueError("must not be negative")
        return value

    @field_validator("max_corrections")
    @classmethod
    def _is_a_limit(cls, value: str) -> str:
        return str(Limit.parse(value))

    @field_validator("namespaces", "credentials_namespaces")
    @classmethod
    def _are_names(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        for name in value:
            if not is_namespace(name):
                raise ValueError(f"{name!r} is no name of a namespace, and patterns are not supported")
        return value

    @field_validator("reference_kinds")
    @classmethod
    def _are_crds(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        for name in value:
            if CRD.fullmatch(name) is None:
                raise ValueError(f"{name!r} is no name of a CRD, such as vpcendpoints.ec2.services.k8s.aws")
        return value

    @field_validator("lease_name")
    @classmethod
    def _names_a_lease(cls, value: str) -> str:
        if not is_name(value):
            raise ValueError(f"{value!r} is no name of an object")
        return value

    @field_validator("lease_namespace")
    @classmethod
    def _names_a_namespace(cls, value: str | None) -> str | None:
        if value and not is_namespace(value):
            raise ValueError(f"{value!r} is no name of a namespace")
        return value or None

    @field_validator("lease_duration")
    @classmethod
    def _is_a_lease(cls, value: timedelta) -> timedelta:
        # The API has whole seconds. Below 6s, short delays of the API server would end the leadership.
        if not timedelta(seconds=6) <= value <= timedelta(minutes=10) or value.microseconds:
            raise ValueError("must be whole seconds from 6s to 10m")
        return value

    @field_validator("credentials_namespaces")
    @classmethod
    def _restricts_a_secret(cls, value: tuple[str, ...], info: ValidationInfo) -> tuple[str, ...]:
        # An invalid credentials_secret is missing here and has its own error.
        if value and info.data.get("credentials_secret", "") is None:
            raise ValueError(
                "says who may use the operator's own Secret, and there is none: name it in ATLAS_ENDPOINTS_CREDENTIALS_SECRET"
            )
        watched = info.data.get("namespaces", ())
        if value and watched and not set(value) & set(watched):
            raise ValueError(
                "has none of the NAMESPACES that are watched, so that nobody could use the operator's own Secret: name some of"
                " them, or leave it empty for all"
            )
        return value

    @field_validator("http_address")
    @classmethod
    def _is_an_address(cls, value: str) -> str:
        if ADDRESS.fullmatch(value) is None or int(value.rpartition(":")[2]) > 65535:  # noqa: PLR2004  # the last port
            raise ValueError("must be host:port, such as 0.0.0.0:8080, [::]:8080 or 127.0.0.1:0")
        return value

    @property
    def default_secret(self) -> tuple[str, str] | None:
        """Namespace and name of the operator's own Secret."""
        return _split(self.credentials_secret)


class CheckSettings(OperatorSettings):
    """Tell whether Atlas, the credentials, their role, the projects and the instances are as the operator needs them.

    It takes the settings of run, changes nothing, and ends with 0 when nothing has failed, else with 1.
    """

    project: ObjectId | None = Field(
        default=None, description="A project to look at instead of what the resources use: 24 hexadecimal characters"
    )
    instance: InstanceName | None = Field(
        default=None, validate_default=True, description="The serverless instance to look at in that project"
    )
    secret: Secret = Field(
        default=None,
        description="namespace/name of a Secret to look at, and to ask about the project with; else the operator's own",
    )
    output: Literal["text", "json"] = Field(
        default="text", description="text: lines for people as soon as they are known; json: one document at the end"
    )

    @field_validator("instance")
    @classmethod
    def _goes_with_a_project(cls, value: str | None, info: ValidationInfo) -> str | None:
        if "project" in info.data and (value is None) != (info.data["project"] is None):
            raise ValueError("--project and --instance go together: give both, or neither")
        return value

    @property
    def names_a_place(self) -> bool:
        """Whether the settings name what to check, instead of the places that resources use."""
        return self.project is not None or self.secret is not None

    @property
    def secret_to_check(self) -> tuple[str, str] | None:
        """Namespace and name of the Secret that is named."""
        return _split(self.secret)


def _split(secret: str | None) -> tuple[str, str] | None:
    if secret is None:
        return None
    namespace, _, name = secret.partition("/")
    return namespace, name


def unknown_variables(kind: type[OperatorSettings] = OperatorSettings) -> list[str]:
    """Return the environment variables with our prefix that are no setting, such as misspelt ones.

    Kubernetes adds variables for a Service of our name to every Pod; these are ignored.
    """
    prefix = "ATLAS_ENDPOINTS_"
    known = {f"{prefix}{name}".upper() for name in kind.model_fields}
    return sorted(
        name
        for name in os.environ
        if name.startswith(prefix) and name not in known and not FOREIGN_VARIABLE.match(name.removeprefix(prefix))
    )


class StatusSettings(BaseSettings):
    """Tell what is known of one resource: its state, what Atlas shows, who else names its endpoint. It changes nothing.

    It reads the resource by the kubeconfig, and asks neither Atlas nor the operator.
    """

    model_config = SettingsConfigDict(env_prefix="ATLAS_ENDPOINTS_STATUS_", extra="ignore", frozen=True)

    resource: CliPositionalArg[str] = Field(description="namespace/name of the resource")

    @field_validator("resource")
    @classmethod
    def _names_some_resource(cls, value: str) -> str:
        if not _is_pair(value):
            raise ValueError("must be NAMESPACE/NAME, such as shop/orders")
        return value

    @property
    def namespace_and_name(self) -> tuple[str, str]:
        """Namespace and name of the resource."""
        namespace, _, name = self.resource.partition("/")
        return namespace, name


class SimulatorSettings(BaseSettings):
    """Run a simulated Atlas on this machine, for tests, demos and CI."""

    model_config = SettingsConfigDict(env_prefix="ATLAS_ENDPOINTS_SIMULATE_", extra="ignore", frozen=True)

    host: str = Field(default="127.0.0.1", description="Address to listen at")
    port: int = Field(default=8090, ge=0, le=65535, description="Port to listen at; 0 takes a free one")
    seed: Path | None = Field(default=None, description="JSON file with projects, instances, endpoints and credentials")
    transition: float | None = Field(
        default=None,
        ge=0,
        description="Seconds that each change of an endpoint's state takes; 2 where the seed does not say",
    )
    latency: float | None = Field(
        default=None, ge=0, description="Seconds that each answer takes; 0 where the seed does not say"
    )
