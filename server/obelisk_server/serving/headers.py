"""Headers of every answer that is not a page: a browser must not take it for one, nor keep it."""

from collections.abc import Mapping

from aiohttp import web

SAFE: Mapping[str, str] = {
    "Content-Security-Policy": "default-src 'none'; frame-ancestors 'none'",
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cache-Control": "no-store",
}


def secure(response: web.StreamResponse) -> None:
    """Add what is not there."""
    for name, value in SAFE.items():
        response.headers.setdefault(name, value)
