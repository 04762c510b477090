"""New manifests, as kinds have them for ``atlas-endpoints import``, and names in them. Pure."""

import hashlib
import re
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

LONGEST_NAME = 63
"""Characters of a resource's name, as the CRDs have it."""


@dataclass(frozen=True, slots=True)
class NewManifest:
    """A manifest that is to be written, if its spec is valid.

    Attributes:
        what: for users, after the word "endpoint".
        remarks: comments above it.
        to_do: comments below its spec.
        optional: the fields of the spec that are left to Atlas, with a comment, where their values break a rule.
    """

    what: str
    name: str
    namespace: str | None
    spec: Mapping[str, Any]
    remarks: Sequence[str] = ()
    to_do: Sequence[str] = ()
    optional: Collection[str] = ()


def retained(credentials_secret: str | None) -> Mapping[str, Any]:
    """Return the fields of the manifest of something that exists in Atlas; None: the credentials are the default ones."""
    # Explicit, so that another default never deletes it.
    found: dict[str, Any] = {"deletionPolicy": "Retain"}
    return {**found, "credentialsSecretRef": {"name": credentials_secret}} if credentials_secret else found


def fitting(name: str, mark: str = "") -> str:
    """Return a valid name of a resource that ends with the mark."""
    end = f"-{_plain(mark)[-40:].strip('-')}" if mark else ""
    return _plain(name)[: LONGEST_NAME - len(end)].strip("-") + end


def last_part(cloud_id: str) -> str:
    """Return the last part of an ID, such as the name in an Azure resource ID."""
    return cloud_id.rpartition("/")[2]


def marked(endpoint_id: str, *where: str) -> str:
    """Return the last part of an ID with some digits, by which it differs from those of other places."""
    digest = hashlib.sha256("/".join((*where, endpoint_id)).encode()).hexdigest()[:8]
    return f"{last_part(endpoint_id)[:31]}-{digest}"


def _plain(text: str) -> str:
    return re.sub(r"[^a-z0-9]+", "-", text.lower()).strip("-")
