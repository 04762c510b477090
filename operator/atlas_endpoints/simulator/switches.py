"""The switches: speed, limits, and what real servers may do differently; and how the simulator reads JSON from people."""

import json
import re
from collections.abc import Mapping
from datetime import date
from typing import Annotated, Any, Literal, TypeVar

from pydantic import BaseModel, ConfigDict, Field, TypeAdapter, ValidationError
from pydantic.alias_generators import to_camel

Model = TypeVar("Model")
Seconds = Annotated[float, Field(ge=0)]
CloudProvider = Literal["AWS", "AZURE", "GCP"]


class Document(BaseModel):
    """A document with camelCase keys; an unknown key is an error."""

    model_config = ConfigDict(alias_generator=to_camel, populate_by_name=True, extra="forbid", frozen=True)


class InvalidDocumentError(ValueError):
    """A document breaks a rule; the text names the field and the rule, and never the value."""


def parse(adapter: TypeAdapter[Model], value: object, *, what: str) -> Model:
    """Return a decoded JSON document as what it must be.

    Raises:
        InvalidDocumentError: It is something else; the text begins with ``what``.
    """
    try:
        return adapter.validate_python(value, by_alias=True, by_name=False)
    except ValidationError as error:
        # A union reports every branch it tried under a name of its own; people look for the field.
        problems = [
            f"{'.'.join(str(part) for part in each['loc']) or 'document'}: {each['msg']}"
            for each in error.errors(include_url=False, include_context=False, include_input=False)
        ]
        raise InvalidDocumentError(f"{what}: {'; '.join(problems)}") from None


def parse_json(adapter: TypeAdapter[Model], text: bytes, *, what: str) -> Model:
    """Decode and validate a JSON document; raises as :func:`parse` does."""
    try:
        value = json.loads(text)
    except ValueError as error:
        raise InvalidDocumentError(f"{what} is not JSON: {error}") from None
    return parse(adapter, value, what=what)


class RateLimit(Document):
    """A token bucket for each project: ``capacity`` requests, and ``refillRate`` more every ``refillDurationSeconds``."""

    capacity: int = Field(ge=1)
    refill_rate: int = Field(ge=1)
    refill_duration_seconds: int = Field(default=60, ge=1)


class DigestSwitches(Document):
    """How the server does HTTP digest (RFC 7616): servers differ, and Atlas's own way is unknown."""

    nonces: Literal["unique", "timeBucket"] = "unique"
    nonce_count: Literal["any", "unused", "rising"] = "any"
    nonce_lifetime: Seconds = 300
    nonce_bucket: float = Field(default=1, gt=0)
    algorithm: Literal["MD5", "SHA-256"] = "MD5"
    qop: Literal["auth", "auth,auth-int", "auth-int"] = "auth"
    quoting: Literal["standard", "all", "none"] = "standard"
    stale_on_replay: bool = True


class OAuthSwitches(Document):
    """How the token endpoint behaves."""

    expires_in: int = Field(default=3600, ge=1)
    active_tokens: int | None = Field(default=100, ge=1)
    requests_per_minute: int | None = Field(default=10, ge=1)


class DedicatedSwitches(Document):
    """How the endpoint services of dedicated clusters behave."""

    waiting_for_user: bool = False
    service_fails: bool = False
    stuck: frozenset[Literal["INITIATING", "DELETING"]] = frozenset()
    no_capacity: bool = False
    vanishes_when_empty: frozenset[CloudProvider] = frozenset()
    attachments: int = Field(default=6, ge=1)
    string_lag: Seconds = 0
    deprecation: date | None = None
    sunset: date | None = None


class FederationSwitches(Document):
    """How the private endpoints of Data Federation behave."""

    comment_fixed: frozenset[CloudProvider] = frozenset()
    deletes: int = Field(default=1, ge=1)
    aws_deletion: Seconds = 0
    hostname_lag: Seconds = 0


class RegionalSwitches(Document):
    """How the private endpoints behave that Atlas makes for a region."""

    stuck: frozenset[Literal["INITIATING", "PENDING_RECREATION", "DELETING"]] = frozenset()
    deletion_lag: Seconds = 0
    recreation_changes_id: bool = False
    second_endpoint: bool = False


class StreamSwitches(Document):
    """How the private endpoints of Stream Processing behave."""

    stuck: frozenset[Literal["IDLE", "WORKING", "DELETE_REQUESTED", "DELETING"]] = frozenset()
    deletion_lag: Seconds = 0
    keeps_deleted: bool = False
    second_endpoint: bool = False
    final_dot: bool = False


class Switches(Document):
    """All switches; docs/simulator.md explains each. The seed file and the control API can set them."""

    transition: Seconds | None = 2
    latency: Seconds = 0
    reservation_expiry: Seconds | None = None
    reserved_after_connect: Seconds = 0
    connect_fails: re.Pattern[str] | None = None
    reservation_fails: bool = False
    list_lag: Seconds = 0
    late_writes: Seconds | None = None
    missing_fields: frozenset[str] = frozenset()
    arm_id_case: Literal["lower", "upper"] | None = None
    trim_comment: bool = False
    empty_comment_as_null: bool = False
    null_error_fields: bool = False
    challenge_on_role: bool = False
    rate_limit: RateLimit | None = None
    rate_limit_headers: bool = True
    deprecation: date | None = date(2025, 12, 10)
    sunset: date | None = date(2026, 1, 22)
    digest: DigestSwitches = DigestSwitches()
    oauth: OAuthSwitches = OAuthSwitches()
    dedicated: DedicatedSwitches = DedicatedSwitches()
    federation: FederationSwitches = FederationSwitches()
    regional: RegionalSwitches = RegionalSwitches()
    streams: StreamSwitches = StreamSwitches()

    def show_arm_id(self, resource_id: str) -> str:
        """Return an Azure resource id in the letter case in which answers show it."""
        match self.arm_id_case:
            case "lower":
                return resource_id.lower()
            case "upper":
                return resource_id.upper()
            case _:
                return resource_id

    def show_comment(self, comment: str | None) -> str | None:
        """Return a comment as answers show it."""
        if comment is not None and self.trim_comment:
            comment = comment.strip()
        return None if self.empty_comment_as_null and not comment else comment

    def changed(self, values: object) -> "Switches":
        """Return the switches with some of them set; those that are groups may be given in part.

        Raises:
            InvalidDocumentError: There is no such switch, or it does not take such a value.
        """
        given = parse(_OBJECT, values, what="switches")
        merged = self.model_dump(by_alias=True)
        for key, value in given.items():
            current = merged.get(key)
            partial = key != "rateLimit" and isinstance(value, Mapping)
            merged[key] = {**current, **value} if partial and isinstance(current, dict) else value
        return parse(_SWITCHES, merged, what="switches")


_OBJECT: TypeAdapter[dict[str, Any]] = TypeAdapter(dict[str, Any])
_SWITCHES = TypeAdapter(Switches)
