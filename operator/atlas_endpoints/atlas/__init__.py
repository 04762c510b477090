"""The Atlas Admin API: requests, authentication, errors, throttling and shared observations; knows no Kubernetes.

How one call travels:

- ``gateway``: what users of this package call; ties each call to what is remembered.
- ``snapshots``: what Atlas was last seen to hold, so that many who ask share one LIST.
- ``throttled_client``: admits a call (``throttle``), makes it, reports how it ended.
- ``serverless_private_endpoints``: the operations and the wire model of an endpoint.
- ``client``: one exchange; ``auth`` and ``digest`` sign it, ``transport`` puts it on the wire.
- ``answers`` reads what came back; ``classification`` is the one table from a refusal to an error of ``errors``.
- ``credentials``: what a Secret holds.

``answers``, ``classification``, ``credentials``, ``errors``, ``serverless_private_endpoints``, ``throttle`` and
``throttled_client`` do no input or output of their own: they import neither httpx nor aiohttp.
"""
