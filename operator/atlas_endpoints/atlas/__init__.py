"""The Atlas Admin API: requests, authentication, errors, throttling and shared observations.

A call goes through ``gateway`` (admits it, shares observations), ``client`` (signs it) and ``transport`` (sends it). ``answers`` has
the one table from a refusal to an error of ``errors``.
"""
