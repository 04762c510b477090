"""The credentials of the Atlas Admin API, and how they are parsed from a Secret.

Atlas has service accounts (OAuth2 client credentials) and the older API keys (HTTP digest). The keys of the Secret are those of
MongoDB's own Kubernetes operator, so that one Secret serves both.
"""

import base64
import binascii
import hmac
import json
import re
from collections import OrderedDict
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from secrets import token_bytes
from typing import ClassVar, Generic, TypeVar

T = TypeVar("T")

_PAIRS = ("clientId", "clientSecret"), ("publicApiKey", "privateApiKey")

KEYS = (*_PAIRS[0], *_PAIRS[1], "baseUrl")

_SHAPES = {
    "clientId": re.compile(r"mdb_sa_id_\w+"),
    "clientSecret": re.compile(r"mdb_sa_sk_\S+"),
    "privateApiKey": re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}"),
}
"""By key, what only its values look like; a public key is eight letters, like many words."""

LONGEST_VALUE = 512
"""Characters of a value; those of Atlas have fewer than a hundred."""

_FINGERPRINT_KEY = token_bytes(32)
"""A random key of this process, so that a fingerprint cannot be made, or used to confirm a guess, outside it."""


class CredentialsProblem(StrEnum):
    """A fault of the keys of a Secret: a reason of ``CredentialsValid``."""

    MISSING_KEYS = "MissingKeys"
    """A key is absent, empty, or does not hold what its name says."""
    AMBIGUOUS_KEYS = "AmbiguousKeys"
    BASE_URL_NOT_ALLOWED = "BaseURLNotAllowed"
    """This Secret may not name an Atlas."""
    INVALID_BASE_URL = "InvalidBaseURL"


class CredentialsError(Exception):
    """The keys of a Secret are not usable credentials.

    The message is one line for a person: the key, its fault and the remedy. It never holds a value.
    """

    def __init__(self, reason: StrEnum, message: str) -> None:
        super().__init__(message)
        self.reason = reason
        self.message = message


@dataclass(frozen=True, slots=True)
class _Pair:
    """An identity and its secret, which must never be shown; ``base_url`` None means the operator's ``ATLAS_URL``."""

    identity: str
    secret: str = field(repr=False)
    base_url: str | None = None

    kind: ClassVar[str]

    def fingerprint(self, base_url: str) -> str:
        """Return the name of these credentials at their Atlas, by default ``base_url``: a whole keyed digest, so that no two share one.

        It changes with the kind, the id, the secret, the base URL and the process. It is only compared and never shown: from equal
        fingerprints a reader could learn that two Secrets hold the same credentials.
        """
        message = json.dumps([self.kind, self.identity, self.secret, self.base_url or base_url]).encode()
        return hmac.digest(_FINGERPRINT_KEY, message, "sha256").hex()


@dataclass(frozen=True, slots=True)
class ServiceAccount(_Pair):
    """The client id and the client secret that are exchanged for access tokens."""

    kind = "service account"


@dataclass(frozen=True, slots=True)
class ApiKey(_Pair):
    """The user (public key) and password (private key) of HTTP digest."""

    kind = "API key"


Credentials = ServiceAccount | ApiKey

KEPT, UNUSED = 2000, 3600.0
"""Pairs that are kept, and seconds for which an unused one is."""


class Recent(Generic[T]):
    """What belongs to the pairs that were used last: to ``KEPT`` of them at most, and to each until it is unused for ``UNUSED``.

    A pair that is dropped is only read, and a token requested, once more.
    """

    def __init__(self, monotonic: Callable[[], float]) -> None:
        self._monotonic = monotonic
        self._kept: OrderedDict[str, tuple[T, float]] = OrderedDict()
        """By fingerprint, with the time of the last use; the one that was not used for longest comes first."""

    def get(self, fingerprint: str) -> T | None:
        """Return what belongs to a pair, which counts as used now; None if it was dropped."""
        kept = self._kept.get(fingerprint)
        return None if kept is None else self.put(fingerprint, kept[0])

    def put(self, fingerprint: str, value: T) -> T:
        """Return what belongs to a pair from now on, and drop other pairs."""
        now = self._monotonic()
        self._kept[fingerprint] = value, now
        self._kept.move_to_end(fingerprint)
        while len(self._kept) > KEPT or next(iter(self._kept.values()))[1] <= now - UNUSED:
            self._kept.popitem(last=False)
        return value

    def values(self) -> list[T]:
        return [value for value, _ in self._kept.values()]


def keep_credentials(data: Mapping[str, str]) -> dict[str, str]:
    """Return the part of a Secret (decoded, up to a megabyte) that ``parse_credentials`` reads; what is too long remains so."""
    kept = {*KEYS, _atlas_key(data)}
    return {key: value[: LONGEST_VALUE + 1] for key, value in data.items() if key in kept}


