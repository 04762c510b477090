"""Names of regions: Atlas's own, and those of the clouds. Pure.

Atlas accepts both and answers with its own. The tables are those of MongoDB's Terraform modules for Azure and Google
Cloud (https://github.com/terraform-mongodbatlas-modules), which agree with all recorded answers.
"""

import re
from collections.abc import Mapping
from difflib import get_close_matches
from functools import lru_cache

_AZURE: Mapping[str, str] = {
    "centralindia": "INDIA_CENTRAL",
    "centralus": "US_CENTRAL",
    "eastasia": "ASIA_EAST",
    "eastus": "US_EAST",
    "eastus2": "US_EAST_2",
    "eastus2euap": "US_EAST_2_EUAP",
    "northcentralus": "US_NORTH_CENTRAL",
    "northeurope": "EUROPE_NORTH",
    "southcentralus": "US_SOUTH_CENTRAL",
    "southeastasia": "ASIA_SOUTH_EAST",
    "southindia": "INDIA_SOUTH",
    "westcentralus": "US_WEST_CENTRAL",
    "westeurope": "EUROPE_WEST",
    "westindia": "INDIA_WEST",
    "westus": "US_WEST",
    "westus2": "US_WEST_2",
    "westus3": "US_WEST_3",
}
"""Atlas's names by Azure's, which have no separators, where the rule does not lead from one to the other."""

_GCP: Mapping[str, str] = {
    "asia-east1": "EASTERN_ASIA_PACIFIC",
    "asia-northeast1": "NORTHEASTERN_ASIA_PACIFIC",
    "asia-southeast1": "SOUTHEASTERN_ASIA_PACIFIC",
    "europe-west1": "WESTERN_EUROPE",
    "me-central1": "MIDDLE_EAST_CENTRAL_1",
    "me-central2": "MIDDLE_EAST_CENTRAL_2",
    "me-west1": "MIDDLE_EAST_WEST_1",
    "northamerica-northeast1": "NORTH_AMERICA_NORTHEAST_1",
    "northamerica-northeast2": "NORTH_AMERICA_NORTHEAST_2",
    "northamerica-south1": "NORTH_AMERICA_SOUTH_1",
    "southamerica-east1": "SOUTH_AMERICA_EAST_1",
    "southamerica-west1": "SOUTH_AMERICA_WEST_1",
    "us-central1": "CENTRAL_US",
    "us-east1": "EASTERN_US",
    "us-west1": "WESTERN_US",
}
"""Atlas's names by Google Cloud's, likewise."""


_BY_RULE: Mapping[str, str] = {
    "AWS": """
        US_EAST_1 US_EAST_2 US_WEST_1 US_WEST_2 CA_CENTRAL_1 CA_WEST_1 MX_CENTRAL_1 SA_EAST_1 EU_NORTH_1 EU_WEST_1 EU_WEST_2
        EU_WEST_3 EU_CENTRAL_1 EU_CENTRAL_2 EU_SOUTH_1 EU_SOUTH_2 AF_SOUTH_1 IL_CENTRAL_1 ME_SOUTH_1 ME_CENTRAL_1 AP_EAST_1
        AP_EAST_2 AP_NORTHEAST_1 AP_NORTHEAST_2 AP_NORTHEAST_3 AP_SOUTH_1 AP_SOUTH_2 AP_SOUTHEAST_1 AP_SOUTHEAST_2
        AP_SOUTHEAST_3 AP_SOUTHEAST_4 AP_SOUTHEAST_5 AP_SOUTHEAST_7 US_GOV_EAST_1 US_GOV_WEST_1
    """,
    "AZURE": """
        AUSTRALIA_CENTRAL AUSTRALIA_CENTRAL_2 AUSTRALIA_EAST AUSTRALIA_SOUTH_EAST BRAZIL_SOUTH BRAZIL_SOUTHEAST
        CANADA_CENTRAL CANADA_EAST CHILE_CENTRAL FRANCE_CENTRAL FRANCE_SOUTH GERMANY_NORTH GERMANY_WEST_CENTRAL
        INDONESIA_CENTRAL ISRAEL_CENTRAL ITALY_NORTH JAPAN_EAST JAPAN_WEST KOREA_CENTRAL KOREA_SOUTH MALAYSIA_WEST
        MEXICO_CENTRAL NEW_ZEALAND_NORTH NORWAY_EAST NORWAY_WEST POLAND_CENTRAL QATAR_CENTRAL SOUTH_AFRICA_NORTH
        SOUTH_AFRICA_WEST SPAIN_CENTRAL SWEDEN_CENTRAL SWEDEN_SOUTH SWITZERLAND_NORTH SWITZERLAND_WEST UAE_CENTRAL
        UAE_NORTH UK_SOUTH UK_WEST
    """,
    "GCP": """
        US_EAST_4 US_EAST_5 US_WEST_2 US_WEST_3 US_WEST_4 US_SOUTH_1 EUROPE_CENTRAL_2 EUROPE_NORTH_1 EUROPE_NORTH_2
        EUROPE_SOUTHWEST_1 EUROPE_WEST_2 EUROPE_WEST_3 EUROPE_WEST_4 EUROPE_WEST_6 EUROPE_WEST_8 EUROPE_WEST_9 EUROPE_WEST_10
        EUROPE_WEST_12 ASIA_EAST_2 ASIA_NORTHEAST_2 ASIA_NORTHEAST_3 ASIA_SOUTH_1 ASIA_SOUTH_2 ASIA_SOUTHEAST_2
        AUSTRALIA_SOUTHEAST_1 AUSTRALIA_SOUTHEAST_2 AFRICA_SOUTH_1
    """,
}
"""Atlas's names of other regions, as far as they are known."""

