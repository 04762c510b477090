"""The probes: what the traffic of a life says about a row. Pure, and one for each row that has no reason against it.

A probe returns "" if Atlas does as assumed, or what differs; it raises ``NotAnsweredError`` if what it needs was not answered.
"""

import re
from collections.abc import Callable, Mapping, Sequence
from typing import Any, TypeAlias

from atlas_endpoints.commands.conform.traffic import Exchange
from atlas_endpoints.kinds.dedicated_private_endpoint.atlas import READY
from atlas_endpoints.kinds.dedicated_private_endpoint.atlas import REFUSALS as DEDICATED
from atlas_endpoints.kinds.stream_private_endpoint.atlas import target_of


class NotAnsweredError(Exception):
    """The text names the step."""


class Traffic:
    """The exchanges of a life by step; of several, the last one."""

    def __init__(self, exchanges: Sequence[Exchange]) -> None:
        self._by_step = {each.step: each for each in exchanges}

    def __getitem__(self, step: str) -> Exchange:
        """Return the answered exchange of a step; raises ``NotAnsweredError``."""
        found = self._by_step.get(step)
        if found is None or found.response is None:
            why = "did not come" if found is None else "has no answer"
            raise NotAnsweredError(f"the step “{step}” {why}")
        return found


Probe: TypeAlias = Callable[[Traffic], str]


def answers(**expected: str) -> Probe:
    """Return the probe that compares statuses and error codes: for each step a pattern of ``STATUS CODE``."""

    def differs(step: str, found: Exchange, pattern: str) -> str:
        return "" if re.fullmatch(pattern, found.summary) else f"{step}: {found.summary or 'no answer'}"

    return _each({step.replace("_", " "): pattern for step, pattern in expected.items()}, differs)


def shows(step: str, **expected: Any) -> Probe:
    """Return the probe that compares fields of one answer; None: the field is null or absent."""

    def differs(step: str, found: Exchange, fields: Mapping[str, Any]) -> str:
        wrong = [f"{name} {found.body.get(name)}" for name, value in fields.items() if found.body.get(name) != value]
        return f"{step}: {', '.join(wrong) if found.is_success else found.summary}" if wrong else ""

    return _each({step: expected}, differs)


def holds(step: str, sentence: str, condition: Callable[[Exchange], bool]) -> Probe:
    """Return the probe that asks for a condition; the sentence is what differs."""
    return _each({step: condition}, lambda step, found, condition: "" if condition(found) else f"{step}: {sentence}")


def every(*probes: Probe) -> Probe:
    """Return the probe that asks several."""

    def probe(traffic: Traffic) -> str:
        wrong, missing = [], list[NotAnsweredError]()
        for each in probes:
            try:
                wrong.append(each(traffic))
            except NotAnsweredError as error:
                missing.append(error)
        if missing and not any(wrong):
            raise missing[0]
        return "; ".join(filter(None, wrong))

    return probe


def _each(expected: Mapping[str, Any], differs: Callable[[str, Exchange, Any], str]) -> Probe:
    def of_step(step: str, value: Any) -> Probe:
        return lambda traffic: differs(step, traffic[step], value)

    return every(*(of_step(step, value) for step, value in expected.items()))


def _items(exchange: Exchange) -> Sequence[Mapping[str, Any]]:
    """Return the items of a LIST or of a page."""
    body = exchange.response["body"] if exchange.response else None
    items = body.get("results") if isinstance(body, dict) else body
    return [each for each in items if isinstance(each, dict)] if isinstance(items, list) else []


def _shown_in_time(traffic: Traffic) -> str:
    created, listed = traffic["create"].body.get("id"), traffic["listed"]
    return "" if any(each.get("id") == created for each in _items(listed)) else "listed: not within 150 s"


def _has_new(created: Exchange) -> bool:
    return any(each.get("endpointId") == created.request["body"]["endpointId"] for each in _items(created))


def _says_that_it_exists(answer: Exchange) -> bool:
    return answer.status == CONFLICT or "already exists" in f"{answer.body.get('detail')}".lower()


def _is_early(answer: Exchange) -> bool:
    return "DELETE_BLOCKED_DURING_PROVISIONING" in answer.summary or "try again later" in f"{answer.body.get('detail')}"


CONFLICT = 409

_OK = "2.."
_ABSENT = f"404 .*({'|'.join(DEDICATED.absent)})"
_EXISTS = r"4(00|09) \w*EXIST\w*"
_NO_ATTRIBUTE, _NO_ENUM = "400 INVALID_ATTRIBUTE", "400 INVALID_ENUM_VALUE"

