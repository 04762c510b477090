"""The names of Kubernetes objects; each is one segment of a path."""

import re

_LABEL = r"[a-z0-9]([-a-z0-9]*[a-z0-9])?"
_LABELS = re.compile(rf"{_LABEL}([.]{_LABEL})*")
_LONGEST_NAME = 253
_LONGEST_LABEL = 63


def is_name(text: str) -> bool:
    """Return whether most objects may have this name: a DNS subdomain (RFC 1123) of 253 characters at most."""
    return len(text) <= _LONGEST_NAME and _LABELS.fullmatch(text) is not None


def is_namespace(text: str) -> bool:
    """Return whether a Namespace may have this name: a DNS label (RFC 1123), without dots, of 63 characters at most."""
    return len(text) <= _LONGEST_LABEL and "." not in text and is_name(text)