def _atlas_key(data: Mapping[str, str]) -> str | None:
    """Return the key that names an Atlas: ``baseUrl``, also misspelt, so that no credentials go to another Atlas than meant."""
    spellings = sorted(key for key in data if re.sub("[-_.]", "", key.lower()) == "baseurl" and data[key].strip())
    return next(iter(spellings), None)


def parse_credentials(
    data: Mapping[str, str],
    *,
    check_base_url: Callable[[str], str] | None = None,
    variables: Mapping[str, str] | None = None,
) -> Credentials:
    """Return the credentials in the decoded keys of a Secret; raises ``CredentialsError``.

    ``clientId`` and ``clientSecret`` make a service account, ``publicApiKey`` and ``privateApiKey`` an API key;
    ``baseUrl`` names their Atlas. Half of another pair and other keys (``orgId`` for one) are ignored.

    ``check_base_url`` returns the normalised base URL, or raises ``ValueError`` with a text that does not hold the URL. None: this
    Secret may not name one, since its owner could send the operator to a host of their own. ``variables`` are the environment's by
    these keys, if the data come from there: messages then speak of them.
    """
    shown = {key: (variables or {}).get(key, key) for key in KEYS}
    source = "environment" if variables else "Secret"
    values = {key: data.get(key, "").strip() for key in KEYS}
    named = _atlas_key(data)
    if named and check_base_url is None:
        raise CredentialsError(
            CredentialsProblem.BASE_URL_NOT_ALLOWED,
            f"{named} names another Atlas. Only the operator's own Secret may do that; nothing is sent. Refer to a Secret "
            "without this key, or remove the key unless this is the operator's own Secret.",
        )
    if named not in {None, "baseUrl"}:
        raise CredentialsError(CredentialsProblem.INVALID_BASE_URL, f"{named} must be spelt baseUrl.")
    for key in KEYS:
        if len(data.get(key, "")) > LONGEST_VALUE:
            raise CredentialsError(
                CredentialsProblem.MISSING_KEYS,
                f"{shown[key]} has more than {LONGEST_VALUE} characters, which no value of Atlas has. Put only the value itself there.",
            )
    accounts, api_keys = (
        f"{shown[identity]} and {shown[secret]} ({kind})"
        for (identity, secret), kind in zip(_PAIRS, ("a service account", "an API key"), strict=True)
    )
    complete = [pair for pair in _PAIRS if all(values[key] for key in pair)]
    if len(complete) > 1:
        raise CredentialsError(
            CredentialsProblem.AMBIGUOUS_KEYS,
            f"The {source} contains both {accounts}, and {api_keys}. Remove one of the two pairs.",
        )
    if not complete:
        begun = [pair for pair in _PAIRS if any(values[key] for key in pair)]
        missing = " or ".join(shown[key] for pair in begun for key in pair if not values[key])
        raise CredentialsError(
            CredentialsProblem.MISSING_KEYS,
            f"{missing} is missing or empty in the {source}. Add it as Atlas has shown it."
            if missing
            else f"The {source} contains no credentials: {accounts}, or {api_keys}, are missing or empty. Add one of the two pairs.",
        )
    (pair,) = complete
    for key in pair:
        if fault := _fault(key, values[key], shown, source):
            raise CredentialsError(CredentialsProblem.MISSING_KEYS, f"{shown[key]} {fault}")
    try:
        base_url = check_base_url(values["baseUrl"]) if check_base_url and values["baseUrl"] else None
    except ValueError as error:
        # Not chained: the cause may hold the URL, and the URL a password.
        raise CredentialsError(CredentialsProblem.INVALID_BASE_URL, str(error)) from None
    identity, secret = (values[key] for key in pair)
    return ServiceAccount(identity, secret, base_url) if pair == _PAIRS[0] else ApiKey(identity, secret, base_url)


def _fault(key: str, value: str, shown: Mapping[str, str], source: str) -> str | None:
    # Both end up in a header or in the hash of one, so characters that HTTP cannot carry are refused here.
    if not (value.isascii() and value.isprintable()):
        return "contains characters that no Atlas credentials have (control characters, or not ASCII). Copy the value from Atlas again."
    # A secret in the place of an identity would travel readable, and be shown as a name.
    if other := next((each for each, shape in _SHAPES.items() if each != key and shape.fullmatch(value)), None):
        return f"contains what belongs into {shown[other]}. Exchange the values."
    try:
        decoded = base64.b64decode(value, validate=True).decode("ascii").strip()
    except (binascii.Error, UnicodeDecodeError):
        return None
    if not any(shape.fullmatch(decoded) for shape in _SHAPES.values()):
        return None
    if source == "environment":
        return "looks base64-encoded. Set it to the plain value."
    return "looks base64-encoded twice. Put the plain value under stringData, or encode it once under data."
