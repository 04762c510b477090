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
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from secrets import token_bytes
from typing import ClassVar, Generic, TypeVar

from atlas_endpoints.controller.bookkeeping import Bookkeeping

T = TypeVar("T")

_CLIENT_ID = re.compile(r"mdb_sa_id_\w+")
_CLIENT_SECRET = re.compile(r"mdb_sa_sk_\S+")
_PUBLIC_KEY = re.compile(r"[a-z]{8}")
_PRIVATE_KEY = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")

KEYS = ("clientId", "clientSecret", "publicApiKey", "privateApiKey", "baseUrl")

LONGEST_VALUE = 512
"""Characters of a value; those of Atlas have fewer than a hundred."""

_FINGERPRINT_KEY = token_bytes(32)
"""A random key of this process, so that a fingerprint cannot be made, or used to confirm a guess, outside it."""

ENCODED_TWICE = "looks base64-encoded twice. Put the plain value under stringData, or encode it once under data."
"""A fault of a value in a Secret; commands that read values from elsewhere replace it."""


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

    _kept: Bookkeeping[OrderedDict[str, tuple[T, float]]]
    """By fingerprint, with the time of the last use; the one that was not used for longest comes first."""

    def __init__(self, monotonic: Callable[[], float]) -> None:
        self._monotonic = monotonic
        self._kept = OrderedDict()

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
        """Return what belongs to all pairs that are kept."""
        return [value for value, _ in self._kept.values()]


def keep_credentials(data: Mapping[str, str]) -> dict[str, str]:
    """Return the part of a Secret (decoded, up to a megabyte) that ``parse_credentials`` reads, for the memory.

    It keeps each key, and one misspelling of it, if possible one with a value. A value that is too long remains too long.
    """
    kept: dict[str, str] = {}
    misspelt: set[str] = set()
    known = {_bare(key) for key in KEYS}
    for key in sorted(data, key=lambda key: (not data[key].strip(), key)):
        bare = _bare(key)
        if key in KEYS or (bare in known and bare not in misspelt):
            kept[key] = data[key][: LONGEST_VALUE + 1]
            if key not in KEYS:
                misspelt.add(bare)
    return kept


def parse_credentials(
    data: Mapping[str, str], *, check_base_url: Callable[[str], str] | None = None
) -> tuple[Credentials, list[str]]:
    """Return the credentials in the decoded keys of a Secret, and warnings for a person; raises ``CredentialsError``.

    ``clientId`` and ``clientSecret`` make a service account, ``publicApiKey`` and ``privateApiKey`` an API key;
    ``baseUrl`` names their Atlas. Other keys (``orgId`` for one) are ignored.

    ``check_base_url`` returns the normalised base URL, or raises ``ValueError`` with a text that does not hold the URL. None: this
    Secret may not name one, since its owner could send the operator to a host of their own.
    """
    warnings: list[str] = []
    base_url = _base_url(data, check_base_url, warnings)
    account = _values(data, KEYS[:2], warnings)
    api_key = _values(data, KEYS[2:4], warnings)
    if all((*account.values(), *api_key.values())):
        raise CredentialsError(
            CredentialsProblem.AMBIGUOUS_KEYS,
            "The Secret contains both a service account (clientId, clientSecret) and an API key (publicApiKey, "
            "privateApiKey). Remove one of the two pairs.",
        )
    credentials: Credentials
    if all(account.values()):
        client_id, client_secret = account.values()
        _check_service_account(client_id, client_secret)
        credentials, ignored = ServiceAccount(client_id, client_secret, base_url), api_key
    elif all(api_key.values()):
        public_key, private_key = api_key.values()
        _check_api_key(public_key, private_key)
        credentials, ignored = ApiKey(public_key, private_key, base_url), account
    else:
        raise CredentialsError(CredentialsProblem.MISSING_KEYS, _missing_keys_message(data, account, api_key))
    for key, value in ignored.items():
        if value:
            warnings.append(f"{key} is ignored: the Secret contains complete credentials of the other kind.")
    return credentials, warnings


def _values(data: Mapping[str, str], keys: Iterable[str], warnings: list[str]) -> dict[str, str]:
    """Return the trimmed values of one kind of credentials; that of an absent key is empty."""
    for key in keys:
        if len(data.get(key, "")) > LONGEST_VALUE:
            raise CredentialsError(
                CredentialsProblem.MISSING_KEYS,
                f"{key} has more than {LONGEST_VALUE} characters, and no credentials of Atlas are that long. Put only the value "
                f"that Atlas has shown into {key}.",
            )
    return {key: _trimmed(key, data.get(key, ""), warnings) for key in keys}


