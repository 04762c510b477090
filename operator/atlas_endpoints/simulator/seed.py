"""What the simulated Atlas holds at the start: a seed file, or a small world made up on the spot."""

from pathlib import Path
from typing import Annotated, Any

from pydantic import Field, TypeAdapter, model_validator

from atlas_endpoints.simulator.credentials import EVERY_PROJECT, GROUP_OWNER, ApiKey, Principal, ServiceAccount
from atlas_endpoints.simulator.endpoint import AWS, AZURE, EndpointDocument, ObjectId, Provider
from atlas_endpoints.simulator.names import Names
from atlas_endpoints.simulator.switches import RateLimit, Switches
from atlas_endpoints.simulator.wire import Document, InvalidDocumentError, parse, parse_json

InstanceName = Annotated[str, Field(pattern=r"^[a-zA-Z0-9][a-zA-Z0-9-]*$", max_length=64)]


class InstanceSeed(Document):
    """A serverless instance and its endpoints."""

    name: InstanceName
    provider_name: Provider = "AWS"
    region_name: str = "US_EAST_1"
    endpoints: tuple[EndpointDocument, ...] = ()

    @model_validator(mode="after")
    def _ids_are_unique(self) -> "InstanceSeed":
        _check_unique("_id", [each.id for each in self.endpoints if each.id is not None])
        return self


class ProjectSeed(Document):
    """A project, its instances, and its rate limit if it has one of its own."""

    id: ObjectId
    rate_limit: RateLimit | None = None
    instances: tuple[InstanceSeed, ...] = ()

    @model_validator(mode="after")
    def _names_are_unique(self) -> "ProjectSeed":
        _check_unique("name", [each.name for each in self.instances])
        return self


class Seed(Document):
    """The whole seed file."""

    projects: tuple[ProjectSeed, ...] = ()
    service_accounts: tuple[ServiceAccount, ...] = ()
    api_keys: tuple[ApiKey, ...] = ()
    switches: dict[str, Any] = Field(default_factory=dict)

    @model_validator(mode="after")
    def _makes_sense(self) -> "Seed":
        _check_unique("projects.id", [each.id for each in self.projects])
        _check_unique("serviceAccounts.clientId", [each.client_id for each in self.service_accounts])
        _check_unique("apiKeys.publicKey", [each.public_key for each in self.api_keys])
        known = {project.id for project in self.projects} | {EVERY_PROJECT}
        principals: tuple[Principal, ...] = (*self.service_accounts, *self.api_keys)
        for principal in principals:
            for project in principal.roles:
                if project not in known:
                    raise ValueError(f"roles name the project {project}, which is not among projects")
        Switches().changed(self.switches)
        return self


SEED = TypeAdapter(Seed)


def read(document: object) -> Seed:
    """Validate a decoded seed file; raises InvalidDocumentError, which names the field."""
    return parse(SEED, document, what="seed")


def read_file(path: Path) -> Seed:
    """Read a seed file.

    Raises:
        InvalidDocumentError: It cannot be read, or breaks a rule; the text names file, field and rule.
    """
    try:
        text = path.read_bytes()
    except OSError as error:
        raise InvalidDocumentError(f"seed file {path}: {error.strerror or error}") from None
    return parse_json(SEED, text, what=f"seed file {path}")


def make_up(names: Names) -> Seed:
    """Return a world to play with: one project, an instance of each cloud, an endpoint in each, both kinds of keys."""
    instances = (
        InstanceSeed(name="aws-instance", provider_name=AWS, region_name="US_EAST_1", endpoints=_reserved(names)),
        InstanceSeed(name="azure-instance", provider_name=AZURE, region_name="US_EAST_2", endpoints=_reserved(names)),
    )
    project = ProjectSeed(id=names.object_id(), instances=instances)
    roles = {project.id: GROUP_OWNER}
    account = {"clientId": names.client_id(), "clientSecret": names.client_secret(), "roles": roles}
    key = {"publicKey": names.public_key(), "privateKey": names.guid(), "roles": roles}
    return Seed(
        projects=(project,),
        service_accounts=(ServiceAccount.model_validate(account),),
        api_keys=(ApiKey.model_validate(key),),
    )


def _reserved(names: Names) -> tuple[EndpointDocument, ...]:
    return (EndpointDocument.model_validate({"_id": names.object_id(), "status": "RESERVED"}),)


def _check_unique(what: str, values: list[str]) -> None:
    repeated = sorted({value for value in values if values.count(value) > 1})
    if repeated:
        raise ValueError(f"{what} {', '.join(repeated)} occurs more than once")
