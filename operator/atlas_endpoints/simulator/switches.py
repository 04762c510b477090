"""Everything about the simulated Atlas that can be turned: speed, limits, and what real servers may do differently."""

import re
from collections.abc import Mapping
from datetime import date
from typing import Annotated, Any, Literal

from pydantic import Field, TypeAdapter, field_validator

from atlas_endpoints.simulator.wire import Document, parse

Seconds = Annotated[float, Field(ge=0)]


class RateLimit(Document):
    """A token bucket for each project: ``capacity`` requests, and ``refillRate`` more every ``refillDurationSeconds``."""

    capacity: int = Field(ge=1)
    refill_rate: int = Field(ge=1)
    refill_duration_seconds: int = Field(default=60, ge=1)


class DigestSwitches(Document):
    """How the server does HTTP digest (RFC 7616); servers differ, and which of them Atlas resembles is not known.

    Attributes:
        nonces: ``unique``: each challenge has a nonce of its own; ``timeBucket``: all challenges within
            ``nonceBucket`` seconds share one.
        nonce_count: Which counters are accepted: ``any``; ``unused``: each value once per nonce; ``rising``: each
            greater than all before it on that nonce.
        nonce_lifetime: Seconds after it was last handed out until a nonce is stale.
        nonce_bucket: Seconds that share one nonce with ``timeBucket``.
        algorithm: ``MD5`` or ``SHA-256``.
        qop: What the challenge offers.
        quoting: ``standard``: ``qop="auth"``, ``algorithm=MD5``, ``stale=false``; ``all``: every value in quotes;
            ``none``: no quotes where the grammar of a list allows it.
        stale_on_replay: Whether a refused counter is answered with ``stale=true``.
    """

    nonces: Literal["unique", "timeBucket"] = "unique"
    nonce_count: Literal["any", "unused", "rising"] = "any"
    nonce_lifetime: Seconds = 300
    nonce_bucket: float = Field(default=1, gt=0)
    algorithm: Literal["MD5", "SHA-256"] = "MD5"
    qop: Literal["auth", "auth,auth-int", "auth-int"] = "auth"
    quoting: Literal["standard", "all", "none"] = "standard"
    stale_on_replay: bool = True


class OAuthSwitches(Document):
    """How the token endpoint behaves.

    Attributes:
        expires_in: Seconds that a token lives.
        active_tokens: How many live tokens a service account may hold; ``null``: any number.
        requests_per_minute: Requests to the token endpoint per minute, client and address; ``null``: any number.
    """

    expires_in: int = Field(default=3600, ge=1)
    active_tokens: int | None = Field(default=100, ge=1)
    requests_per_minute: int | None = Field(default=10, ge=1)


class Switches(Document):
    """The whole panel; every switch can be set by the seed file and at run time.

    Attributes:
        transition: Seconds that each change of status takes; ``null``: nothing changes by itself.
        latency: Seconds that every request takes before it is handled.
        reservation_expiry: Seconds until an unused reservation disappears; ``null``: never.
        reserved_after_connect: Seconds that RESERVED is still shown after a PATCH that connects.
        connect_fails: A regular expression; connecting a cloud endpoint id in which it is found ends in FAILED.
        reservation_fails: A new reservation ends in FAILED.
        list_lag: Seconds that LIST lags behind.
        late_writes: Every write loses its connection and is applied so many seconds later; ``null``: none does.
        missing_fields: Fields that answers leave out, for example ``providerName``.
        arm_id_case: The letter case in which answers show an Azure resource id.
        trim_comment: Answers show comments without white space around them.
        empty_comment_as_null: Answers show ``null`` for an empty comment.
        null_error_fields: Errors carry ``null`` for detail, parameters and reason.
        challenge_on_role: A 401 for a missing role carries a digest challenge as well.
        rate_limit: The token bucket of each project that has none of its own; ``null``: no limit.
        rate_limit_headers: Whether answers carry RateLimit-Limit, RateLimit-Remaining and Retry-After.
        deprecation: The day in the Deprecation header; ``null``: no header.
        sunset: The day in the Sunset header; ``null``: no header.
        digest: See :class:`DigestSwitches`.
        oauth: See :class:`OAuthSwitches`.
    """

    transition: Seconds | None = 2
    latency: Seconds = 0
    reservation_expiry: Seconds | None = None
    reserved_after_connect: Seconds = 0
    connect_fails: str | None = None
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

    @field_validator("connect_fails")
    @classmethod
    def _is_a_regular_expression(cls, value: str | None) -> str | None:
        if value is not None:
            try:
                re.compile(value)
            except re.error as error:
                raise ValueError(f"not a regular expression: {error}") from None
        return value

    def changed(self, values: object) -> "Switches":
        """Return the panel with some switches turned.

        Args:
            values: A JSON object of the switches to turn; ``digest`` and ``oauth`` may be given in part.

        Raises:
            InvalidDocumentError: There is no such switch, or no such position.
        """
        given = parse(_OBJECT, values, what="switches")
        merged = self.model_dump(by_alias=True)
        for key, value in given.items():
            current = merged.get(key)
            partial = key in {"digest", "oauth"} and isinstance(value, Mapping)
            merged[key] = {**current, **value} if partial and isinstance(current, dict) else value
        return parse(_SWITCHES, merged, what="switches")


_OBJECT: TypeAdapter[dict[str, Any]] = TypeAdapter(dict[str, Any])
_SWITCHES = TypeAdapter(Switches)
