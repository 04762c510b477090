"""What the tests of behaviour share."""

import pytest

pytest.register_assert_rewrite(
    "behaviour.steps", "behaviour.serverless", "behaviour.dedicated", "behaviour.regional", "behaviour.streams"
)
