"""The settings of ``run`` and ``simulate``: flag, environment variable and help of each. Other commands have theirs beside them."""

import os
import re
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Annotated, Any, Literal

import durationpy
from pydantic import AfterValidator, BeforeValidator, Field, ValidationInfo, field_validator
from pydantic_settings import BaseSettings, CliExplicitFlag, NoDecode, SettingsConfigDict

from atlas_endpoints.atlas.client import check_base_url
from atlas_endpoints.controller.names import is_name, is_namespace
from atlas_endpoints.reconcile.drift_limiter import Limit
from atlas_endpoints.telemetry.logs import LogFormat, LogLevel

DURATION = re.compile(r"-?(0|([0-9]+([.][0-9]+)?(ms|s|m|h))+)")
"""Go's durations, which have no days; the library accepts more than Go does."""


def _duration(value: Any) -> Any:
    if not isinstance(value, str):
        return value
    if DURATION.fullmatch(value) is None:
        raise ValueError(f"{value!r} is not a duration, such as 90s, 10m or 1h30m")
    return durationpy.from_str(value)


def names(value: Any) -> Any:
    """Return the names in a text, which commas separate."""
    if not isinstance(value, str):
        return value
    found = [name.strip() for name in value.split(",") if name.strip()]
    if value.strip() and not found:
        raise ValueError("contains commas and no name; an empty value means all")
    return found


def _none_if_empty(value: Any) -> Any:
    return value or None


def _valid(is_valid: Callable[[str], object], problem: str) -> AfterValidator:
    """Refuse a text with a problem, which names the text as ``{}``."""

    def check(value: str) -> str:
        if not is_valid(value):
            raise ValueError(problem.format(repr(value)))
        return value

    return AfterValidator(check)


def _is_address(value: str) -> bool:
    return ADDRESS.fullmatch(value) is not None and int(value.rpartition(":")[2]) <= 65535  # noqa: PLR2004  # the last port


def _is_crd(value: str) -> bool:
    return is_name(value) and value.count(".") > 1  # the resource, and a group of two labels at least


def _is_pair(value: str) -> bool:
    namespace, name = pair(value)
    return is_namespace(namespace) and is_name(name)


def pair(value: str) -> tuple[str, str]:
    """Return namespace and name of a Secret in a setting."""
    namespace, _, name = value.partition("/")
    return namespace, name


DEFAULT_URL = "https://cloud.mongodb.com"
FOREIGN_VARIABLE = re.compile(r"SIMULATE_|(.*_)?(SERVICE|PORT)(_.*)?$")
ADDRESS = re.compile(r"[^/]*:[0-9]{1,5}")

Duration = Annotated[timedelta, BeforeValidator(_duration)]
Names = Annotated[tuple[str, ...], NoDecode, BeforeValidator(names)]
Namespace = Annotated[str, _valid(is_namespace, "{} is not a valid namespace name; patterns are not supported")]
Namespaces = Annotated[tuple[Namespace, ...], NoDecode, BeforeValidator(names)]
OptionalNamespace = Annotated[Namespace | None, BeforeValidator(_none_if_empty)]
ObjectName = Annotated[str, _valid(is_name, "{} is not a valid object name")]
Crd = Annotated[str, _valid(_is_crd, "{} is not the name of a CRD, such as vpcendpoints.ec2.services.k8s.aws")]
Secret = Annotated[
    Annotated[str, _valid(_is_pair, "must be namespace/name of a Secret, such as atlas-endpoints/atlas-credentials")]
    | None,
    BeforeValidator(_none_if_empty),
]
Address = Annotated[str, _valid(_is_address, "must be host:port, such as 0.0.0.0:8080, [::]:8080 or 127.0.0.1:0")]


class AtlasSettings(BaseSettings):
    """How Atlas is reached."""

    model_config = SettingsConfigDict(env_prefix="ATLAS_ENDPOINTS_", extra="ignore", frozen=True, env_ignore_empty=True)

    # Declared before atlas_url, whose validator reads it.
    allow_plain_http: bool = Field(
        default=False,
        description="Accept an http:// address of another machine; only for test clusters, because credentials are sent unencrypted",
    )
    atlas_url: str = Field(
        default=DEFAULT_URL,
        description="Address of the Atlas Admin API; Atlas for Government: https://cloud.mongodbgov.com",
    )
    ca_file: Path | None = Field(
        default=None,
        description="Certificates to trust for Atlas instead of the system's, as PEM; for a proxy that terminates TLS",
    )

    @field_validator("atlas_url")
    @classmethod
    def _can_be_trusted(cls, value: str, info: ValidationInfo) -> str:
        return check_base_url(value or DEFAULT_URL, allow_plain_http=info.data.get("allow_plain_http", False))


