"""What the tests of readers and writers share: an API server on a real socket, and a client of it."""

from collections.abc import AsyncIterator

import pytest
from kubernetes.aio import client

from unit.cluster.api_server import ApiServer, serving


@pytest.fixture
async def server() -> AsyncIterator[ApiServer]:
    async with serving() as running:
        yield running


@pytest.fixture
async def api(server: ApiServer) -> AsyncIterator[client.ApiClient]:
    async with server.api() as api:
        yield api
