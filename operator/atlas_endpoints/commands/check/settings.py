"""The settings of ``check``: those of the operator, and what to check instead of what resources use."""

from typing import Literal

from pydantic import Field, ValidationInfo, field_validator

from atlas_endpoints.reconcile.spec import InstanceName, ObjectId
from atlas_endpoints.settings import OperatorSettings, Secret


class CheckSettings(OperatorSettings):
    """Check Atlas, the credentials and their role, the projects and the instances, and show how to solve each problem.

    It takes the settings of run and changes nothing. The exit code is 0 if no check failed, else 1.

    Examples:
      kubectl -n atlas-endpoints exec deploy/atlas-endpoints -- atlas-endpoints check
      atlas-endpoints check --namespaces shop -o json
      atlas-endpoints check --project 5f7cac1adf5d6c6300000000 --provider AWS --secret shop/atlas-credentials
      atlas-endpoints check --from-here orders-pl-0.a1b2c.mongodb.net
    """

    project: ObjectId | None = Field(
        default=None, description="A project to check instead of those that resources use: 24 hexadecimal characters"
    )
    instance: InstanceName | None = Field(
        default=None, description="The only serverless instance to check in that project"
    )
    provider: Literal["AWS", "AZURE", "GCP"] | None = Field(
        default=None, validate_default=True, description="The only cloud to check in that project"
    )
    secret: Secret = Field(
        default=None,
        description="namespace/name of a Secret to check, and to read the project with; by default the operator's own",
    )
    from_here: str | None = Field(
        default=None,
        description="Check only whether the cluster of this connection string, mongodb+srv host or HOST:PORT can be reached from here",
    )
    output: Literal["text", "json"] = Field(
        default="text", description="text: lines for people, as each check ends; json: one document at the end"
    )

    @field_validator("provider")
    @classmethod
    def _goes_with_a_project(cls, value: str | None, info: ValidationInfo) -> str | None:
        names_a_part = value is not None or info.data.get("instance") is not None
        if names_a_part and info.data.get("project", "") is None:
            raise ValueError("--instance and --provider go together with --project: give it, too")
        return value
