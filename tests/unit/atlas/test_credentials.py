import base64
import subprocess
import sys

import pytest

from atlas_endpoints.atlas.credentials import (
    LONGEST_VALUE,
    ApiKey,
    CredentialsError,
    ServiceAccount,
    keep_credentials,
    parse_credentials,
)

ID = "mdb_sa_id_0123456789abcdef01234567"
SECRET = "mdb_sa_sk_canary"
PUBLIC = "abcdefgh"
PRIVATE = "11111111-2222-3333-4444-555555555555"


def twice(value: str) -> str:
    return base64.b64encode(value.encode()).decode()


ACCOUNT, API_KEY = {"clientId": ID, "clientSecret": SECRET}, {"publicApiKey": PUBLIC, "privateApiKey": PRIVATE}

GOOD: dict[str, tuple[dict[str, str], ServiceAccount | ApiKey]] = {
    "a service account": (ACCOUNT, ServiceAccount(ID, SECRET)),
    "an API key": (API_KEY, ApiKey(PUBLIC, PRIVATE)),
    "other keys beside": ({**API_KEY, "orgId": "5f7c"}, ApiKey(PUBLIC, PRIVATE)),
    "ids of an unknown form": ({"clientId": "id", "clientSecret": "s"}, ServiceAccount("id", "s")),
    "values of the greatest length": (
        {"clientId": "i" * 512, "clientSecret": "s" * 512},
        ServiceAccount("i" * 512, "s" * 512),
    ),
    "a line feed at the end": (
        {"clientId": f" {ID}", "clientSecret": f"{SECRET}\n"},
        ServiceAccount(ID, SECRET),
    ),
    "the empty keys of a template": (
        {"clientId": "", "clientSecret": " ", "baseUrl": " \n", **API_KEY},
        ApiKey(PUBLIC, PRIVATE),
    ),
    "a leftover of the other kind": ({**ACCOUNT, "publicApiKey": PUBLIC}, ServiceAccount(ID, SECRET)),
}

NAMING_AN_ATLAS: dict[str, tuple[dict[str, str], ServiceAccount | ApiKey]] = {
    "a service account of another Atlas": (
        {**ACCOUNT, "baseUrl": "https://canary.example"},
        ServiceAccount(ID, SECRET, "HTTPS://CANARY.EXAMPLE"),
    ),
    "an API key of another Atlas, with a line feed": (
        {**API_KEY, "baseUrl": "https://canary.example\n"},
        ApiKey(PUBLIC, PRIVATE, "HTTPS://CANARY.EXAMPLE"),
    ),
    "no base URL": (ACCOUNT, ServiceAccount(ID, SECRET)),
    "an empty base URL": ({**ACCOUNT, "baseUrl": ""}, ServiceAccount(ID, SECRET)),
}


@pytest.mark.parametrize("name", [*GOOD, *NAMING_AN_ATLAS])
def test_a_secret_may_hold(name: str) -> None:
    data, expected = {**GOOD, **NAMING_AN_ATLAS}[name]
    for kept in (data, keep_credentials(data)):
        assert parse_credentials(kept, check_base_url=str.upper if name in NAMING_AN_ATLAS else None) == expected


BAD: dict[str, tuple[dict[str, str], str]] = {
    "nothing": ({}, "clientId and clientSecret"),
    "only other keys": ({"password": "canary"}, "contains no credentials"),
    "no secret": ({"clientId": ID}, "clientSecret is missing or empty"),
    "an empty id": ({"clientId": " \n", "clientSecret": SECRET}, "clientId is missing or empty"),
    "no private key": ({"publicApiKey": PUBLIC}, "privateApiKey is missing or empty"),
    "half of each": (
        {"clientId": ID, "privateApiKey": PRIVATE},
        "clientSecret or publicApiKey is missing or empty",
    ),
    "a misspelt key": ({"clientID": ID, "clientSecret": SECRET}, "clientId is missing or empty"),
    "both pairs": ({**ACCOUNT, **API_KEY}, "Remove one of the two pairs"),
    "a service account in the place of an API key": (
        {"publicApiKey": ID, "privateApiKey": SECRET},
        "publicApiKey contains what belongs into clientId",
    ),
    "a client secret in the place of a private key": (
        {**API_KEY, "privateApiKey": SECRET},
        "privateApiKey contains what belongs into clientSecret",
    ),
    "id and secret swapped": (
        {"clientId": SECRET, "clientSecret": ID},
        "clientId contains what belongs into clientSecret",
    ),
    "the secret twice": ({"clientId": SECRET, "clientSecret": SECRET}, "clientId contains what belongs"),
    "an API key swapped": ({"publicApiKey": PRIVATE, "privateApiKey": PUBLIC}, "publicApiKey contains what belongs"),
    "an id encoded twice": ({**ACCOUNT, "clientId": twice(ID)}, "clientId looks base64"),
    "a secret encoded twice": ({**ACCOUNT, "clientSecret": twice(SECRET + "\n")}, "clientSecret looks base64"),
    "a private key encoded twice": ({**API_KEY, "privateApiKey": twice(PRIVATE)}, "privateApiKey looks base64"),
    "two lines in one value": ({**API_KEY, "privateApiKey": "canary\r\nX: y"}, "privateApiKey contains characters"),
    **{
        f"a {key} that is too long": (
            {**(ACCOUNT if key in ACCOUNT else API_KEY), key: "c" * 513},
            f"{key} has more than 512 characters, which no value of Atlas has. Put only the value itself there.",
        )
        for key in (*ACCOUNT, *API_KEY)
    },
    "a value that is too long in the pair that is not complete": (
        {**ACCOUNT, "publicApiKey": "c" * 513},
        "publicApiKey has more than 512 characters",
    ),
    "blanks that are too many": ({**ACCOUNT, "clientSecret": f"{' ' * 512}canary"}, "clientSecret has more"),
    "letters that no key has": ({**API_KEY, "publicApiKey": "schlüssel"}, "publicApiKey contains characters"),
    "a base URL": (
        {**ACCOUNT, "baseUrl": "https://canary.example"},
        (
            "baseUrl names another Atlas. Only the operator's own Secret may do that; nothing is sent. Refer to a Secret "
            "without this key, or remove the key unless this is the operator's own Secret."
        ),
    ),
    "a base URL whose key is misspelt": (
        {**ACCOUNT, "baseURL": "https://canary.example"},
        "baseURL names another Atlas",
    ),
}
REASONS = {
    "both pairs": "AmbiguousKeys",
    "a base URL": "BaseURLNotAllowed",
    "a base URL whose key is misspelt": "BaseURLNotAllowed",
}


