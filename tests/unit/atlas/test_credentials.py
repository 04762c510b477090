import base64
import itertools
import subprocess
import sys

import pytest

from atlas_endpoints.atlas.credentials import (
    LONGEST,
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


GOOD: dict[str, tuple[dict[str, str], ServiceAccount | ApiKey, list[str]]] = {
    "a service account": ({"clientId": ID, "clientSecret": SECRET}, ServiceAccount(ID, SECRET), []),
    "an API key": ({"publicApiKey": PUBLIC, "privateApiKey": PRIVATE}, ApiKey(PUBLIC, PRIVATE), []),
    "other keys beside": (
        {"publicApiKey": PUBLIC, "privateApiKey": PRIVATE, "orgId": "5f7c"},
        ApiKey(PUBLIC, PRIVATE),
        [],
    ),
    "ids of an unknown form": ({"clientId": "id", "clientSecret": "s"}, ServiceAccount("id", "s"), []),
    "values of the greatest length": (
        {"clientId": "i" * 512, "clientSecret": "s" * 512},
        ServiceAccount("i" * 512, "s" * 512),
        [],
    ),
    "a line feed at the end": (
        {"clientId": f" {ID}", "clientSecret": f"{SECRET}\n"},
        ServiceAccount(ID, SECRET),
        ["clientId has", "clientSecret has"],
    ),
    "the empty keys of a template": (
        {"clientId": "", "clientSecret": " ", "publicApiKey": PUBLIC, "privateApiKey": PRIVATE},
        ApiKey(PUBLIC, PRIVATE),
        [],
    ),
    "a leftover of the other kind": (
        {"clientId": ID, "clientSecret": SECRET, "publicApiKey": PUBLIC},
        ServiceAccount(ID, SECRET),
        ["publicApiKey is ignored"],
    ),
    "an empty base URL, as of a template": (
        {"clientId": ID, "clientSecret": SECRET, "baseUrl": " \n"},
        ServiceAccount(ID, SECRET),
        [],
    ),
}

NAMING_AN_ATLAS: dict[str, tuple[dict[str, str], ServiceAccount | ApiKey, list[str]]] = {
    "a service account of another Atlas": (
        {"clientId": ID, "clientSecret": SECRET, "baseUrl": "https://canary.example"},
        ServiceAccount(ID, SECRET, "HTTPS://CANARY.EXAMPLE"),
        [],
    ),
    "an API key of another Atlas, with a line feed": (
        {"publicApiKey": PUBLIC, "privateApiKey": PRIVATE, "baseUrl": "https://canary.example\n"},
        ApiKey(PUBLIC, PRIVATE, "HTTPS://CANARY.EXAMPLE"),
        ["baseUrl has whitespace"],
    ),
    "no base URL": ({"clientId": ID, "clientSecret": SECRET}, ServiceAccount(ID, SECRET), []),
    "an empty base URL": ({"clientId": ID, "clientSecret": SECRET, "baseUrl": ""}, ServiceAccount(ID, SECRET), []),
}


@pytest.mark.parametrize("name", NAMING_AN_ATLAS)
def test_a_secret_that_may_name_an_atlas_may_hold(name: str) -> None:
    data, expected, warnings = NAMING_AN_ATLAS[name]
    credentials, given = parse_credentials(data, check_base_url=str.upper)
    assert credentials == expected
    assert len(given) == len(warnings)
    assert all(text.startswith(start) for text, start in zip(given, warnings, strict=True))


@pytest.mark.parametrize("name", GOOD)
def test_a_secret_may_hold(name: str) -> None:
    data, expected, warnings = GOOD[name]
    credentials, given = parse_credentials(data)
    assert credentials == expected
    assert len(given) == len(warnings)
    assert all(text.startswith(start) for text, start in zip(given, warnings, strict=True))


_ACCOUNT, _API_KEY = {"clientId": ID, "clientSecret": SECRET}, {"publicApiKey": PUBLIC, "privateApiKey": PRIVATE}
PAIR_OF = {"clientId": _ACCOUNT, "clientSecret": _ACCOUNT, "publicApiKey": _API_KEY, "privateApiKey": _API_KEY}

BAD: dict[str, tuple[dict[str, str], str, str]] = {
    "nothing": ({}, "MissingKeys", "clientId and clientSecret"),
    "only other keys": ({"password": "canary"}, "MissingKeys", "contains no credentials"),
    "no secret": ({"clientId": ID}, "MissingKeys", "clientSecret is missing or empty"),
    "an empty id": ({"clientId": " \n", "clientSecret": SECRET}, "MissingKeys", "clientId is missing or empty"),
    "no private key": ({"publicApiKey": PUBLIC}, "MissingKeys", "privateApiKey is missing or empty"),
    "half of each": (
        {"clientId": ID, "privateApiKey": PRIVATE},
        "MissingKeys",
        "clientSecret or publicApiKey is missing or empty",
    ),
    "misspelt keys": ({"clientID": ID, "clientsecret": SECRET}, "MissingKeys", "clientID must be spelt clientId"),
    "keys in snake case": (
        {"client_id": ID, "client_secret": SECRET},
        "MissingKeys",
        "client_id must be spelt clientId. client_secret must be spelt clientSecret. The operator reads the changed Secret without a restart.",
    ),
    "both pairs": (
        {"clientId": ID, "clientSecret": SECRET, "publicApiKey": PUBLIC, "privateApiKey": PRIVATE},
        "AmbiguousKeys",
        "Remove one of the two pairs",
    ),
    "a service account in the place of an API key": (
        {"publicApiKey": ID, "privateApiKey": SECRET},
        "MissingKeys",
        "publicApiKey contains a part of a service account",
    ),
    "a client secret in the place of a private key": (
        {"publicApiKey": PUBLIC, "privateApiKey": SECRET},
        "MissingKeys",
        "privateApiKey contains a part of a service account",
    ),
    "id and secret swapped": ({"clientId": SECRET, "clientSecret": ID}, "MissingKeys", "swapped"),
    "the secret twice": ({"clientId": SECRET, "clientSecret": SECRET}, "MissingKeys", "swapped"),
    "an API key swapped": ({"publicApiKey": PRIVATE, "privateApiKey": PUBLIC}, "MissingKeys", "swapped"),
    "an id encoded twice": ({"clientId": twice(ID), "clientSecret": SECRET}, "MissingKeys", "clientId looks base64"),
    "a secret encoded twice": (
        {"clientId": ID, "clientSecret": twice(SECRET + "\n")},
        "MissingKeys",
        "clientSecret looks base64",
    ),
    "a public key encoded twice": (
        {"publicApiKey": twice(PUBLIC), "privateApiKey": PRIVATE},
        "MissingKeys",
        "publicApiKey looks base64",
    ),
    "a private key encoded twice": (
        {"publicApiKey": PUBLIC, "privateApiKey": twice(PRIVATE)},
        "MissingKeys",
        "privateApiKey looks base64",
    ),
    "two lines in one value": (
        {"publicApiKey": PUBLIC, "privateApiKey": "canary\r\nX: y"},
        "MissingKeys",
        "privateApiKey contains characters",
    ),
    **{
        f"a {key} that is too long": (
            {**PAIR_OF[key], key: "c" * 513},
            "MissingKeys",
            (
                f"{key} has more than 512 characters, and no credentials of Atlas are that long. Put only the value "
                f"that Atlas has shown into {key}."
            ),
        )
        for key in ("clientId", "clientSecret", "publicApiKey", "privateApiKey")
    },
    "a value that is too long in the pair that is not complete": (
        {"clientId": ID, "clientSecret": SECRET, "publicApiKey": "c" * 513},
        "MissingKeys",
        "publicApiKey has more than 512 characters",
    ),
    "blanks that are too many": (
        {"clientId": ID, "clientSecret": f"{' ' * 512}canary"},
        "MissingKeys",
        "clientSecret has more",
    ),
    "letters that no key has": (
        {"publicApiKey": "schlüssel", "privateApiKey": PRIVATE},
        "MissingKeys",
        "publicApiKey contains characters",
    ),
    "a base URL": (
        {"clientId": ID, "clientSecret": SECRET, "baseUrl": "https://canary.example"},
        "BaseURLNotAllowed",
        (
            "baseUrl names another Atlas. Only the operator's own Secret may do that; nothing is sent. Refer to a Secret "
            "without this key, or remove the key unless this is the operator's own Secret."
        ),
    ),
    "a base URL whose key is misspelt": (
        {"clientId": ID, "clientSecret": SECRET, "baseURL": "https://canary.example"},
        "BaseURLNotAllowed",
        "baseURL names another Atlas",
    ),
}


@pytest.mark.parametrize("name", BAD)
def test_a_secret_is_refused_for(name: str) -> None:
    data, reason, words = BAD[name]
    with pytest.raises(CredentialsError) as raised:
        parse_credentials(data)
    assert raised.value.reason == reason
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
        parse_credentials({"clientId": ID, "clientSecret": SECRET, key: "https://u:canary@a"}, check_base_url=_refuse)
    assert (raised.value.reason, raised.value.message) == ("InvalidBaseURL", words)
    assert raised.value.__cause__ is None


def test_a_long_base_url_is_refused() -> None:
    with pytest.raises(CredentialsError) as raised:
        parse_credentials(
            {"clientId": ID, "clientSecret": SECRET, "baseUrl": f"https://{'c' * 512}"}, check_base_url=str.upper
        )
    message = "baseUrl has more than 512 characters. Put the address of an Atlas there, or remove the key."
    assert (raised.value.reason, raised.value.message) == ("InvalidBaseURL", message)


class TestWhatIsKept:
    """Of a Secret that holds all that a Secret can."""

    def test_kept_keys_give_the_same_credentials(self) -> None:
        every = {key: value for pair in PAIR_OF.values() for key, value in pair.items()}
        data = {**every, "baseUrl": "https://a", "orgId": "5f7c", "tls.key": "canary"}
        assert keep_credentials(data) == {**every, "baseUrl": "https://a"}

    @pytest.mark.parametrize("name", BAD)
    def test_kept_keys_give_the_same_error(self, name: str) -> None:
        data, reason, words = BAD[name]
        with pytest.raises(CredentialsError) as raised:
            parse_credentials(keep_credentials(data))
        assert raised.value.reason == reason
        assert words in raised.value.message

    @pytest.mark.parametrize("name", GOOD)
    def test_kept_keys_give_the_same_result(self, name: str) -> None:
        data, expected, warnings = GOOD[name]
        credentials, given = parse_credentials(keep_credentials(data))
        assert (credentials, len(given)) == (expected, len(warnings))

    def test_kept_keys_are_bounded(self) -> None:
        spellings = ("".join(each) for each in itertools.product(*((char, char.upper()) for char in "clientsecret")))
        kept = keep_credentials(dict.fromkeys((*spellings, "clientSecret", "baseURL", "BASEURL"), "s" * 100000))
        assert len(kept) == 3
        assert {len(value) for value in kept.values()} == {LONGEST + 1}


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
