"""The families and their lives. All are on AWS, where nothing is needed beside the project."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from functools import partial
from typing import Any

from atlas_endpoints.atlas.answers import text_of
from atlas_endpoints.atlas.requests import Request
from atlas_endpoints.commands.conform.life import Family, Life
from atlas_endpoints.commands.conform.traffic import StopError
from atlas_endpoints.kinds.backup_private_endpoint.atlas import CALLS as BACKUP
from atlas_endpoints.kinds.data_federation_private_endpoint import atlas as federation
from atlas_endpoints.kinds.dedicated_private_endpoint import atlas as dedicated
from atlas_endpoints.kinds.encryption_at_rest_private_endpoint.atlas import CALLS as ENCRYPTION
from atlas_endpoints.kinds.encryption_at_rest_private_endpoint.atlas import CLUSTERS, clusters_in, encryption_in
from atlas_endpoints.kinds.encryption_at_rest_private_endpoint.atlas import ENCRYPTION as SETTINGS
from atlas_endpoints.kinds.regional_atlas import Calls
from atlas_endpoints.kinds.regions import atlas_name
from atlas_endpoints.kinds.stream_private_endpoint import atlas as streams

CLOUD, NOWHERE, MALFORMED = "AWS", "MARS_WEST_1", "vpce-x"

SOON = 600.0
"""Seconds within which what is deleted at once is gone."""


def own_name(region: str) -> str:
    """Return a region of AWS in its own spelling."""
    return region.lower().replace("_", "-")


async def live_dedicated(life: Life) -> None:
    """Live with a service and an endpoint that no VPC has."""
    project, region, endpoint = life.project, life.region, life.vpc_endpoint(0)
    await life.step("unknown cloud", dedicated.list_of(project, "MARS"))
    await life.step("settings", dedicated.settings_of(project))
    await life.step("settings of 2023", replace(dedicated.settings_of(project), api_version="2023-01-01"))
    await life.step("unknown region", dedicated.creation_of(project, CLOUD, NOWHERE))
    service = await life.create("create", dedicated.creation_of(project, CLOUD, region))

    def registration(id_: str) -> Request:
        return dedicated.registration_of(project, CLOUD, service, id_)

    get = dedicated.get_of(project, CLOUD, service)
    if life.is_new("create"):
        await life.step("early register", registration(life.vpc_endpoint(1)))
    ready = await life.until("ready", get, lambda each: each.body.get("status") != "INITIATING")
    if ready.body.get("status") not in dedicated.READY:
        raise StopError(f"the service is {ready.body.get('status') or ready.summary}")
    await life.step("malformed register", registration(MALFORMED))
    entry = await life.create("register", registration(endpoint))
    if life.is_new("register"):
        await life.step("endpoint", dedicated.get_of(project, CLOUD, entry))
    await life.step("second register", registration(endpoint))
    await life.step("no change", dedicated.no_change_of(project, service))
    foreign = "eu-west-3" if region != "EU_WEST_3" else "eu-west-1"
    await life.step("remote region", dedicated.remote_regions_of(project, service, [foreign]))
    deletion = dedicated.deletion_of(project, CLOUD, service)
    if (await life.step("delete with endpoint", deletion)).is_success:
        raise StopError("Atlas deletes a service with an endpoint")
    await life.step("deregister", dedicated.deletion_of(project, CLOUD, entry))
    if life.is_new("deregister"):
        await life.step("second deregister", dedicated.deletion_of(project, CLOUD, entry))
    await life.gone("endpoint gone", entry)
    if not (await life.step("empty service", get)).is_success:
        raise StopError("the service is gone with its last endpoint")
    await life.step("delete", deletion)
    if life.is_new("delete"):
        await life.step("second delete", deletion)
        await life.step("create while deleting", dedicated.creation_of(project, CLOUD, region))
    await life.gone("gone", service)


async def live_federation(life: Life) -> None:
    """Live with an endpoint that no VPC has."""
    project, region, endpoint, other = life.project, life.region, life.vpc_endpoint(0), life.vpc_endpoint(1)
    name = {"customerEndpointDNSName": f"{endpoint}.example.com"}

    def post(id_: str, **values: str) -> Request:
        return federation.registration_of(project, CLOUD, id_, values)

    get = federation.get_of(project, endpoint)
    await life.step("malformed path", federation.get_of(project, MALFORMED))
    await life.step("malformed id", post(MALFORMED))
    await life.step("region alone", post(other, region=region))
    await life.step("cloud's region", post(other, region=own_name(region), **name))
    await life.step("name alone", post(other, **name))
    await life.step("address", post(other, customerEndpointIPAddress="10.0.0.4"))
    await life.create("create", post(endpoint, comment="conform"))
    await life.step("endpoint", get)
    await life.step("computed fields", post(endpoint, comment="conform", status="FAILED", errorMessage="none"))
    await life.step("after computed fields", get)
    await life.step("other comment", post(endpoint, comment="conform again"))
    await life.step("after other comment", get)
    await life.step("other region", post(endpoint, comment="conform again", region=region, **name))
    await life.step("after other region", get)
    await life.step("no comment", post(endpoint))
    await life.step("after no comment", get)
    await life.step("empty comment", post(endpoint, comment=""))
    await life.step("after empty comment", get)
    await life.step("delete", federation.deletion_of(project, endpoint))
    if life.is_new("delete"):
        await life.step("after delete", get)
    await life.gone("gone", endpoint, most=SOON)
    await life.step("delete of nothing", federation.deletion_of(project, endpoint))


async def live_regional(life: Life, calls: Calls) -> None:
    """Live with an endpoint that Atlas makes for a region."""
    if calls is ENCRYPTION:
        await _find_unused_keys(life)
    project, region = life.project, life.region

    def post(**body: str) -> Request:
        return calls.creation_of(project, CLOUD, {"cloudProvider": CLOUD, **body})

    await life.step("no region", post())
    await life.step("unknown region", post(regionName=NOWHERE))
    await life.step("cloud's region", post(regionName=own_name(region)))
    await life.step("other cloud", post(regionName=region, cloudProvider="AZURE"))
    entry = await life.create("create", post(regionName=region))
    get, deletion = calls.get_of(project, CLOUD, entry), calls.deletion_of(project, CLOUD, entry)
    if life.is_new("create"):
        await life.step("early get", get)
        await life.listed("listed", entry, most=150.0)
    await life.step("second create", post(regionName=region))
    if life.is_new("early get") and (await life.step("still early", get)).body.get("status") == "INITIATING":
        await life.step("early delete", deletion)
    await life.until("made", get, lambda each: each.body.get("status") != "INITIATING")
    await life.step("delete", deletion)
    if life.is_new("delete"):
        await life.step("after delete", get)
        await life.step("second delete", deletion)
        await life.step("create while deleting", post(regionName=region))
    await life.gone("gone", entry)


async def _find_unused_keys(life: Life) -> None:
    """Refuse a project without private customer keys, or with clusters that use some."""
    settings = encryption_in((await life.step("settings", SETTINGS.request_of(life.project))).body)
    if settings is None or not settings.blocks[CLOUD].requires_private_networking:
        raise StopError("the project does not require private networking for a key in AWS KMS")
    clusters = clusters_in((await life.step("clusters", CLUSTERS.request_of(life.project).page(1))).body.get("results"))
    if clusters is None or len(clusters) >= CLUSTERS.page_size or any(each.provider != "NONE" for each in clusters):
        raise StopError("clusters of the project use customer keys, or it is not known whether they do")


async def live_streams(life: Life) -> None:
    """Live with a connection to S3."""
    project, region = life.project, life.region
    service = {"serviceEndpointId": f"com.amazonaws.{own_name(region)}.s3"}

    def post(**fields: Any) -> Request:
        return streams.creation_of(project, {"provider": CLOUD, "vendor": "S3", "region": region, **fields})

    account = streams.account_of(project, CLOUD, region)
    await life.step("account", account)
    await life.step("account in capitals", replace(account, path=account.path.replace("=aws", "=AWS")))
    await life.step("unknown vendor", post(**service, vendor="MARS"))
    await life.step("no service", post())
    await life.step("foreign field", post(**service, azureResourceIds=["none"]))
    entry = await life.create("create", post(**service))
    get, deletion = streams.get_of(project, entry), streams.deletion_of(project, entry)
    if life.is_new("create"):
        await life.step("early get", get)
        await life.listed("listed", entry, most=150.0)
    await life.step("second create", post(**service))
    await life.until("made", get, lambda each: each.body.get("state") not in {"IDLE", "WORKING"})
    await life.step("first domain", streams.update_of(project, entry, "conform.example.com"))
    await life.step("second domain", streams.update_of(project, entry, "again.example.com"))
    await life.step("delete", deletion)
    if life.is_new("delete"):
        await life.step("after delete", get)
        await life.step("second delete", deletion)
        await life.step("create while deleting", post(**service))
    await life.gone("gone", entry)


def _text(fields: Any, name: str) -> str:
    return text_of(fields.get(name)) or "" if isinstance(fields, dict) else ""


def _ids(name: str) -> Callable[[Any], Sequence[str]]:
    return lambda item: [*filter(None, [_text(item, name)])]


def _dedicated_ids(item: Any) -> Sequence[str]:
    if (found := dedicated.listed(item)) is None:
        return []
    return [found[0], *(dedicated.entry_name(found[0], each) for each in found[1].endpoint_ids)]


def _dedicated_named(request: Request) -> str | None:
    id_ = str((request.body or {}).get("id"))
    return (
        dedicated.entry_name(request.path.split("/")[-2], id_)
        if request.operation == dedicated.CREATE_ENDPOINT
        else None
    )


def _federation_named(fields: Any) -> str:
    return federation.entry_of(_text(fields, "endpointId"))


def _region(fields: Any) -> str:
    return atlas_name(CLOUD, _text(fields, "regionName") or _text(fields, "region"))


def _regional(name: str, calls: Calls) -> Family:
    return Family(name, partial(live_regional, calls=calls), calls, (CLOUD,), _ids("id"), _region)


FAMILIES: Mapping[str, Family] = {
    each.name: each
    for each in (
        Family("dedicated", live_dedicated, dedicated, (CLOUD,), _dedicated_ids, _region, _dedicated_named),
        Family(
            "data-federation",
            live_federation,
            federation,
            (),
            ids=lambda item: [*filter(None, [_federation_named(item)])],
            place=lambda _: "",
            named=lambda request: _federation_named(request.body),
        ),
        _regional("encryption", ENCRYPTION),
        _regional("backup", BACKUP),
        Family("streams", live_streams, streams, (), _ids("_id"), streams.target_of),
    )
}
"""By name, in the order in which they live."""