@pytest.mark.parametrize("name", BAD)
def test_a_secret_is_refused_for(name: str) -> None:
    data, words = BAD[name]
    for kept in (data, keep_credentials(data)):
        with pytest.raises(CredentialsError) as raised:
            parse_credentials(kept)
        assert raised.value.reason == REASONS.get(name, "MissingKeys")
        assert words in raised.value.message
        assert not any(value.strip() and value.strip() in str(raised.value) for value in data.values())


def _refuse(_url: str) -> str:
    raise ValueError("baseUrl must not be so.")


@pytest.mark.parametrize(
    ("key", "words"),
    [
        ("baseUrl", "baseUrl must not be so."),
        ("baseURL", "baseURL must be spelt baseUrl."),
        ("base_url", "base_url must be spelt baseUrl."),
    ],
)
def test_the_error_of_an_unusable_base_url_hides_it(key: str, words: str) -> None:
    with pytest.raises(CredentialsError) as raised:
        parse_credentials({**ACCOUNT, key: "https://u:canary@a"}, check_base_url=_refuse)
    assert (raised.value.reason, raised.value.message) == ("InvalidBaseURL", words)
    assert raised.value.__cause__ is None


def test_only_the_keys_of_credentials_are_kept() -> None:
    data = {**ACCOUNT, **API_KEY, "baseUrl": "https://a"}
    assert keep_credentials({**data, "orgId": "5f7c", "tls.key": "canary"}) == data


def test_kept_values_are_bounded() -> None:
    kept = keep_credentials(dict.fromkeys(("clientSecret", "baseURL", "base_url"), "s" * 100000))
    assert {len(value) for value in kept.values()} == {LONGEST_VALUE + 1}


@pytest.mark.parametrize("credentials", [ServiceAccount(ID, "canary"), ApiKey(PUBLIC, "canary")])
def test_repr_hides_the_secret(credentials: ServiceAccount | ApiKey) -> None:
    assert "canary" not in f"{credentials} {credentials!r} {credentials.fingerprint('https://a')}"
    assert credentials.secret == "canary"


def test_a_fingerprint_depends_on_kind_id_secret_and_base_url_only() -> None:
    names = [
        ServiceAccount("a", "b").fingerprint("https://x"),
        ServiceAccount("a", "c").fingerprint("https://x"),
        ServiceAccount("c", "b").fingerprint("https://x"),
        ServiceAccount("a", "b").fingerprint("https://y"),
        ApiKey("a", "b").fingerprint("https://x"),
        ServiceAccount("ab", "").fingerprint("https://x"),
        ServiceAccount("", "ab").fingerprint("https://x"),
    ]
    assert len(set(names)) == len(names)
    assert {len(name) for name in names} == {64}, "all of the digest, since tenants choose what is hashed"
    assert ServiceAccount("a", "b").fingerprint("https://x") == names[0]


def test_another_process_has_another_fingerprint() -> None:
    """Whoever comes to see one would else try secrets until one has it."""
    program = (
        "from atlas_endpoints.atlas.credentials import ServiceAccount;"
        "print(ServiceAccount('a', 'b').fingerprint('https://x'))"
    )
    elsewhere = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)  # ours
    assert len(elsewhere.stdout.strip()) == 64
    assert elsewhere.stdout.strip() != ServiceAccount("a", "b").fingerprint("https://x")


@pytest.mark.parametrize("kind", [ServiceAccount, ApiKey])
def test_credentials_with_a_base_url_have_the_fingerprint_of_that_atlas(kind: type[ServiceAccount | ApiKey]) -> None:
    there = kind("a", "b").fingerprint("https://there")
    assert kind("a", "b", "https://there").fingerprint("https://here") == there
