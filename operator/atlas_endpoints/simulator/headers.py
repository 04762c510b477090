"""The header fields that Atlas sends besides the content type."""

from datetime import date
from functools import lru_cache

STANDARD = {
    "Server": "mdbws",
    "Strict-Transport-Security": "max-age=31536000; includeSubdomains;",
    "Referrer-Policy": "strict-origin-when-cross-origin",
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "X-Permitted-Cross-Domain-Policies": "none",
    "X-Java-Version": "17.0.12+7",
    "X-Mongodb-Service-Version": "gitHash=0000000000000000000000000000000000000000; versionString=simulator",
    "X-Envoy-Upstream-Service-Time": "1",
}
"""On every answer, also on errors."""

_WEEKDAYS = ("Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun")
_MONTHS = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")


@lru_cache(maxsize=64)
def of_operation(java_method: str, deprecation: date | None, sunset: date | None) -> dict[str, str]:
    """Return the header fields that name the operation and its end; not to be changed, since shared."""
    fields = {"X-Java-Method": java_method}
    if deprecation is not None:
        fields["Deprecation"] = http_date(deprecation)
    if sunset is not None:
        fields["Sunset"] = http_date(sunset)
    return fields


def http_date(day: date) -> str:
    """Write midnight of a day as Atlas does: like an HTTP date, but with no zero before the day."""
    return f"{_WEEKDAYS[day.weekday()]}, {day.day} {_MONTHS[day.month - 1]} {day.year} 00:00:00 GMT"
