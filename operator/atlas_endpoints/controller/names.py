"""What Kubernetes objects may be called; what is called so is one segment of a path. Pure."""

import re

_LABEL = r"[a-z0-9]([-a-z0-9]*[a-z0-9])?"
_LABELS = re.compile(rf"{_LABEL}([.]{_LABEL})*")
_LONGEST = 253
_LONGEST_LABEL = 63


def is_name(text: str) -> bool:
    """Tell whether Secrets, Leases and most other objects may be called so: a DNS subdomain (RFC 1123), 253 characters at most."""
    return len(text) <= _LONGEST and _LABELS.fullmatch(text) is not None


def is_namespace(text: str) -> bool:
    """Tell whether a Namespace may be called so: a DNS label (RFC 1123), which has no dots, 63 characters at most."""
    return len(text) <= _LONGEST_LABEL and "." not in text and is_name(text)
