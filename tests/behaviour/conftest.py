"""What the tests of behaviour share."""

import pytest

pytest.register_assert_rewrite(
    *(f"behaviour.{each}" for each in ("steps", "serverless", "dedicated", "regional", "regional_mode", "streams"))
)