PROBES: Mapping[str, Probe] = {
    "dedicated-status-post-delete-endpoint": answers(register="201", deregister="202", no_change="202"),
    "dedicated-first-status-endpoint-aws": shows("endpoint", connectionStatus="PENDING_ACCEPTANCE"),
    "dedicated-names-error-codes": answers(
        early_register=".* PRIVATE_ENDPOINT_SERVICE_CANNOT_ACCEPT_ENDPOINTS",
        malformed_register="404 PRIVATE_ENDPOINT_ID_MALFORMED",
        second_register=".* PRIVATE_ENDPOINT_ALREADY_EXISTS",
        delete_with_endpoint=".* CANNOT_DELETE_PRIVATE_ENDPOINT_SERVICE_WITH_ENDPOINTS",
        endpoint_gone=".* PRIVATE_ENDPOINT_NOT_FOUND",
        gone=".* PRIVATE_ENDPOINT_SERVICE_NOT_FOUND",
    ),
    "dedicated-service-available-waiting-user": answers(early_register="409 .*"),
    "dedicated-service-endpoints-deleting": answers(delete_with_endpoint="409 .*"),
    "dedicated-second-post-service-deleting": answers(create_while_deleting="409 .*"),
    "dedicated-second-delete-service-endpoint": answers(second_deregister="202", second_delete="202"),
    "dedicated-service-whose-last-endpoint": answers(empty_service="200"),
    "dedicated-region-cloud-such-mars": answers(unknown_region=_NO_ATTRIBUTE),
    "dedicated-unknown-cloud-path-body": answers(unknown_cloud=_NO_ENUM),
    "dedicated-remote-regions-more-35": answers(remote_region=_NO_ATTRIBUTE),
    "dedicated-settings-project": every(
        answers(settings_of_2023="406 .*"),
        holds("settings", "other fields", lambda each: {*each.body} == {"privateEndpointConnectionStringsEnabled"}),
    ),
    "dedicated-statuses-successful-answers-documentation": answers(
        create=_OK, register=_OK, no_change=_OK, deregister=_OK, delete=_OK
    ),
    "dedicated-names-error-codes-2": answers(endpoint_gone=_ABSENT, gone=_ABSENT),
    "dedicated-second-post-endpoint-answers": answers(second_register=r"\d+ .*ENDPOINT_ALREADY_EXISTS"),
    "dedicated-delete-service-endpoints-answers": answers(delete_with_endpoint=r"\d+ .*_WITH_ENDPOINTS"),
    "dedicated-service-ready-waiting-user": holds("ready", "in neither", lambda each: each.body.get("status") in READY),
    "dedicated-atlas-checks-private-endpoint": answers(register=_OK),
    "dedicated-names-regions": holds(
        "create", "another region", lambda each: each.body.get("regionName") == each.request["body"]["region"]
    ),
    "data-federation-names-statuses-error-codes": answers(
        gone="404 DATA_FEDERATION_PRIVATE_ENDPOINT_NOT_FOUND",
        delete_of_nothing="404 DATA_FEDERATION_PRIVATE_ENDPOINT_NOT_FOUND",
    ),
    "data-federation-region-cloud-spelling-aws": every(
        answers(region_alone=_NO_ATTRIBUTE), answers(**{"cloud's_region": _NO_ATTRIBUTE})
    ),
    "data-federation-dns-name-without-region": answers(name_alone=_NO_ATTRIBUTE, address=_NO_ATTRIBUTE),
    "data-federation-malformed-id": answers(malformed_id=_NO_ATTRIBUTE, malformed_path="400 PATH_PARAM_PARSE_ERROR"),
    "data-federation-status-errormessage-azurelinkid-body": every(
        answers(computed_fields="201"), shows("after computed fields", status="OK", errorMessage=None)
    ),
    "data-federation-known-id-another-cloud": every(
        answers(other_region="201"), shows("after other region", region=None, customerEndpointDNSName=None)
    ),
    "data-federation-known-id-without-comment": every(
        shows("after no comment", comment="conform again"), shows("after empty comment", comment="")
    ),
    "data-federation-answer-post": holds("create", "without the new endpoint", _has_new),
    "data-federation-delete-aws": answers(delete="204", after_delete="404 .*"),
    "data-federation-post-known-id-changes": every(
        answers(other_comment=_OK), shows("after other comment", comment="conform again")
    ),
    "data-federation-answer-post-first-page": holds(
        "create", "no page", lambda each: isinstance(each.body.get("results"), list)
    ),
    "data-federation-ok-once-aws-id": shows("endpoint", status="OK"),
    "data-federation-delete-atlas-accepts-perform": answers(gone="404 .*"),
    "data-federation-names-error-codes": answers(gone=r"404 \w+_NOT_FOUND"),
    "regional-names-statuses-error-codes": answers(
        early_delete=r"400 \w+_PRIVATE_ENDPOINT_DELETE_BLOCKED_DURING_PROVISIONING",
        second_create=r"409 \w+_PRIVATE_ENDPOINT_ALREADY_EXISTS_FOR_REGION",
        gone=r"404 \w+_PRIVATE_ENDPOINT_NOT_FOUND",
    ),
    "regional-statuses-backups-endpoints-their": every(
        shows("early get", status="INITIATING"), shows("made", status="ACTIVE"), answers(delete="204")
    ),
    "regional-second-post-region-backups": answers(second_create="409 .*", create_while_deleting="409 .*"),
    "regional-post-without-regionname-region": answers(
        no_region="400 MISSING_ATTRIBUTE", unknown_region=_NO_ENUM, **{"cloud's_region": _NO_ENUM}
    ),
    "regional-cloudprovider-body": answers(other_cloud=_NO_ATTRIBUTE),
    "regional-fields-null": holds("create", "nulls", lambda each: None not in each.body.values()),
    "regional-privateendpointconnectionname": every(
        shows("early get", privateEndpointConnectionName=None),
        holds("made", "none", lambda each: bool(each.body.get("privateEndpointConnectionName"))),
    ),
    "regional-delete-status-initiating": every(
        answers(delete="204", second_delete="204"), shows("after delete", status="DELETING")
    ),
    "regional-second-post-region-answers": holds("second create", "another answer", _says_that_it_exists),
    "regional-success-post-202-backup": answers(create=_OK),
    "regional-atlas-shows-accepted": _shown_in_time,
    "regional-each-endpoint-shows-region": holds(
        "listed", "one does not", lambda each: all(item.get("regionName") for item in _items(each))
    ),
    "regional-initiating-active-aws-without": shows("made", status="ACTIVE"),
    "regional-delete-initiating-refused-code": holds(
        "early delete",
        "another answer",
        _is_early,
    ),
    "regional-names-error-codes": answers(gone=r"404 \w+_NOT_FOUND"),
    "regional-version-backup-operations-2024": answers(list="200"),
    "streams-names-statuses-error-codes": answers(
        second_create="400 STREAM_PRIVATE_LINK_ALREADY_EXISTS",
        second_domain="400 STREAM_PRIVATE_LINK_DNS_DOMAIN_ALREADY_SET",
        gone="404 STREAM_PRIVATE_LINK_NOT_FOUND",
    ),
    "streams-post-without-vendor-needs": answers(no_service="400 MISSING_ATTRIBUTE"),
    "streams-post-region-msk-only": answers(foreign_field=_NO_ATTRIBUTE),
    "streams-unknown-cloud-vendor-vendor": answers(unknown_vendor=_NO_ENUM),
    "streams-second-post-target-endpoint": answers(second_create="400 .*", create_while_deleting="400 .*"),
    "streams-times": shows("made", state="DONE"),
    "streams-interface-endpoint-account-dnsdomain": every(
        shows("early get", interfaceEndpointId=None),
        holds("made", "no interfaceEndpointId", lambda each: bool(each.body.get("interfaceEndpointId"))),
    ),
    "streams-patch-another-state-idle": answers(second_domain="400 .*"),
    "streams-delete-each-state": every(
        answers(delete="202", second_delete="202"), shows("after delete", state="DELETE_REQUESTED")
    ),
    "streams-get-shows-after-deleting": answers(gone="404 .*"),
    "streams-account-details": answers(account="200", account_in_capitals=_NO_ENUM),
    "streams-connection-each-target": answers(second_create=_EXISTS),
    "streams-each-connection-list-shows": holds(
        "listed", "one does not", lambda each: all(target_of(item) for item in _items(each))
    ),
    "streams-second-post-target-answers": answers(second_create=_EXISTS),
    "streams-answer-post-state-provider": shows("create", state=None, provider="AWS", vendor="S3"),
    "streams-states": holds("made", "another state", lambda each: each.body.get("state") in {"DONE", "FAILED"}),
    "streams-domain-can-set-there": answers(first_domain=_OK),
    "streams-names-error-codes": answers(gone=r"404 \w+_NOT_FOUND|200"),
}
"""By the ID of a row."""
