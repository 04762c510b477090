import subprocess
import sys

PURE = [
    "atlas.answers",
    "atlas.classification",
    "atlas.credentials",
    "atlas.errors",
    "atlas.requests",
    "atlas.throttle",
    "atlas.throttled_client",
    "kinds.serverless_private_endpoint.atlas",
]
PROGRAM = """
import importlib, sys
for module in sys.argv[1:]:
    importlib.import_module(f"atlas_endpoints.{module}")
    if loaded := {"httpx", "aiohttp", "kopf"} & set(sys.modules):
        sys.exit(f"{module} loads {loaded}")
"""


def test_what_decides_loads_no_http_library() -> None:
    subprocess.run([sys.executable, "-c", PROGRAM, *PURE], check=True)
