"""The settings of ``status``: flag, environment variable and help of each."""

from typing import Literal

from pydantic import Field, ValidationInfo, field_validator
from pydantic_settings import BaseSettings, CliPositionalArg, SettingsConfigDict

from atlas_endpoints.controller.names import is_name, is_namespace
from atlas_endpoints.settings import Namespace, OptionalNamespace


class StatusSettings(BaseSettings):
    """Show resources, those that need a person first; or one: its state, what Atlas shows, and who else names its endpoint.

    It reads resources with the kubeconfig, calls neither Atlas nor the operator, and changes nothing. With --bundle, it
    writes Markdown for an issue: also the Events of the resource, versions, and what the operator's log says about it. A
    bundle contains no Secret, and names what the user of the kubeconfig may not read.

    Examples:
      atlas-endpoints status
      atlas-endpoints status -n shop -o json
      atlas-endpoints status shop/orders
      atlas-endpoints status shop/orders --bundle > bundle.md
    """

    model_config = SettingsConfigDict(env_prefix="ATLAS_ENDPOINTS_STATUS_", extra="ignore", frozen=True)

    # Declared before resource, whose validator reads it.
    namespace: OptionalNamespace = Field(
        default=None, description="The only namespace to show, or that of the resource; default: all that you may list"
    )
    resource: CliPositionalArg[str | None] = Field(
        default=None, description="namespace/name of the only resource to show, of any kind"
    )
    bundle: bool = Field(default=False, description="Write a support bundle for an issue, as Markdown")
    output: Literal["text", "json"] = Field(
        default="text", description="text: lines or a table for people; json: one document"
    )
    operator_namespace: Namespace = Field(
        default="atlas-endpoints", description="Namespace of the operator's Pods, for a bundle"
    )

    @field_validator("resource")
    @classmethod
    def _in_namespace(cls, value: str | None, info: ValidationInfo) -> str | None:
        if value is None or "namespace" not in info.data:  # it is invalid, and has its own error
            return value
        pair = value if info.data["namespace"] is None else f"{info.data['namespace']}/{value}"
        namespace, _, name = pair.partition("/")
        if not (is_namespace(namespace) and is_name(name)):
            raise ValueError(f"{value!r} must be namespace/name, such as shop/orders, or a name with -n (--namespace)")
        return pair

    @field_validator("output")
    @classmethod
    def _is_no_bundle(cls, value: str, info: ValidationInfo) -> str:
        if value == "json" and info.data.get("bundle"):
            raise ValueError("a bundle is Markdown: leave out --bundle for JSON")
        return value
