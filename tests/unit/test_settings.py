"""Settings come from flags and the environment alike, and a wrong one is named."""

from datetime import timedelta

import pytest
from pydantic import ValidationError

from atlas_endpoints.commands.check.settings import CheckSettings
from atlas_endpoints.settings import OperatorSettings, unknown_variables


@pytest.fixture(autouse=True)
def _no_settings_of_the_machine(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in OperatorSettings.model_fields:
        monkeypatch.delenv(f"ATLAS_ENDPOINTS_{name.upper()}", raising=False)


def test_the_environment_is_read(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ATLAS_ENDPOINTS_ATLAS_URL", "https://cloud.mongodbgov.com/")
    monkeypatch.setenv("ATLAS_ENDPOINTS_NAMESPACES", "team-a, team-b,")
    monkeypatch.setenv("ATLAS_ENDPOINTS_CREDENTIALS_SECRET", "operator/atlas")
    monkeypatch.setenv("ATLAS_ENDPOINTS_CREDENTIALS_NAMESPACES", "team-a,team-c")
    monkeypatch.setenv("ATLAS_ENDPOINTS_SYNC_INTERVAL", "1h30m")
    monkeypatch.setenv("ATLAS_ENDPOINTS_CONCURRENCY", "4")
    monkeypatch.setenv("ATLAS_ENDPOINTS_MAX_CORRECTIONS", "50")

    settings = OperatorSettings()

    assert settings.atlas_url == "https://cloud.mongodbgov.com"
    assert settings.namespaces == ("team-a", "team-b")
    assert settings.default_secret == ("operator", "atlas")
    assert settings.credentials_namespaces == ("team-a", "team-c")
    assert settings.sync_interval == timedelta(minutes=90)
    assert settings.concurrency == 4
    assert settings.max_corrections == "50"


@pytest.mark.parametrize("name", [name.upper() for name in OperatorSettings.model_fields])
def test_an_empty_variable_means_the_default(monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    monkeypatch.setenv(f"ATLAS_ENDPOINTS_{name}", "")

    assert OperatorSettings() == OperatorSettings.model_construct(**OperatorSettings().model_dump())
    assert OperatorSettings().atlas_url == "https://cloud.mongodb.com"


@pytest.mark.parametrize(
    ("name", "value", "message"),
    [
        ("ATLAS_URL", "http://atlas.example.com", "plain http"),
        ("ATLAS_URL", "cloud.mongodb.com", "must start with https"),
        ("SYNC_INTERVAL", "10", "not a duration, such as"),
        ("SYNC_INTERVAL", "48h", "less than or equal to 1 day"),
        ("SYNC_INTERVAL", "1d", "not a duration, such as"),
        ("ATLAS_URL", "https://atlas.example:99999", "is no URL"),
        ("ATLAS_URL", "https://[::1", "is no URL"),
        ("ATLAS_URL", "http://127.1", "plain http"),
        ("CREDENTIALS_SECRET", "atlas", "namespace/name"),
        ("LEASE_NAME", "Not_A_Name", "not a valid object name"),
        ("LEASE_NAMESPACE", "not.one", "not a valid namespace name"),
        ("LEASE_NAMESPACE", "a" * 64, "not a valid namespace name"),
        ("LEASE_DURATION", "5s", "whole seconds from 6s to 10m"),
        ("LEASE_DURATION", "10m1s", "whole seconds from 6s to 10m"),
        ("LEASE_DURATION", "7500ms", "whole seconds from 6s to 10m"),
        ("HTTP_ADDRESS", "8080", "host:port"),
        ("HTTP_ADDRESS", "127.0.0.1:99999", "host:port"),
        ("NAMESPACES", "team-*", "'team-\\*' is not a valid namespace name"),
        ("NAMESPACES", ", ,", "commas and no name"),
        ("CREDENTIALS_NAMESPACES", "team-a", "there is none: name it in ATLAS_ENDPOINTS_CREDENTIALS_SECRET"),
        ("CREDENTIALS_NAMESPACES", "team-*", "'team-\\*' is not a valid namespace name"),
        ("CREDENTIALS_NAMESPACES", ",", "commas and no name"),
        ("STALL_GRACE", "-5s", "greater than or equal to 0 seconds"),
        ("CONCURRENCY", "0", "greater than or equal to 1"),
        ("MAX_CORRECTIONS", "many", "examples are 20%"),
        ("MAX_CORRECTIONS", "0%", "from 1% to 100%"),
        ("WRITES", "maybe", "valid boolean"),
        ("LOG_FORMAT", "xml", "'json' or 'text'"),
        ("LOG_LEVEL", "LOUD", "'DEBUG', 'INFO'"),
    ],
)
def test_a_wrong_value_is_rejected_with_a_remedy(
    monkeypatch: pytest.MonkeyPatch, name: str, value: str, message: str
) -> None:
    monkeypatch.setenv(f"ATLAS_ENDPOINTS_{name}", value)

    with pytest.raises(ValidationError, match=message):
        OperatorSettings()


@pytest.mark.parametrize("kind", [OperatorSettings, CheckSettings])
@pytest.mark.parametrize(
    ("watched", "served", "right"),
    [("shop", "web", False), ("shop,web", "web,other", True), ("", "web", True), ("shop", "", True)],
)
def test_a_watched_namespace_must_be_able_to_use_the_operators_own_secret(
    kind: type[OperatorSettings], watched: str, served: str, right: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ATLAS_ENDPOINTS_NAMESPACES", watched)
    monkeypatch.setenv("ATLAS_ENDPOINTS_CREDENTIALS_SECRET", "system/atlas")
    monkeypatch.setenv("ATLAS_ENDPOINTS_CREDENTIALS_NAMESPACES", served)
    if right:
        kind()
    else:
        with pytest.raises(ValidationError, match="contains none of the watched NAMESPACES"):
            kind()


def test_plain_http_needs_this_machine_or_a_permission(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ATLAS_ENDPOINTS_ATLAS_URL", "http://127.0.0.1:8090")
    assert OperatorSettings().atlas_url == "http://127.0.0.1:8090"

    monkeypatch.setenv("ATLAS_ENDPOINTS_ATLAS_URL", "http://simulator.test:8090")
    monkeypatch.setenv("ATLAS_ENDPOINTS_ALLOW_PLAIN_HTTP", "true")
    assert OperatorSettings().atlas_url == "http://simulator.test:8090"


def test_unknown_variables_are_named(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("SYNC_INTERVALL", "LOG_LEVEL", "SERVICE_HOST", "PORT", "PORT_8080_TCP_ADDR", "SIMULATE_PORT"):
        monkeypatch.setenv(f"ATLAS_ENDPOINTS_{name}", "INFO")

    assert unknown_variables() == ["ATLAS_ENDPOINTS_SYNC_INTERVALL"]
