import subprocess
import sys

PURE = [
    "answers",
    "classification",
    "credentials",
    "errors",
    "serverless_private_endpoints",
    "throttle",
    "throttled_client",
]
PROGRAM = """
import importlib, sys
for module in sys.argv[1:]:
    importlib.import_module(f"atlas_endpoints.atlas.{module}")
    if loaded := {"httpx", "aiohttp", "kopf"} & set(sys.modules):
        sys.exit(f"{module} loads {loaded}")
"""


def test_what_decides_loads_no_http_library() -> None:
    subprocess.run([sys.executable, "-c", PROGRAM, *PURE], check=True)
