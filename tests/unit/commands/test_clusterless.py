"""The credentials in the environment, under the names that Atlas's own tools use."""

from __future__ import annotations

import base64

import pytest

from atlas_endpoints.atlas.credentials import ApiKey, CredentialsError, ServiceAccount
from atlas_endpoints.atlas.errors import Explanation
from atlas_endpoints.commands.clusterless import EnvironmentCredentials

ID, SECRET = "MONGODB_ATLAS_CLIENT_ID", "MONGODB_ATLAS_CLIENT_SECRET"
PUBLIC, PRIVATE = "MONGODB_ATLAS_PUBLIC_API_KEY", "MONGODB_ATLAS_PRIVATE_API_KEY"
ACCOUNT = {ID: "mdb_sa_id_0123", SECRET: "mdb_sa_sk_canary"}
API_KEY = {PUBLIC: "abcdefgh", PRIVATE: "01234567-89ab-cdef-0123-456789abcdef"}
OLDER = {"MONGODB_ATLAS_PUBLIC_KEY": "abcdefgh", "MONGODB_ATLAS_PRIVATE_KEY": API_KEY[PRIVATE]}


@pytest.fixture(autouse=True)
def none_of_this_machine(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in (*ACCOUNT, *API_KEY, *OLDER):
        monkeypatch.delenv(name, raising=False)


def found(monkeypatch: pytest.MonkeyPatch, variables: dict[str, str]) -> EnvironmentCredentials:
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    return EnvironmentCredentials()


def test_a_command_says_what_to_do_on_this_machine(monkeypatch: pytest.MonkeyPatch) -> None:
    said = Explanation("The address {address} is refused. {retry}").worded(found(monkeypatch, ACCOUNT).wording("-"))
    assert said == "The address of this machine is refused. Run the command again later."


@pytest.mark.parametrize(
    ("variables", "expected"),
    [
        pytest.param(ACCOUNT, ServiceAccount("mdb_sa_id_0123", "mdb_sa_sk_canary"), id="a service account"),
        pytest.param(API_KEY, ApiKey("abcdefgh", API_KEY[PRIVATE]), id="an API key, as Atlas CLI names it"),
        pytest.param(OLDER, ApiKey("abcdefgh", API_KEY[PRIVATE]), id="an API key, as Terraform names it"),
        pytest.param(
            {**ACCOUNT, PUBLIC: "", PRIVATE: ""},
            ServiceAccount("mdb_sa_id_0123", "mdb_sa_sk_canary"),
            id="variables that are empty, as CI systems leave them, count as unset",
        ),
    ],
)
def test_credentials_are_found(
    variables: dict[str, str], expected: ServiceAccount | ApiKey, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert found(monkeypatch, variables).parse() == expected


@pytest.mark.parametrize(
    ("variables", "message"),
    [
        pytest.param({}, f"The environment contains no credentials: {ID} and {SECRET} (a", id="none"),
        pytest.param({ID: "mdb_sa_id_0123"}, f"{SECRET} is missing or empty in the environment.", id="half of a pair"),
        pytest.param({**ACCOUNT, **API_KEY}, "Remove one of the two pairs.", id="both pairs"),
        pytest.param(
            {ID: "mdb_sa_sk_canary", SECRET: "mdb_sa_id_0123"}, f"{ID} contains what belongs into {SECRET}", id="a pair the wrong way"
        ),
        pytest.param(
            {PUBLIC: "mdb_sa_id_0123", PRIVATE: "mdb_sa_sk_canary"},
            f"{PUBLIC} contains what belongs into {ID}",
            id="a service account under the names of an API key",
        ),
        pytest.param(
            {**ACCOUNT, SECRET: base64.b64encode(b"mdb_sa_sk_canary").decode()},
            f"{SECRET} looks base64-encoded. Set it to the plain value.",
            id="the value of a Secret as kubectl shows it",
        ),
    ],
)  # fmt: skip
def test_errors_name_variables_and_contain_no_values(
    variables: dict[str, str], message: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(CredentialsError) as caught:
        found(monkeypatch, variables).parse()

    assert message in caught.value.message
    assert not [word for word in ("canary", "clientId", "ApiKey", "Secret ") if word in caught.value.message]