_NAMES: Mapping[str, Mapping[str, str]] = {
    "AWS": {each.lower().replace("_", "-"): each for each in _BY_RULE["AWS"].split()},
    "AZURE": {**_AZURE, **{each.lower().replace("_", ""): each for each in _BY_RULE["AZURE"].split()}},
    "GCP": {
        **_GCP,
        **{re.sub(r"_(?=\d+$)", "", each).lower().replace("_", "-"): each for each in _BY_RULE["GCP"].split()},
    },
}
"""Atlas's names by those of the clouds."""

KNOWN: Mapping[str, frozenset[str]] = {cloud: frozenset(names.values()) for cloud, names in _NAMES.items()}
"""Atlas's names by provider, to find a wrong one; the clouds add regions, so an unknown name may be right."""


def is_region(text: str) -> bool:
    """Return whether a text may be the name of a region, in Atlas or in a cloud."""
    return re.fullmatch(r"[A-Za-z0-9_-]{1,64}", text) is not None


def atlas_name(provider: str, region: str) -> str:
    """Return Atlas's name of a region; an unknown one in upper case, with ``_``.

    Args:
        provider: AWS, AZURE or GCP.
        region: the name in Atlas or in the cloud.
    """
    name = region.upper().replace("-", "_")
    match provider:
        case "AZURE":
            return _NAMES[provider].get(name.replace("_", "").lower(), name)
        case "GCP":
            # us-east4 is US_EAST_4.
            return _GCP.get(region.lower().replace("_", "-")) or re.sub(r"(?<=[A-Z])(?=\d+$)", "_", name)
        case _:
            return name


@lru_cache(maxsize=1024)  # a spec may name 36 unknown ones, and each decision asks about them
def doubt(provider: str, region: str) -> str:
    """Return a sentence, after a blank, about a name that is not known, and "" about a known one.

    It names the clouds that have a region of that name; else the known one that is most like it, in the words of Atlas or of
    the cloud.
    """
    name = atlas_name(provider, region)
    if name in KNOWN[provider]:
        return ""
    unknown = f" {region} is not a region of {provider} that this version knows."
    if others := [cloud for cloud, names in KNOWN.items() if atlas_name(cloud, region) in names]:
        return f"{unknown} It is one of {' and '.join(others)}: is providerName right?"
    in_cloud = () if "_" in region else _NAMES[provider]
    found = get_close_matches(region.lower(), in_cloud, n=1) or get_close_matches(name, sorted(KNOWN[provider]), n=1)
    return f"{unknown} Did you mean {found[0]}?" if found else unknown


def is_other_region(provider: str, shown: str | None, wanted: str) -> bool:
    """Return whether a name stands for a known region that is not the wanted one; no name, or an unknown one, may stand for it."""
    name = "" if shown is None else atlas_name(provider, shown)
    return name in KNOWN.get(provider, ()) and name != atlas_name(provider, wanted)


def same_region(provider: str, one: str | None, other: str | None) -> bool:
    """Return whether two names stand for the same region; an absent one stands for none."""
    return one is not None and other is not None and atlas_name(provider, one) == atlas_name(provider, other)


def place_of(provider: str, region: str, vpc_region: str | None = None) -> str:
    """Return a region in Atlas's words; with the region of the VPC, if that is another one. People can read it."""
    name, vpc_name = atlas_name(provider, region), atlas_name(provider, vpc_region or region)
    return name if name == vpc_name else f"{name} from {vpc_name}"
