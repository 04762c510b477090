"""Names of regions: Atlas's own, and those of the clouds. Pure.

Atlas accepts both and answers with its own. The tables are those of MongoDB's Terraform modules for Azure and Google
Cloud (https://github.com/terraform-mongodbatlas-modules), which agree with all recorded answers.
"""

import re
from collections.abc import Mapping

_AZURE: Mapping[str, str] = {
    "australiacentral": "AUSTRALIA_CENTRAL",
    "australiacentral2": "AUSTRALIA_CENTRAL_2",
    "australiaeast": "AUSTRALIA_EAST",
    "australiasoutheast": "AUSTRALIA_SOUTH_EAST",
    "brazilsouth": "BRAZIL_SOUTH",
    "brazilsoutheast": "BRAZIL_SOUTHEAST",
    "canadacentral": "CANADA_CENTRAL",
    "canadaeast": "CANADA_EAST",
    "centralindia": "INDIA_CENTRAL",
    "centralus": "US_CENTRAL",
    "chilecentral": "CHILE_CENTRAL",
    "eastasia": "ASIA_EAST",
    "eastus": "US_EAST",
    "eastus2": "US_EAST_2",
    "eastus2euap": "US_EAST_2_EUAP",
    "francecentral": "FRANCE_CENTRAL",
    "francesouth": "FRANCE_SOUTH",
    "germanynorth": "GERMANY_NORTH",
    "germanywestcentral": "GERMANY_WEST_CENTRAL",
    "indonesiacentral": "INDONESIA_CENTRAL",
    "israelcentral": "ISRAEL_CENTRAL",
    "italynorth": "ITALY_NORTH",
    "japaneast": "JAPAN_EAST",
    "japanwest": "JAPAN_WEST",
    "koreacentral": "KOREA_CENTRAL",
    "koreasouth": "KOREA_SOUTH",
    "malaysiawest": "MALAYSIA_WEST",
    "mexicocentral": "MEXICO_CENTRAL",
    "newzealandnorth": "NEW_ZEALAND_NORTH",
    "northcentralus": "US_NORTH_CENTRAL",
    "northeurope": "EUROPE_NORTH",
    "norwayeast": "NORWAY_EAST",
    "norwaywest": "NORWAY_WEST",
    "polandcentral": "POLAND_CENTRAL",
    "qatarcentral": "QATAR_CENTRAL",
    "southafricanorth": "SOUTH_AFRICA_NORTH",
    "southafricawest": "SOUTH_AFRICA_WEST",
    "southcentralus": "US_SOUTH_CENTRAL",
    "southeastasia": "ASIA_SOUTH_EAST",
    "southindia": "INDIA_SOUTH",
    "spaincentral": "SPAIN_CENTRAL",
    "swedencentral": "SWEDEN_CENTRAL",
    "swedensouth": "SWEDEN_SOUTH",
    "switzerlandnorth": "SWITZERLAND_NORTH",
    "switzerlandwest": "SWITZERLAND_WEST",
    "uaecentral": "UAE_CENTRAL",
    "uaenorth": "UAE_NORTH",
    "uksouth": "UK_SOUTH",
    "ukwest": "UK_WEST",
    "westcentralus": "US_WEST_CENTRAL",
    "westeurope": "EUROPE_WEST",
    "westindia": "INDIA_WEST",
    "westus": "US_WEST",
    "westus2": "US_WEST_2",
    "westus3": "US_WEST_3",
}
"""Atlas's names by Azure's, which have no separators."""

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
"""Atlas's names by Google Cloud's, where the rule does not lead from one to the other."""


def atlas_name(provider: str, region: str) -> str:
    """Return Atlas's name of a region; an unknown one in upper case, with ``_``.

    Args:
        provider: AWS, AZURE or GCP.
        region: the name in Atlas or in the cloud.
    """
    name = region.upper().replace("-", "_")
    match provider:
        case "AZURE":
            return _AZURE.get(name.replace("_", "").lower(), name)
        case "GCP":
            # us-east4 is US_EAST_4.
            return _GCP.get(region.lower().replace("_", "-")) or re.sub(r"(?<=[A-Z])(?=\d+$)", "_", name)
        case _:
            return name


def same_region(provider: str, one: str | None, other: str | None) -> bool:
    """Return whether two names stand for the same region; an absent one stands for none."""
    return one is not None and other is not None and atlas_name(provider, one) == atlas_name(provider, other)
