"""Where the simulator's ids, service names, secrets and nonces come from."""

import random
from collections.abc import Callable


class Names:
    """Makes names that look like Atlas's, from one source of randomness.

    Args:
        rng: The source; a seeded ``random.Random`` makes a run repeatable.
        clock: Seconds since 1970.
    """

    def __init__(self, rng: random.Random, clock: Callable[[], float]) -> None:
        self._rng = rng
        self._clock = clock

    def hex(self, digits: int) -> str:
        """Return so many random hexadecimal digits."""
        return f"{self._rng.getrandbits(4 * digits):0{digits}x}"

    def object_id(self) -> str:
        """Return 24 hexadecimal digits that begin with the time, as MongoDB's ids do."""
        return f"{int(self._clock()) & 0xFFFFFFFF:08x}{self.hex(16)}"

    def aws_service(self, region: str) -> str:
        """Return the name of a PrivateLink service in an Atlas region such as ``US_EAST_1``."""
        aws_region = region.lower().replace("_", "-")
        return f"com.amazonaws.vpce.{aws_region}.vpce-svc-{self.hex(17)}"

    def azure_service(self) -> tuple[str, str]:
        """Return name and resource id of an Azure Private Link service."""
        service = f"pls_{self.object_id()}"
        group = f"rg_{self.object_id()}_{self.hex(8)}"
        return service, (
            f"/subscriptions/{self.guid()}/resourceGroups/{group}"
            f"/providers/Microsoft.Network/privateLinkServices/{service}"
        )

    def guid(self) -> str:
        """Return a UUID."""
        digits = self.hex(32)
        return "-".join((digits[:8], digits[8:12], digits[12:16], digits[16:20], digits[20:]))

    def client_id(self) -> str:
        """Return the id of a service account."""
        return f"mdb_sa_id_{self.object_id()}"

    def client_secret(self) -> str:
        """Return the secret of a service account."""
        return f"mdb_sa_sk_{self.hex(40)}"

    def public_key(self) -> str:
        """Return the public part of an API key: eight small letters."""
        return "".join(self._rng.choices("abcdefghijklmnopqrstuvwxyz", k=8))
