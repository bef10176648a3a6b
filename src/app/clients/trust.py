"""Whom TLS connections to providers trust: read once by a process, for it is tens of milliseconds of its start."""

import ssl
from functools import cache

import httpx


@cache
def trusted() -> ssl.SSLContext:
    """The certificates that httpx trusts by itself, in one context for all clients."""
    return httpx.create_ssl_context()
