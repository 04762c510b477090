"""The Atlas Admin API: requests, authentication, errors, throttling and shared observations.

A call goes through ``gateway`` (shares observations), ``throttled_client`` (admits it) and ``client`` (signs and sends it).
``classification`` is the one table from a refusal to an error of ``errors``.
"""
