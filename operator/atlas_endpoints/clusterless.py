"""The settings of commands that need no cluster, and credentials from the environment."""

import re
from pathlib import Path
from typing import Literal, TypeAlias

from pydantic import AliasChoices, Field, ValidationInfo, field_validator
from pydantic_settings import BaseSettings, SettingsConfigDict

from atlas_endpoints.atlas.credentials import (
    ENCODED_TWICE,
    Credentials,
    CredentialsError,
    CredentialsProblem,
    parse_credentials,
)
from atlas_endpoints.controller.names import is_namespace
from atlas_endpoints.reconcile.spec import InstanceName, ObjectId, SecretName
from atlas_endpoints.settings import AtlasSettings, Names

Output: TypeAlias = Literal["text", "json", "yaml"]
Target: TypeAlias = Literal["serverless-private-endpoint", "atlas-private-endpoint"]

REGION = re.compile(r"[A-Z][A-Z0-9]*(_[A-Z0-9]+)*")


class PlanSettings(AtlasSettings):
    """Tell what the operator would send to Atlas for these manifests. It needs no cluster and changes nothing.

    Credentials come from the environment: MONGODB_ATLAS_CLIENT_ID and MONGODB_ATLAS_CLIENT_SECRET, or
    MONGODB_ATLAS_PUBLIC_API_KEY and MONGODB_ATLAS_PRIVATE_API_KEY. It ends with 0 when nothing would change, with 3 when
    something would, and with 1 when that cannot be told of all, or there is none.
    """

    filename: Names = Field(
        default=(),
        validate_default=True,
        description="Manifests: a file, a folder, or - for the standard input; may be given several times",
    )
    namespace: str = Field(default="default", description="Namespace of manifests that name none")
    recursive: bool = Field(default=False, description="Look into the folders of a folder, too")
    output: Output = Field(default="text", description="text for people, json or yaml for programs")

    @field_validator("namespace")
    @classmethod
    def _is_a_namespace(cls, value: str) -> str:
        return _namespace(value)

    @field_validator("filename")
    @classmethod
    def _names_something(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        if not value:
            raise ValueError("name a file or a folder with manifests, or - for the standard input")
        return tuple(dict.fromkeys(value))


class ImportSettings(AtlasSettings):
    """Write manifests for the endpoints that there are in Atlas, so that the operator can take them over as they are.

    Credentials come from the environment, as for plan. It changes nothing, and neither does applying what it writes.
    With --as atlas-private-endpoint it writes the successors of the endpoints for MongoDB's own operator, also from exported
    resources (-f), for which Atlas is not asked.
    """

    target: Target = Field(
        default="serverless-private-endpoint",
        description="The kind to write: this operator's own, or atlas-private-endpoint, for dedicated clusters",
    )
    filename: Names = Field(
        default=(),
        description="Exported resources to read instead of Atlas, as for plan; only for atlas-private-endpoint",
    )
    recursive: bool = Field(default=False, description="Look into the folders of a folder, too")
    project: ObjectId | None = Field(
        default=None, validate_default=True, description="The project: 24 hexadecimal characters"
    )
    instance: InstanceName | None = Field(default=None, description="One serverless instance instead of all of them")
    region: str | None = Field(
        default=None,
        description="Region, as Atlas spells it, of endpoints that do not tell theirs; only for atlas-private-endpoint",
    )
    output_dir: Path | None = Field(
        default=None, description="Folder that gets a file for each manifest; without it, all go to the standard output"
    )
    namespace: str | None = Field(default=None, description="Namespace to write into the manifests")
    credentials_secret: SecretName | None = Field(
        default=None, validate_default=True, description="Secret in that namespace to write into the manifests"
    )

    @field_validator("filename")
    @classmethod
    def _needs_atlas_private_endpoint(cls, value: tuple[str, ...], info: ValidationInfo) -> tuple[str, ...]:
        if value and info.data.get("target") == "serverless-private-endpoint":
            raise ValueError(
                "reads exported resources for --as atlas-private-endpoint only; else --project names a project"
            )
        return tuple(dict.fromkeys(value))

    @field_validator("project")
    @classmethod
    def _is_one_source(cls, value: str | None, info: ValidationInfo) -> str | None:
        if "filename" in info.data and (value is None) == (not info.data["filename"]):
            raise ValueError("name the project to read from Atlas, or for --as atlas-private-endpoint files with -f")
        return value

    @field_validator("region")
    @classmethod
    def _is_a_region(cls, value: str | None) -> str | None:
        if value and REGION.fullmatch(value) is None:
            raise ValueError("must be spelt as Atlas does, such as US_EAST_1 or EUROPE_NORTH")
        return value or None

    @field_validator("namespace")
    @classmethod
    def _is_a_namespace(cls, value: str | None) -> str | None:
        return _namespace(value) if value else None

    @field_validator("credentials_secret")
    @classmethod
    def _is_required_by_atlas_private_endpoint(cls, value: str | None, info: ValidationInfo) -> str | None:
        if value is None and info.data.get("target") == "atlas-private-endpoint":
            raise ValueError("is required for --as atlas-private-endpoint: MongoDB's operator takes no default for it")
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

    def parse(self) -> tuple[Credentials, list[str]]:
        """Return the credentials, and warnings about the variables.

        Raises:
            CredentialsError: they are not usable; the message contains names of variables and no values.
        """
        self._check_pairs()
        given = {key: value for key, value in self._by_key().items() if value}
        try:
            credentials, warnings = parse_credentials(given)
        except CredentialsError as error:
            raise CredentialsError(error.reason, _about_variables(error.message)) from None
        return credentials, [_about_variables(each) for each in warnings]

    @property
    def variables(self) -> str:
        """The names of the variables that contain the credentials, for people."""
        return " and ".join(VARIABLES[key] for key, value in self._by_key().items() if value.strip())

    def _by_key(self) -> dict[str, str]:
        return {
            "clientId": self.client_id,
            "clientSecret": self.client_secret,
            "publicApiKey": self.public_api_key,
            "privateApiKey": self.private_api_key,
        }

    def _check_pairs(self) -> None:
        given = {VARIABLES[key] for key, value in self._by_key().items() if value.strip()}
        complete = [pair for pair in PAIRS if given.issuperset(pair)]
        if len(complete) > 1:
            raise CredentialsError(
                CredentialsProblem.AMBIGUOUS_KEYS,
                f"The environment holds both a service account ({' and '.join(PAIRS[0])}) and an API key"
                f" ({' and '.join(PAIRS[1])}). Unset one of the two pairs.",
            )
        if complete:
            return
        missing = [name for pair in PAIRS if given.intersection(pair) for name in pair if name not in given]
        if missing:
            raise CredentialsError(
                CredentialsProblem.MISSING_KEYS, f"{' and '.join(missing)} must be set in the environment, too."
            )
        raise CredentialsError(
            CredentialsProblem.MISSING_KEYS,
            f"The environment holds no credentials for Atlas. Set {' and '.join(PAIRS[0])} (a service account), or"
            f" {' and '.join(PAIRS[1])} (an API key); Project Read Only is enough.",
        )


VARIABLES = {
    "clientId": "MONGODB_ATLAS_CLIENT_ID",
    "clientSecret": "MONGODB_ATLAS_CLIENT_SECRET",
    "publicApiKey": "MONGODB_ATLAS_PUBLIC_API_KEY",
    "privateApiKey": "MONGODB_ATLAS_PRIVATE_API_KEY",
}
"""The variables that correspond to the keys of a Secret."""

PAIRS = (
    (VARIABLES["clientId"], VARIABLES["clientSecret"]),
    (VARIABLES["publicApiKey"], VARIABLES["privateApiKey"]),
)


def _namespace(value: str) -> str:
    if not is_namespace(value):
        raise ValueError(f"{value!r} is no name of a namespace")
    return value


def _about_variables(message: str) -> str:
    for key, variable in VARIABLES.items():
        message = message.replace(key, variable)
    return message.replace(ENCODED_TWICE, "looks base64-encoded. Put the plain value there.")
