"""How ``atlas-endpoints conform`` tries private connections of Stream Processing: with one to S3. Pure."""

from dataclasses import replace
from typing import Any

from atlas_endpoints.atlas.requests import Request
from atlas_endpoints.kinds.conforming import CLOUD, Family, Life, id_in, own_name
from atlas_endpoints.kinds.stream_private_endpoint.kind import KIND
from atlas_endpoints.kinds.stream_private_endpoint.targets import target_of


async def live(life: Life) -> None:
    """Live; see ``Family``."""
    service = {"serviceEndpointId": f"com.amazonaws.{own_name(life.region)}.s3"}

    def post(**fields: Any) -> Request:
        return KIND.api.creation_of(life.scope, {"provider": CLOUD, "vendor": "S3", "region": life.region, **fields})

    account = KIND.reads["account"].of(life.scope, CLOUD.lower(), life.region)
    await life.step("account", account)
    await life.step("account in capitals", replace(account, path=account.path.replace("=aws", "=AWS")))
    other = {"region": life.elsewhere, "serviceEndpointId": f"com.amazonaws.{own_name(life.elsewhere)}.s3"}
    await life.step(
        "unknown vendor", post(vendor="MARS", region=life.elsewhere, serviceEndpointId="com.amazonaws.mars")
    )
    await life.step("no service", post(region=life.elsewhere))
    await life.step("foreign field", post(**other, azureResourceIds=["none"]))
    entry = await life.begin(post(**service))
    await life.step("same target", post(**service, region=own_name(life.region)))
    await life.until("made", life.get_of(entry), lambda each: each.body.get("state") not in {"IDLE", "WORKING"})
    await life.step("first domain", KIND.api.update_of(life.scope, entry, {"dnsDomain": "conform.example.com"}))
    await life.step("second domain", KIND.api.update_of(life.scope, entry, {"dnsDomain": "again.example.com"}))
    await life.finish(entry, post(**service))


FAMILY = Family(live, KIND, KIND.api.deletion_of, id_in("_id"), target_of)
