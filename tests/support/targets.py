"""What resources refer to and hand over, where nothing does."""

from collections.abc import Mapping
from typing import NoReturn

from atlas_endpoints.cluster.api import Age, ConfigMap, OutputOwner, Target


class NoTargets:
    """Knows no object, and nobody asks it for one."""

    async def read(self, target: Target, *, age: Age) -> NoReturn:  # as the port has it
        raise AssertionError(target)


class NoConfigMaps:
    """Knows no ConfigMap, and nobody asks it for one."""

    async def read(self, namespace: str, name: str) -> NoReturn:  # as the port has it
        raise AssertionError(namespace, name)

    async def create(self, owner: OutputOwner, name: str, data: Mapping[str, str]) -> NoReturn:  # as the port has it
        raise AssertionError(owner, name, data)

    async def update(
        self, owner: OutputOwner, name: str, found: ConfigMap, data: Mapping[str, str]
    ) -> NoReturn:  # as the port has it
        raise AssertionError(owner, name, found, data)
