"""The names of regions: Atlas's (``US_EAST_1``), and the clouds' own (``us-east-1``, ``eastus``, ``us-east1``)."""

import re

_NAMES = {
    "AZURE": """
        US_CENTRAL=centralus US_EAST=eastus US_EAST_2=eastus2 US_NORTH_CENTRAL=northcentralus US_WEST=westus
        US_SOUTH_CENTRAL=southcentralus US_WEST_CENTRAL=westcentralus US_WEST_2=westus2 US_WEST_3=westus3
        CANADA_CENTRAL=canadacentral CANADA_EAST=canadaeast BRAZIL_SOUTH=brazilsouth BRAZIL_SOUTHEAST=brazilsoutheast
        MEXICO_CENTRAL=mexicocentral EUROPE_NORTH=northeurope EUROPE_WEST=westeurope UK_SOUTH=uksouth UK_WEST=ukwest
        FRANCE_CENTRAL=francecentral FRANCE_SOUTH=francesouth GERMANY_NORTH=germanynorth ITALY_NORTH=italynorth
        GERMANY_WEST_CENTRAL=germanywestcentral NORWAY_EAST=norwayeast NORWAY_WEST=norwaywest
        POLAND_CENTRAL=polandcentral SPAIN_CENTRAL=spaincentral SWEDEN_CENTRAL=swedencentral
        SWEDEN_SOUTH=swedensouth SWITZERLAND_NORTH=switzerlandnorth SWITZERLAND_WEST=switzerlandwest
        ASIA_EAST=eastasia ASIA_SOUTH_EAST=southeastasia AUSTRALIA_EAST=australiaeast
        AUSTRALIA_SOUTH_EAST=australiasoutheast AUSTRALIA_CENTRAL=australiacentral
        AUSTRALIA_CENTRAL_2=australiacentral2 INDIA_CENTRAL=centralindia INDIA_SOUTH=southindia INDIA_WEST=westindia
        JAPAN_EAST=japaneast JAPAN_WEST=japanwest KOREA_CENTRAL=koreacentral KOREA_SOUTH=koreasouth
        ISRAEL_CENTRAL=israelcentral QATAR_CENTRAL=qatarcentral UAE_NORTH=uaenorth UAE_CENTRAL=uaecentral
        SOUTH_AFRICA_NORTH=southafricanorth SOUTH_AFRICA_WEST=southafricawest NEW_ZEALAND_NORTH=newzealandnorth
    """,
    "GCP": """
        CENTRAL_US=us-central1 EASTERN_US=us-east1 WESTERN_US=us-west1 WESTERN_EUROPE=europe-west1
        EASTERN_ASIA_PACIFIC=asia-east1 NORTHEASTERN_ASIA_PACIFIC=asia-northeast1
        SOUTHEASTERN_ASIA_PACIFIC=asia-southeast1 NORTH_AMERICA_NORTHEAST_1=northamerica-northeast1
        NORTH_AMERICA_NORTHEAST_2=northamerica-northeast2 SOUTH_AMERICA_EAST_1=southamerica-east1
        SOUTH_AMERICA_WEST_1=southamerica-west1 MIDDLE_EAST_WEST_1=me-west1 MIDDLE_EAST_CENTRAL_1=me-central1
        MIDDLE_EAST_CENTRAL_2=me-central2
    """,
}
"""Names that follow no rule: of Azure all, of Google those older than its rule."""
_CLOUD_NAMES = {cloud: dict(pair.split("=") for pair in text.split()) for cloud, text in _NAMES.items()}
_ATLAS_NAMES = {cloud: {own: name for name, own in names.items()} for cloud, names in _CLOUD_NAMES.items()}
_DIRECTION = "(NORTH|SOUTH)?(EAST|WEST)|NORTH|SOUTH|CENTRAL"
_RULES = {
    "AWS": re.compile(rf"(AP_({_DIRECTION})_[1-9]|(AF|CA|CN|EU|IL|ME|MX|SA|US|US_GOV)_({_DIRECTION})_[1-4])"),
    "GCP": re.compile(rf"(AFRICA|ASIA|AUSTRALIA|EUROPE|NORTHAMERICA|US)_({_DIRECTION})_[1-9][0-9]?"),
}
"""Atlas's names that follow a rule: a cloud adds regions, and rarely an area."""

_FOR_BACKUPS = """
    AF_SOUTH_1 AP_EAST_1 AP_NORTHEAST_1 AP_NORTHEAST_2 AP_NORTHEAST_3 AP_SOUTHEAST_1 AP_SOUTHEAST_2 AP_SOUTHEAST_3
    AP_SOUTH_1 CA_CENTRAL_1 CN_NORTHWEST_1 CN_NORTH_1 EU_CENTRAL_1 EU_NORTH_1 EU_SOUTH_1 EU_WEST_1 EU_WEST_2 EU_WEST_3
    ME_SOUTH_1 SA_EAST_1 US_EAST_1 US_EAST_2 US_GOV_EAST_1 US_GOV_WEST_1 US_WEST_1 US_WEST_2
"""
BACKUP_REGIONS = frozenset(_FOR_BACKUPS.split())
"""Where the specification has endpoints for backups; it names GLOBAL, too, which is no place."""


def is_region(cloud: str, region: str) -> bool:
    """Return whether a cloud may have a region of this name of Atlas's."""
    return region in _CLOUD_NAMES.get(cloud, {}) or (cloud in _RULES and _RULES[cloud].fullmatch(region) is not None)


def atlas_name(cloud: str, region: str) -> str:
    """Return Atlas's name of a region that is given by either name; a name that is in no table follows the rule."""
    by_rule = region.replace("-", "_").upper()
    if cloud == "GCP" and region.islower():
        by_rule = re.sub(r"(?<=[A-Z])(\d+)$", r"_\1", by_rule)
    return _ATLAS_NAMES.get(cloud, {}).get(region.lower(), by_rule)


def cloud_name(cloud: str, region: str) -> str:
    """Return the cloud's own name of a region that is given by Atlas's."""
    separator = "" if cloud == "AZURE" else "-"
    by_rule = region.lower().replace("_", separator)
    if cloud == "GCP":
        by_rule = re.sub(r"-(\d+)$", r"\1", by_rule)
    return _CLOUD_NAMES.get(cloud, {}).get(region, by_rule)
