import subprocess
import sys

import pytest

PURE = [
    "answers",
    "classification",
    "credentials",
    "errors",
    "serverless_private_endpoints",
    "throttle",
    "throttled_client",
]


@pytest.mark.parametrize("module", PURE)
def test_what_decides_loads_no_http_library(module: str) -> None:
    program = (
        f"import sys, atlas_endpoints.atlas.{module}; sys.exit(bool({{'httpx', 'aiohttp', 'kopf'}} & set(sys.modules)))"
    )
    assert subprocess.run([sys.executable, "-c", program], check=False).returncode == 0
