"""What refusals of Atlas say where their codes are not documented. Pure."""

from http import HTTPStatus

from atlas_endpoints.atlas.errors import AtlasError, UpdateRejectedError


def says_that_it_exists(error: AtlasError, operation: str) -> bool:
    """Return whether Atlas refuses a POST because it has the thing."""
    if error.operation != operation or not isinstance(error, UpdateRejectedError):
        return False
    return error.http_status == HTTPStatus.CONFLICT or "already exist" in words_of(error)


def words_of(error: AtlasError) -> str:
    """Return the words of a refusal, and of its code, in small letters."""
    return f"{error.error_code or ''} {error.detail or ''}".replace("_", " ").casefold()
