"""Names of regions are compared by meaning."""

import pytest

from atlas_endpoints.kinds.regions import atlas_name, doubt, same_region

SAME = {
    "AWS": {"eu-west-1": "EU_WEST_1", "sa-east-1": "SA_EAST_1", "us-gov-east-1": "US_GOV_EAST_1"},
    "AZURE": {
        "eastus2": "US_EAST_2",
        "EastUS2": "US_EAST_2",
        "northeurope": "EUROPE_NORTH",
        "southeastasia": "ASIA_SOUTH_EAST",
        "australiasoutheast": "AUSTRALIA_SOUTH_EAST",
        "centralindia": "INDIA_CENTRAL",
        "newzealandnorth": "NEW_ZEALAND_NORTH",
    },
    # The pairs of all recorded answers, and of MongoDB's Terraform module.
    "GCP": {
        "asia-southeast2": "ASIA_SOUTHEAST_2",
        "australia-southeast2": "AUSTRALIA_SOUTHEAST_2",
        "us-central1": "CENTRAL_US",
        "europe-central2": "EUROPE_CENTRAL_2",
        "europe-north1": "EUROPE_NORTH_1",
        "europe-west2": "EUROPE_WEST_2",
        "europe-west12": "EUROPE_WEST_12",
        "northamerica-northeast1": "NORTH_AMERICA_NORTHEAST_1",
        "southamerica-east1": "SOUTH_AMERICA_EAST_1",
        "us-east4": "US_EAST_4",
        "us-west2": "US_WEST_2",
        "europe-west1": "WESTERN_EUROPE",
        "us-west1": "WESTERN_US",
        "me-west1": "MIDDLE_EAST_WEST_1",
        "asia-northeast1": "NORTHEASTERN_ASIA_PACIFIC",
    },
}
PAIRS = [(provider, name, atlas) for provider, names in SAME.items() for name, atlas in names.items()]


@pytest.mark.parametrize(("provider", "name", "atlas"), PAIRS)
def test_the_clouds_name_and_atlas_s_are_one_region(provider: str, name: str, atlas: str) -> None:
    assert atlas_name(provider, name) == atlas
    assert atlas_name(provider, atlas) == atlas
    assert same_region(provider, name, atlas)
    assert same_region(provider, name.upper(), atlas.lower())


@pytest.mark.parametrize("provider", SAME)
def test_no_two_names_of_a_cloud_are_one_region(provider: str) -> None:
    names = {name.lower(): atlas for name, atlas in SAME[provider].items()}
    for one in names:
        assert [other for other in names if same_region(provider, one, other)] == [one]


@pytest.mark.parametrize(
    ("provider", "name", "passed_on"),
    [
        ("AWS", "mars-north-1", "MARS_NORTH_1"),
        ("AZURE", "marsnorth2", "MARSNORTH2"),
        ("AZURE", "MARS_NORTH_2", "MARS_NORTH_2"),
        ("GCP", "mars-north7", "MARS_NORTH_7"),
        ("GCP", "US_EAST_4_AW", "US_EAST_4_AW"),
    ],
)
def test_an_unknown_name_is_passed_on(provider: str, name: str, passed_on: str) -> None:
    assert atlas_name(provider, name) == passed_on
    assert same_region(provider, name, passed_on)


def test_an_absent_name_is_no_region() -> None:
    assert not same_region("AWS", None, "EU_WEST_1")
    assert not same_region("AWS", "EU_WEST_1", None)
    assert not same_region("AWS", None, None)


def test_clouds_do_not_share_their_names() -> None:
    assert atlas_name("AWS", "us-west-1") == "US_WEST_1"
    assert atlas_name("GCP", "us-west1") == "WESTERN_US"
    assert atlas_name("AZURE", "westus") == "US_WEST"


@pytest.mark.parametrize(
    ("provider", "wrong", "meant"),
    [
        ("AWS", "eu-wset-1", "eu-west-1"),
        ("AWS", "EU_WSET_1", "EU_WEST_1"),
        ("AWS", "useast1", "us-east-1"),
        ("AZURE", "northeuorpe", "northeurope"),
        ("AZURE", "US_EATS_2", "US_EAST_2"),
        ("GCP", "europe-wset4", "europe-west4"),
        ("GCP", "us-centrl1", "us-central1"),
        ("GCP", "US_EAST_44", "US_EAST_4"),
    ],
)
def test_the_region_that_is_meant_is_named_as_the_wrong_one_is_spelt(provider: str, wrong: str, meant: str) -> None:
    expected = f" {wrong} is not a region of {provider} that this version knows. Did you mean {meant}?"
    assert doubt(provider, wrong) == expected
