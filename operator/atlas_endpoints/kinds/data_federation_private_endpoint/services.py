"""Atlas's services for Data Federation and Online Archive in AWS, to which a VPC endpoint connects. Pure.

Source: https://www.mongodb.com/docs/atlas/data-federation/tutorial/config-private-endpoint/, read on 2026-11-29. No API shows
them, and MongoDB may add regions, so a region that is missing here is no error.
"""

from collections.abc import Mapping

from atlas_endpoints.kinds import regions
from atlas_endpoints.kinds.regions import atlas_name

_AWS: Mapping[str, str] = {
    "us-east-1": "00e311695874992b4",
    "us-west-2": "09d86b19e59d1b4bb",
    "eu-west-1": "0824460b72e1a420e",
    "eu-west-2": "052f1840aa0c4f1f9",
    "eu-central-1": "0ac8ce91871138c0d",
    "sa-east-1": "0b56e75e8cdf50044",
    "ap-southeast-2": "036f1de74d761706e",
    "ap-south-1": "03eb8a541f96d356d",
    "ca-central-1": "08564bb8ccae8ba64",
    "ap-northeast-1": "0b63834ecd618a332",
    "ap-southeast-1": "07728d2dfd2860efb",
}
"""By region, in AWS's names: the end of the service's name."""

_BY_REGION = {atlas_name("AWS", region): f"com.amazonaws.vpce.{region}.vpce-svc-{end}" for region, end in _AWS.items()}


def service_name(provider: str, region: str | None) -> str | None:
    """Return the name of the service in a region, or None if it is not known; Azure's is shown in Atlas's user interface only."""
    return _BY_REGION.get(atlas_name(provider, region)) if provider == "AWS" and region is not None else None


def doubt(provider: str, region: str | None, dns_name: str | None) -> str:
    """Return a sentence, after a blank, about a region that is not known, or a DNS name of another service; "": all is well."""
    if region is not None and (unknown := regions.doubt(provider, region)):
        return unknown
    service = service_name(provider, region)
    if service is None or dns_name is None or f".{service.rpartition('.')[2]}." in dns_name.lower():
        return ""
    return f" The DNS name does not contain {service.rpartition('.')[2]}, the service of Data Federation in {region}: check to which service the VPC endpoint connects."