class OperatorSettings(AtlasSettings):
    """Run the operator. Each flag is also read from the environment, as ATLAS_ENDPOINTS_ and its name in capitals.

    Examples:
      atlas-endpoints run --namespaces shop,billing --credentials-secret atlas-endpoints/atlas-credentials
      atlas-endpoints run --atlas-url http://127.0.0.1:8090 --log-format text --leader-elect off
    """

    kinds: Names = Field(
        default=(),
        description="Kinds of resources to serve, separated by commas; all when empty. Of the others it reads nothing, and needs neither CRD nor rights",
    )
    namespaces: Namespaces = Field(default=(), description="Namespaces to watch, separated by commas; all when empty")
    label_selector: str = Field(
        default="",
        description="Serve only resources with these labels, such as team=shop; one that loses them is left alone",
    )
    credentials_secret: Secret = Field(
        default=None,
        description="namespace/name of the operator's own Secret, for resources that name none and whose namespace names none",
    )
    # Declared after credentials_secret, which its validator reads.
    credentials_namespaces: Namespaces = Field(
        default=(),
        description="Namespaces whose resources may use the operator's own Secret, separated by commas; all when empty",
    )
    reference_kinds: Annotated[tuple[Crd, ...], NoDecode, BeforeValidator(names)] = Field(
        default=(
            "vpcendpoints.ec2.services.k8s.aws",
            "privateendpoints.network.azure.com",
            "computeforwardingrules.compute.cnrm.cloud.google.com",
            "computeaddresses.compute.cnrm.cloud.google.com",
            "atlasprojects.atlas.mongodb.com",
        ),
        description="Kinds that resources may refer to, as the names of their CRDs, separated by commas",
    )
    outputs: CliExplicitFlag[bool] = Field(
        default=False,
        description="Whether the operator writes ConfigMaps for resources that request them, for which it needs rights",
    )
    # A resource may not set less than 1m; the setting may, for test clusters.
    sync_interval: Duration = Field(
        default=timedelta(minutes=10),
        ge=timedelta(seconds=1),
        le=timedelta(hours=24),
        description="How often the operator compares a settled endpoint with Atlas, unless the resource sets its own interval; 1s to 24h",
    )
    stall_grace: Duration = Field(
        default=timedelta(minutes=2),
        ge=timedelta(0),
        description="How long a problem that another object may solve counts as progress before the resource is Stalled, and how long a deletion waits for resources that may name the same",
    )
    max_corrections: Annotated[str, AfterValidator(lambda value: str(Limit.parse(value)))] = Field(
        default="20%",
        description="For how many resources drift may be corrected within one sync interval: a share of all (at least 10) or a number",
    )
    writes: CliExplicitFlag[bool] = Field(
        default=True,
        description="Whether the operator writes to Atlas; off: resources are handled as with managementPolicy Observe, and statuses show what it would send",
    )
    concurrency: int = Field(
        default=16,
        ge=1,
        le=256,
        description="How many resources are reconciled at once, 1 to 256; one namespace, and one pair of credentials, get at most half",
    )
    leader_elect: CliExplicitFlag[bool] = Field(
        default=True,
        description="Elect a leader among several replicas by a Lease; only a single replica can run without",
    )
    lease_name: ObjectName = Field(
        default="atlas-endpoints", description="Name of the Lease; another name needs another right"
    )
    lease_namespace: OptionalNamespace = Field(
        default=None,
        description="Namespace of the Lease; the Pod's own, or that of the kubeconfig's context, when empty",
    )
    lease_duration: Duration = Field(
        default=timedelta(seconds=45),
        description="How long after the leader's last renewal another replica takes over; a write may take a third of it, at most 15s. Whole seconds, 6s to 10m",
    )
    resource_metrics: Literal["counts", "names"] = Field(
        default="names",
        description="Which metrics of resources exist: counts (only totals) or names (also single resources, some five series for each)",
    )
    http_address: Address = Field(
        default="0.0.0.0:8080", description="Address of /livez, /readyz and /metrics"
    )  # all addresses: kubelet and Prometheus are outside the Pod
    log_format: LogFormat = Field(default="json", description="json or text")
    log_level: LogLevel = Field(default="INFO", description="DEBUG, INFO, WARNING or ERROR")

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
                "requires the operator's own Secret, and there is none: name it in ATLAS_ENDPOINTS_CREDENTIALS_SECRET"
            )
        watched = info.data.get("namespaces", ())
        if value and watched and not set(value) & set(watched):
            raise ValueError(
                "contains none of the watched NAMESPACES, so no resource can use the operator's own Secret: add some of them,"
                " or leave it empty for all"
            )
        return value

    @property
    def default_secret(self) -> tuple[str, str] | None:
        """Namespace and name of the operator's own Secret."""
        return pair(self.credentials_secret) if self.credentials_secret else None


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


class SimulatorSettings(BaseSettings):
    """Run a simulated Atlas on this machine, for tests, demos and CI.

    Example:
      atlas-endpoints simulate --seed seed.json --transition 1
    """

    model_config = SettingsConfigDict(env_prefix="ATLAS_ENDPOINTS_SIMULATE_", extra="ignore", frozen=True)

    host: str = Field(default="127.0.0.1", description="Address to listen at")
    port: int = Field(default=8090, ge=0, le=65535, description="Port to listen at; 0 takes a free one")
    seed: Path | None = Field(default=None, description="JSON file with projects, instances, endpoints and credentials")
    transition: float | None = Field(
        default=None,
        ge=0,
        description="Seconds that each change of an endpoint's state takes; 2 unless the seed sets it",
    )
    latency: float | None = Field(
        default=None, ge=0, description="Seconds that each answer takes; 0 unless the seed sets it"
    )
