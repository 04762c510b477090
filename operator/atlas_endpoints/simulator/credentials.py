"""Who may do what: service accounts and API keys, their roles and IP access lists."""

from ipaddress import IPv4Network, IPv6Address, IPv6Network, ip_address
from typing import Annotated, Literal

from pydantic import Field, field_validator, model_validator

from atlas_endpoints.simulator.wire import Document

GROUP_OWNER, GROUP_READ_ONLY = "GROUP_OWNER", "GROUP_READ_ONLY"
EVERY_PROJECT = "*"
Role = Literal["GROUP_OWNER", "GROUP_READ_ONLY"]
Secret = Annotated[str, Field(min_length=1)]


def _owner_of_all() -> dict[str, Role]:
    return {EVERY_PROJECT: "GROUP_OWNER"}


class Principal(Document):
    """What both kinds of credentials have.

    Attributes:
        roles: Project id to role; the id ``"*"`` means all projects. The text ``"*"`` alone: owner of all projects.
        access_list: The networks from which the API may be used; empty: from anywhere.
    """

    roles: dict[str, Role] = Field(default_factory=_owner_of_all)
    access_list: tuple[IPv4Network | IPv6Network, ...] = ()

    @field_validator("roles", mode="before")
    @classmethod
    def _all_projects(cls, value: object) -> object:
        return _owner_of_all() if value == EVERY_PROJECT else value

    @property
    def sees_all_projects(self) -> bool:
        """Whether the credentials reach every project, so that an absent one is known to be absent."""
        return EVERY_PROJECT in self.roles

    def role(self, project: str) -> str | None:
        """Return the role in a project, or ``None``."""
        return self.roles.get(project) or self.roles.get(EVERY_PROJECT)

    def allows(self, address: str) -> bool:
        """Tell whether the access list admits an address."""
        if not self.access_list:
            return True
        parsed = ip_address(address)
        if isinstance(parsed, IPv6Address) and parsed.ipv4_mapped is not None:  # an IPv4 client of a socket for both
            parsed = parsed.ipv4_mapped
        return any(parsed in network for network in self.access_list)


class ServiceAccount(Principal):
    """OAuth 2.0 client credentials; while a secret is being rotated two of them are valid at once."""

    client_id: str = Field(min_length=1)
    client_secret: Secret | None = Field(default=None, repr=False)
    client_secrets: tuple[Secret, ...] = Field(default=(), repr=False)

    @model_validator(mode="after")
    def _has_a_secret(self) -> "ServiceAccount":
        if not self.secrets:
            raise ValueError("clientSecret or clientSecrets is required")
        return self

    @property
    def secrets(self) -> frozenset[str]:
        """All valid secrets."""
        single = (self.client_secret,) if self.client_secret else ()
        return frozenset(single + self.client_secrets)


class ApiKey(Principal):
    """A pair for HTTP digest: the public key is the user, the private key the password."""

    public_key: str = Field(min_length=1)
    private_key: Secret = Field(repr=False)


class Credentials:
    """All service accounts and API keys, by their public names."""

    def __init__(self) -> None:
        self.service_accounts: dict[str, ServiceAccount] = {}
        self.api_keys: dict[str, ApiKey] = {}

    def put(self, principal: ServiceAccount | ApiKey) -> None:
        """Add credentials, or replace those of the same public name."""
        if isinstance(principal, ServiceAccount):
            self.service_accounts[principal.client_id] = principal
        else:
            self.api_keys[principal.public_key] = principal

    def remove(self, name: str) -> None:
        """Remove credentials by public name, if there are any."""
        self.service_accounts.pop(name, None)
        self.api_keys.pop(name, None)
