"""What an answer gives back of the credentials is taken out, in each form in which it may come."""

import base64
import json
import traceback
from collections.abc import Callable
from urllib.parse import quote

import httpx
import pytest
from hypothesis import given
from hypothesis import strategies as st

from atlas_endpoints.atlas.credentials import ApiKey, Credentials, ServiceAccount
from atlas_endpoints.atlas.errors import AtlasError
from atlas_endpoints.atlas.redaction import carried, redacted, without
from support.indiscreet import escaped
from unit.atlas.wire import Atlas, answering, patch

SECRET = 'canary + 4711/ü&="'
ACCOUNT = ServiceAccount("mdb_sa_id_0123", "canary+4711/secret&=")
API_KEY = ApiKey("abcdefgh", "canary-4711-private-key")
FORMS: dict[str, Callable[[str], str]] = {
    "raw": lambda secret: secret,
    "quoted in a URL": lambda secret: quote(secret, safe=""),
    "base64": lambda secret: base64.b64encode(secret.encode()).decode(),
}
WRITTEN: dict[str, Callable[[str], str]] = {"as usual": json.dumps, "with escapes": escaped, "in UTF-16": json.dumps}
"""How JSON may hold a text."""


@pytest.mark.parametrize("form", FORMS)
def test_a_form_of_a_secret_is_hidden_from_errors_and_from_answers_of_success(form: str) -> None:
    shown = FORMS[form](SECRET)
    assert redacted(f"the password {shown} is wrong", [SECRET]) == "the password *** is wrong"
    assert without({"a": [{"b": f"<{shown}>"}, 1]}, [SECRET]) == {"a": [{"b": "<***>"}, 1]}


def test_a_made_up_secret_hides_no_part_of_a_word() -> None:
    assert without({"providerName": "AWS"}, ["ro", "AWS", ""]) == {"providerName": "AWS"}


@given(st.text(), st.lists(st.text(min_size=8), max_size=3))
def test_no_error_holds_a_hidden_secret(text: str, secrets: list[str]) -> None:
    line = redacted("|".join([text, *secrets]), secrets)
    assert [secret for secret in secrets if secret in line and "*" not in secret] == []


def test_the_response_of_a_digest_is_hidden() -> None:
    header = 'Digest username="abcdefgh", nonce="n", response="0123456789abcdef", cnonce="fedcba98"'
    shown = redacted("response=0123456789abcdef cnonce=fedcba98", carried("secret", header))
    assert shown == "response=*** cnonce=***"


@pytest.mark.parametrize(
    "text",
    [
        "Bearer authentication required",
        "The bearer credentials are invalid.",
        "BASIC AUTHENTICATION is not offered; use Bearer authentication.",
        "A digest is required, and realm=x was given",
    ],
)
def test_words_about_authentication_are_shown(text: str) -> None:
    assert redacted(text, []) == text


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("Bearer eyJ0eXAi.canary is expired", "*** is expired"),
        ("bearer abcdefgh.canary", "***"),
        ("bearer abcdefghijklmnopqrst", "***"),
        ("Basic dXNlcjpwYXNz", "***"),
        ("basic canary4711.", "***"),
        ("Basic Canary-Canary", "***"),
        ("digest realm=x is required, resource shop is locked", "*** is required, resource shop is locked"),
        ('Digest username="a", realm="MMS Public API", response="canary" is wrong', "*** is wrong"),
        ('Digest username="a", response="canary", realm="MMS Public API" is wrong', "*** is wrong"),
        (r"{\"Digest username=\"a b\", response=\"canary\" is wrong", r"{\"*** is wrong"),
        ("Digest username=a,\n response=canary,\n nc=00000001, and so on", "*** and so on"),
        ('Digest username="a", response="canary', "***"),
    ],
)
def test_an_authorization_header_is_hidden_and_the_words_around_it_are_shown(text: str, shown: str) -> None:
    assert redacted(text, []) == shown


@pytest.mark.parametrize("credentials", [ACCOUNT, API_KEY], ids=lambda each: each.kind)
@pytest.mark.parametrize("status", [200, 400, 401, 403, 404, 500])
@pytest.mark.parametrize("written", WRITTEN)
async def test_an_echo_of_the_whole_request_reaches_no_error(
    credentials: Credentials, status: int, written: str
) -> None:
    heard: set[str] = set()

    def echo(request: httpx.Request) -> httpx.Response:
        given = request.headers.get("Authorization", "")
        if not given:
            return httpx.Response(401, headers={"WWW-Authenticate": 'Digest realm="r", nonce="n", qop="auth"'})
        secrets = [form(credentials.secret) for form in FORMS.values()] + [given, given.partition(" ")[2]]
        heard.update(secrets)
        said = WRITTEN[written](" ".join(secrets))
        fields = f'{{"fields": [{{"field": "f", "description": {said}}}]}}'
        body = f'{{"errorCode": "canary_4711", "detail": {said}, "badRequestDetail": {fields}, "list": [{said}]}}'
        return httpx.Response(status, content=body.encode("utf-16" if written == "in UTF-16" else "utf-8"))

    atlas = Atlas(echo, token=answering(200, json={"access_token": "token.canary.0123456789", "expires_in": 3600}))
    async with atlas.client() as client:
        try:
            shown = json.dumps(await patch(client, credentials), ensure_ascii=False)
        except AtlasError as error:
            shown = "".join([repr(error), str(vars(error)), *traceback.format_exception(error)])
    heard |= {each.headers["Authorization"].partition(" ")[2] for each in atlas.tokens}
    assert heard
    assert [each for each in heard if each in shown] == []


async def test_an_error_code_hides_a_secret() -> None:
    account = ServiceAccount("mdb_sa_id_0123", "canary_that_looks_like_a_code")
    async with Atlas(answering(400, json={"errorCode": account.secret})).client() as client:
        with pytest.raises(AtlasError) as raised:
            await patch(client, account)
    assert raised.value.error_code is None
    assert "canary" not in f"{raised.value} {vars(raised.value)}"
