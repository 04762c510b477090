"""Cases about credentials: those that are missing, refused, or good for less than is needed."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

from support.audit import deeds
from support.concurrent_cases import Cases

if TYPE_CHECKING:
    from support.concurrent_cases import Env

cases = Cases()

OPERATOR = "system:serviceaccount:default:operator-shared"
MISSING: dict[str, Any] = {
    "says": ("no Secret later in namespace", "clientId and clientSecret (or publicApiKey and privateApiKey)"),
    "error": {"operation": "readSecret", "httpStatus": None, "errorCode": "SecretNotFound", "retryable": False},
    "credentials": ("False", "SecretNotFound"),
}


@cases
def a_secret_that_comes_late_is_found_by_itself(env: Env) -> None:
    """It is looked for at growing intervals, and Atlas is not bothered meanwhile."""
    began = time.monotonic()
    env.create(connected=True, credentialsSecretRef={"name": "later"})
    env.stalls("CredentialsInvalid", **MISSING)
    assert env.calls_within(8) == []
    looks = [
        each
        for each in deeds(env.control_plane, OPERATOR)
        if (each.resource, each.namespace, each.name) == ("secrets", env.resources.namespace, "later")
    ]
    elapsed = time.monotonic() - began
    assert 2 <= len(looks) <= 1 + sum(after <= elapsed for after in (5, 15, 35, 75, 135, 195))

    env.resources.secret("later")

    env.becomes_ready()
