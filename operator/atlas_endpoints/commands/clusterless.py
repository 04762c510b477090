"""What the commands ``plan`` and ``import`` share, which need no cluster: settings, credentials, and a client."""

import asyncio
import math
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Literal

from pydantic import AliasChoices, Field, ValidationInfo, field_validator
from pydantic.alias_generators import to_camel
from pydantic_settings import BaseSettings, SettingsConfigDict

from atlas_endpoints import __version__
from atlas_endpoints.atlas.answers import Answer, Requester
from atlas_endpoints.atlas.client import AtlasClient
from atlas_endpoints.atlas.credentials import Credentials, parse_credentials
from atlas_endpoints.atlas.errors import AtlasError, AtlasUnavailableError, RateLimitedError, Retry, Wording
from atlas_endpoints.atlas.requests import Request
from atlas_endpoints.reconcile.spec import InstanceName, ObjectId, SecretName
from atlas_endpoints.settings import AtlasSettings, Names, Namespace, OptionalNamespace

WITHIN = 300.0
"""Seconds for a whole plan or import."""

CALL_ATTEMPTS = 3
"""Attempts at a call to Atlas."""

LONGEST_WAIT = 120.0
"""Seconds between two attempts at most, whatever Atlas asks for."""


class PlanSettings(AtlasSettings):
    """Show what the operator would send to Atlas for manifests. It needs no cluster and changes nothing.

    Credentials come from the environment: MONGODB_ATLAS_CLIENT_ID and MONGODB_ATLAS_CLIENT_SECRET, or
    MONGODB_ATLAS_PUBLIC_API_KEY and MONGODB_ATLAS_PRIVATE_API_KEY. The exit code is 0 if nothing would change, 3 if
    something would change, and 1 if a result is unknown or there is no manifest.

    Examples:
      atlas-endpoints plan -f manifests/
      kubectl kustomize overlays/production | atlas-endpoints plan -f - -o json
      kubectl get spe,dpe -A -o yaml | atlas-endpoints plan --use-statuses -f manifests/ -f -
    """

    filename: Names = Field(
        default=(),
        validate_default=True,
        description="Manifests: a file, a folder, or - for the standard input; may be repeated",
    )
    namespace: Namespace = Field(default="default", description="Namespace of manifests that specify none")
    recursive: bool = Field(default=False, description="Include subfolders")
    use_statuses: bool = Field(
        default=False,
        description=(
            "Believe the statuses in the files: which resource owns an endpoint, what Atlas has confirmed, and what references"
            " give. Only for exports of the cluster that the author of the manifests cannot change"
        ),
    )
    output: Literal["text", "markdown", "json"] = Field(
        default="text", description="text for people, markdown for a comment on a pull request, json for programs"
    )

    @field_validator("filename")
    @classmethod
    def _names_something(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        if not value:
            raise ValueError("specify a file or a folder with manifests, or - for the standard input")
        return value


class ImportSettings(AtlasSettings):
    """Write manifests for the endpoints that a project has in Atlas, so that the operator can take them over unchanged.

    Credentials come from the environment, as for plan. The command changes nothing in Atlas. Applying the
    manifests changes nothing either, unless Atlas lacks what a file names; but a successor makes the endpoint service
    of its region ready. The command plan shows it before.
    It also reads files (-f): objects of MongoDB's own operator, which it writes as resources of this one, and exported
    serverless private endpoints, of which it writes the successors; and a state of Terraform (--terraform).

    Examples:
      atlas-endpoints import --project 5f7cac1adf5d6c6300000000 --output-dir manifests/
      kubectl get atlasprivateendpoints -A -o yaml | atlas-endpoints import -f -
      terraform show -json | atlas-endpoints import --terraform -
    """

    target: str | None = Field(
        default=None, description="The only kind to write, such as dedicated-private-endpoint; default: all"
    )
    filename: Names = Field(default=(), description="Objects to read instead of Atlas, as for plan")
    recursive: bool = Field(default=False, description="Include subfolders")
    terraform: str | None = Field(
        default=None,
        description="File with the output of terraform show -json to read instead of Atlas; -: standard input",
    )
    project: ObjectId | None = Field(
        default=None, validate_default=True, description="The project: 24 hexadecimal characters"
    )
    instance: InstanceName | None = Field(
        default=None, description="The only serverless instance to read, and no other kind; default: all"
    )
    region: str | None = Field(
        default=None, description="Region, as Atlas spells it, of successors of endpoints whose region is unknown"
    )
    gcp_project: Annotated[str, Field(max_length=100)] | None = Field(
        default=None, description="Google Cloud project of endpoint services without an endpoint, which alone has it"
    )
    output_dir: Path | None = Field(
        default=None, description="Folder for one file per manifest; default: the standard output"
    )
    namespace: OptionalNamespace = Field(
        default=None, description="Namespace to write into the manifests; default: none, or that of an object in a file"
    )
    credentials_secret_name: SecretName | None = Field(
        default=None, description="Name of a Secret in that namespace to write into the manifests"
    )

    @field_validator("project")
    @classmethod
    def _is_one_source(cls, value: str | None, info: ValidationInfo) -> str | None:
        given = info.data
        if {"filename", "terraform"} <= given.keys() and sum(
            map(bool, (value, given["filename"], given["terraform"]))
        ) != 1:
            raise ValueError("specify the project to read from Atlas; or files with -f, or a state with --terraform")
        return value


class EnvironmentCredentials(BaseSettings):
    """The credentials in the environment, under the names that Atlas CLI and MongoDB's Terraform provider use."""

    model_config = SettingsConfigDict(extra="ignore", frozen=True, env_ignore_empty=True)

    client_id: str = Field(default="", validation_alias="MONGODB_ATLAS_CLIENT_ID")
    client_secret: str = Field(default="", validation_alias="MONGODB_ATLAS_CLIENT_SECRET", repr=False)
    public_api_key: str = Field(
        default="", validation_alias=AliasChoices("MONGODB_ATLAS_PUBLIC_API_KEY", "MONGODB_ATLAS_PUBLIC_KEY")
    )
    private_api_key: str = Field(
        default="",
        validation_alias=AliasChoices("MONGODB_ATLAS_PRIVATE_API_KEY", "MONGODB_ATLAS_PRIVATE_KEY"),
        repr=False,
    )

    def parse(self) -> Credentials:
        """Return the credentials.

        Raises:
            CredentialsError: they are not usable; the message contains names of variables and no values.
        """
        return parse_credentials(self._by_key(), variables=VARIABLES)

    def wording(self, wrong_field: str) -> Wording:
        """Return the remedies for a user of these variables; ``wrong_field`` is that for an immutable field."""
        variables = " and ".join(VARIABLES[key] for key in self._by_key())
        return Wording(
            atlas_url="--atlas-url",
            dns="the DNS of this machine",
            address="of this machine",
            retry="Run the command again later.",
            credentials=f"They are from {variables} in the environment. Set them to valid ones.",
            wrong_field=wrong_field,
        )

    def _by_key(self) -> dict[str, str]:
        """Return the values by the keys of a Secret."""
        return {to_camel(name): value for name, value in self if value.strip()}


VARIABLES = {
    "clientId": "MONGODB_ATLAS_CLIENT_ID",
    "clientSecret": "MONGODB_ATLAS_CLIENT_SECRET",
    "publicApiKey": "MONGODB_ATLAS_PUBLIC_API_KEY",
    "privateApiKey": "MONGODB_ATLAS_PRIVATE_API_KEY",
}
"""The variables that correspond to the keys of a Secret."""


def client_of(settings: AtlasSettings, url: str | None = None, *, writes: bool = False) -> AtlasClient:
    """Return a client of the Atlas in the settings, or of another URL; raises a ``ValueError`` for a CA file or a proxy."""
    return AtlasClient(
        url or settings.atlas_url,
        user_agent=f"atlas-endpoints/{__version__}",
        writes=writes,
        ca_file=settings.ca_file,
    )


@dataclass(slots=True)
class PatientClient:
    """A client that repeats a call when Atlas asks to wait or does not answer.

    When it has given up a call for want of a usable answer, it makes each further one once, until one is answered.

    Attributes:
        say: prints a line about a wait.
        on: the errors after which it repeats a call.
        until: when the time of the command ends, by the clock of the event loop: no call is repeated after that.
    """

    client: Requester
    say: Callable[[str], object]
    on: type[AtlasError] = AtlasError
    until: float = math.inf
    _unanswered: bool = field(default=False, init=False)

    @property
    def base_url(self) -> str:
        """Return the address of Atlas."""
        return self.client.base_url

    async def request(self, credentials: Credentials, request: Request) -> Answer:
        """Make a call; see ``Requester``."""
        attempt = 0
        while True:
            attempt += 1
            try:
                answer = await self.client.request(credentials, request)
            except self.on as error:
                is_unanswered = isinstance(error, AtlasUnavailableError)
                self._unanswered &= is_unanswered
                if self._unanswered or attempt >= CALL_ATTEMPTS or error.retry is not Retry.BACKOFF:
                    self._unanswered = is_unanswered
                    raise
                is_limited = isinstance(error, RateLimitedError)
                # Atlas recommends 10 s after the first limited call, and twice as long after each further one.
                recommended = 10.0 * 2.0 ** (attempt - 1) if is_limited else 3.0**attempt
                seconds = min(error.retry_after or recommended, LONGEST_WAIT)
                cause = f"Atlas {'limits the rate of calls' if is_limited else 'gives no usable answer'}."
                call = f"{request.method} {request.path}: {cause}"
                if asyncio.get_running_loop().time() + seconds > self.until:
                    self.say(f"{call} The next call has to wait {seconds:.0f} s, and there is no time left for that.")
                    raise
                self.say(f"{call} Waiting {seconds:.0f} s before the next call.")
                await asyncio.sleep(seconds)
            else:
                self._unanswered = False
                return answer
