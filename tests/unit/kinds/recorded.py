"""What Atlas answered, as it is recorded for the simulator (``unit/simulator/testdata/recorded.json``)."""

import json
from pathlib import Path
from typing import Any

SERVICE, CLUSTER = "5f7cac1adf5d6c6306f4b283", "orders"
_FILE = Path(__file__).parents[1] / "simulator" / "testdata" / "recorded.json"


def answers() -> dict[str, Any]:
    """Return the bodies by the names of the recordings, with an ID and a name where those of a project were."""
    text = _FILE.read_text("utf-8").replace("{serviceId}", SERVICE).replace("{clusterName}", CLUSTER)
    return {each["name"]: each["response"]["body"] for each in json.loads(text) if "response" in each}
