"""Percent-encoding of RFC 3986."""

import re
import string

_UNRESERVED = frozenset((string.ascii_letters + string.digits + "-._~").encode())
_ENCODED = re.compile(rb"%([0-9A-Fa-f]{2})")


def percent_encode(data: bytes, safe: bytes = b"") -> str:
    """All but unreserved characters, and those that are `safe`."""
    kept = _UNRESERVED | frozenset(safe)
    return "".join(chr(byte) if byte in kept else f"%{byte:02X}" for byte in data)


def percent_decode(text: str) -> str:
    """Once; what is not UTF-8 then becomes U+FFFD."""
    return _ENCODED.sub(lambda match: bytes([int(match[1], 16)]), text.encode()).decode(errors="replace")
