"""JSON to and from the API server by the lower half of the client: its sessions, its TLS and its token, as for every call.

The upper half is generated from the API's description. It checks every argument, copies every body, and looks at every part
of an answer in search of types that objects of our kind do not have: a sixth of the processor time of a burst.
"""

from collections.abc import Mapping
from typing import Any
from urllib.parse import quote, urlencode

import orjson
from kubernetes.aio import client
from kubernetes.aio.client.exceptions import ApiException

JSON = "application/json"


async def exchange(
    api: client.ApiClient,
    method: str,
    path: tuple[str, ...],
    *,
    query: Mapping[str, str] | None = None,
    body: object = None,
    content_type: str = JSON,
) -> Any:
    """Ask the API server for something; to be awaited by way of ``calls.call``, which bounds it and sorts the errors.

    Args:
        api: the connection.
        method: of HTTP.
        path: its parts, not yet quoted.
        query: parameters, not yet quoted.
        body: JSON to send.
        content_type: of the body.

    Returns:
        The answer's JSON.

    Raises:
        ApiException: the API server refused; with the text of its answer.
        ValueError: the answer is no JSON.
    """
    headers = {"Accept": JSON, "Content-Type": content_type, **api.default_headers}
    await api.update_params_for_auth(headers, [], ["BearerToken"], None, method, body)
    url = f"{api.configuration.host}/{'/'.join(quote(part, safe='') for part in path)}"
    url = f"{url}?{urlencode(query)}" if query else url
    answer = await api.rest_client.request(method, url, headers=headers, body=body)  # type: ignore[no-untyped-call]  # untyped
    text = await answer.read()
    if not 200 <= answer.status < 300:  # noqa: PLR2004  # HTTP's classes
        raise ApiException.from_response(http_resp=answer, body=text.decode(errors="replace"), data=None)
    return orjson.loads(text)