def _base_url(data: Mapping[str, str], check: Callable[[str], str] | None, warnings: list[str]) -> str | None:
    """Return the Atlas that a Secret names. A misspelt key counts, so that no credentials go to another Atlas than meant."""
    for key in sorted(key for key in data if _bare(key) == "baseurl"):
        if not data[key].strip():
            continue
        if check is None:
            raise CredentialsError(
                CredentialsProblem.BASE_URL_NOT_ALLOWED,
                f"{key} names another Atlas. Only the operator's own Secret may do that; nothing is sent. Refer to a Secret "
                "without this key, or remove the key unless this is the operator's own Secret.",
            )
        if key != "baseUrl":
            raise CredentialsError(CredentialsProblem.INVALID_BASE_URL, f"{key} must be spelt baseUrl.")
        if len(data[key]) > LONGEST_VALUE:
            raise CredentialsError(
                CredentialsProblem.INVALID_BASE_URL,
                f"{key} has more than {LONGEST_VALUE} characters. Put the address of an Atlas there, or remove the key.",
            )
        try:
            return check(_trimmed(key, data[key], warnings))
        except ValueError as error:
            # Not chained: the cause may hold the URL, and the URL a password.
            raise CredentialsError(CredentialsProblem.INVALID_BASE_URL, str(error)) from None
    return None


def _trimmed(key: str, value: str, warnings: list[str]) -> str:
    trimmed = value.strip()
    if trimmed and trimmed != value:
        warnings.append(f"{key} has whitespace around its value (often the line feed of an editor); it was trimmed.")
    return trimmed


def _missing_keys_message(data: Mapping[str, str], account: Mapping[str, str], api_key: Mapping[str, str]) -> str:
    incomplete = [pair for pair in (account, api_key) if any(pair.values())]
    if incomplete:
        missing = [key for pair in incomplete for key, value in pair.items() if not value]
        message = f"{' or '.join(missing)} is missing or empty in the Secret."
        remedy = " Add it as Atlas has shown it."
    else:
        message = (
            "The Secret contains no credentials: clientId and clientSecret (a service account), or publicApiKey and "
            "privateApiKey (an API key), are missing or empty."
        )
        remedy = " Add one of the two pairs."
    known = {_bare(key): key for key in (*account, *api_key)}
    misspelt = [(key, known[_bare(key)]) for key in sorted(data) if _bare(key) in known and key not in known.values()]
    hints = [f" {key} must be spelt {right}." for key, right in misspelt]
    return message + ("".join(hints) or remedy) + " The operator reads the changed Secret without a restart."


def _bare(key: str) -> str:
    """Return the common form of a key and its misspellings, such as clientID and client_id."""
    return re.sub("[-_.]", "", key.lower())


def _check_service_account(client_id: str, client_secret: str) -> None:
    if _CLIENT_SECRET.fullmatch(client_id) or _CLIENT_ID.fullmatch(client_secret):
        raise CredentialsError(
            CredentialsProblem.MISSING_KEYS,
            "clientId and clientSecret are swapped: the id starts with mdb_sa_id_. Exchange the two.",
        )
    _check_encoding("clientId", client_id, _CLIENT_ID)
    _check_encoding("clientSecret", client_secret, _CLIENT_SECRET)


def _check_api_key(public_key: str, private_key: str) -> None:
    for key, value in (("publicApiKey", public_key), ("privateApiKey", private_key)):
        if _CLIENT_ID.fullmatch(value) or _CLIENT_SECRET.fullmatch(value):
            raise CredentialsError(
                CredentialsProblem.MISSING_KEYS,
                f"{key} contains a part of a service account, not of an API key. Put the service account's id into "
                "clientId and its secret into clientSecret.",
            )
    if _PRIVATE_KEY.fullmatch(public_key) and _PUBLIC_KEY.fullmatch(private_key):
        raise CredentialsError(
            CredentialsProblem.MISSING_KEYS, "publicApiKey and privateApiKey are swapped. Exchange the two."
        )
    _check_encoding("publicApiKey", public_key, _PUBLIC_KEY)
    _check_encoding("privateApiKey", private_key, _PRIVATE_KEY)


def _check_encoding(key: str, value: str, shape: re.Pattern[str]) -> None:
    # Both end up in a header or in the hash of one, so characters that HTTP cannot carry are refused here.
    if not (value.isascii() and value.isprintable()):
        raise CredentialsError(
            CredentialsProblem.MISSING_KEYS,
            f"{key} contains characters that no Atlas credentials have (control characters, or not ASCII). Copy the value "
            "from Atlas again.",
        )
    if shape.fullmatch(_decoded(value)):
        raise CredentialsError(CredentialsProblem.MISSING_KEYS, f"{key} {ENCODED_TWICE}")


def _decoded(value: str) -> str:
    try:
        return base64.b64decode(value, validate=True).decode("ascii").strip()
    except (binascii.Error, UnicodeDecodeError):
        return ""
