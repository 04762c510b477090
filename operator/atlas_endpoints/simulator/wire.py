"""How the simulator reads what people write: seed files, switches, faults, control requests."""

import json
from typing import TypeVar

from pydantic import BaseModel, ConfigDict, TypeAdapter, ValidationError
from pydantic.alias_generators import to_camel

Model = TypeVar("Model")


class Document(BaseModel):
    """A document with camelCase keys in which an unknown key is an error, not a silent slip."""

    model_config = ConfigDict(alias_generator=to_camel, populate_by_name=True, extra="forbid", frozen=True)


class InvalidDocumentError(ValueError):
    """A document breaks a rule; the text names the field and the rule, and never the value."""


def parse(adapter: TypeAdapter[Model], value: object, *, what: str) -> Model:
    """Validate a decoded JSON document.

    Args:
        adapter: What the document must be.
        value: The decoded JSON.
        what: How an error calls the document.

    Raises:
        InvalidDocumentError: It is something else.
    """
    try:
        return adapter.validate_python(value, by_alias=True, by_name=False)
    except ValidationError as error:
        raise InvalidDocumentError(f"{what}: {_explain(error)}") from None


def parse_json(adapter: TypeAdapter[Model], text: bytes | str, *, what: str) -> Model:
    """Decode and validate a JSON document; raises as :func:`parse` does."""
    try:
        value = json.loads(text)
    except ValueError as error:
        raise InvalidDocumentError(f"{what} is not JSON: {error}") from None
    return parse(adapter, value, what=what)


def _explain(error: ValidationError) -> str:
    # A union reports every branch it tried under a name of its own; the field is what people look for.
    told = [
        f"{'.'.join(str(part) for part in each['loc']) or 'document'}: {each['msg']}"
        for each in error.errors(include_url=False, include_context=False, include_input=False)
    ]
    return "; ".join(told)
