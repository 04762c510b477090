"""What a connection of Stream Processing leads to, by the fields that Atlas and a spec have of it. Pure."""

from collections.abc import Mapping, Sequence
from typing import Any

from atlas_endpoints.atlas.answers import text_of
from atlas_endpoints.kinds.regions import atlas_name

WITHOUT_REGION = frozenset({"MSK"})
"""The vendors whose ARN names the service alone, with its region."""

REGION_ALONE = frozenset({"KINESIS", "PUBSUB"})
"""The vendors that have one service in each region."""

NO_VENDOR = "GENERIC"
"""What Atlas shows if no vendor was sent."""

_DEFAULT_VENDORS = {"AZURE": "EVENTHUB"}
_LISTS_OF_NAMES = ("azureResourceIds", "gcpServiceAttachmentUris")


def target_of(fields: Mapping[str, Any]) -> str:
    """Return what a connection leads to, by Atlas's names of the fields: one text for all ways to write it; "": it is not known.

    People can read it: cloud, service, region, and what names the service there.
    """
    provider, vendor = service_in(fields)
    region = text_of(fields.get("region"))
    named = [text_of(fields.get("arn" if vendor in WITHOUT_REGION else "serviceEndpointId"))]
    named += [each for name in _LISTS_OF_NAMES for each in texts_in(fields, name)]
    ids = "" if vendor in REGION_ALONE else ",".join(sorted({_same_id(each) for each in named if each}))
    place = "" if vendor in WITHOUT_REGION else atlas_name(provider, region or "")
    is_known = provider and (ids or vendor in REGION_ALONE) and (place or vendor in WITHOUT_REGION)
    return " ".join(filter(None, (provider, vendor, place, ids))) if is_known else ""


def target_in(spec: Mapping[str, Any]) -> str:
    """Return what the connection of a spec leads to, by the names of its fields; "": nothing that is known."""
    return target_of({**spec, "provider": spec.get("providerName")})


def leads_elsewhere(target: str, other: str) -> bool:
    """Return whether two targets that are known certainly differ: not only in a region, which Atlas may spell as nobody knows."""
    return bool(target and other) and _without_region(target) != _without_region(other)


def _without_region(target: str) -> Sequence[str]:
    provider, vendor, *rest = target.split(" ")
    return provider, vendor, *(() if vendor in REGION_ALONE else rest[-1:])


def service_in(fields: Mapping[str, Any]) -> tuple[str, str]:
    """Return the cloud ("": it is not known) and the vendor, by Atlas's names of the fields."""
    provider, vendor = ((text_of(fields.get(name)) or "").upper() for name in ("provider", "vendor"))
    return provider, _DEFAULT_VENDORS.get(provider, NO_VENDOR) if vendor in {"", NO_VENDOR} else vendor


def texts_in(fields: Mapping[str, Any], name: str) -> tuple[str, ...]:
    """Return the texts of a list."""
    value = fields.get(name)
    return tuple(filter(None, map(text_of, value))) if isinstance(value, list | tuple) else ()


def _same_id(text: str) -> str:
    """Return an ID without what makes no difference: the letter case, the host of a URI of Google Cloud, and the domain of a service of AWS."""
    _, separator, rest = text.partition("/projects/")
    text = (f"projects/{rest}" if separator else text).casefold()
    return text.rpartition(".")[2] if text.startswith("com.amazonaws.vpce.") else text
