"""The API from the command line, over plain `http.client`: importing aiohttp alone would take longer than a request."""

import http.client
import json
from collections.abc import Mapping, Sequence
from typing import Any, cast
from urllib.parse import urlencode, urlsplit

from obelisk_server.cli.failure import Exit, Failure
from obelisk_server.endpoints import ENDPOINTS

DEFAULT_SERVER = "http://127.0.0.1:8080"
ANSWER_SECONDS_MAX = 30.0
"""How long a request that does not wait may take."""

Json = dict[str, Any]
Query = Mapping[str, str | Sequence[str] | None]

_EXITS = {
    400: Exit.USAGE,
    401: Exit.DENIED,
    403: Exit.DENIED,
    404: Exit.NOT_FOUND,
    409: Exit.CONFLICT,
    413: Exit.USAGE,
    422: Exit.USAGE,
    429: Exit.UNAVAILABLE,
    503: Exit.UNAVAILABLE,
}


class Client:
    """One connection to a server, kept alive between requests."""

    def __init__(self, url: str, token: str | None = None, ca_file: str | None = None) -> None:
        """`ca_file`: PEM of the authorities to trust instead of the usual ones. Raises: Failure."""
        parts = urlsplit(url)
        if parts.scheme not in ("http", "https") or not parts.hostname or parts.path not in ("", "/"):
            raise Failure(Exit.USAGE, f"--server is {url!r}; expected http://HOST:PORT")
        self._url = url.rstrip("/")
        self._headers = {} if token is None else {"Authorization": f"Bearer {token}"}
        self._connection = (
            http.client.HTTPConnection(parts.hostname, parts.port, timeout=ANSWER_SECONDS_MAX)
            if parts.scheme == "http"
            else http.client.HTTPSConnection(
                parts.hostname, parts.port, timeout=ANSWER_SECONDS_MAX, context=_trusting(ca_file)
            )
        )

    def close(self) -> None:
        self._connection.close()

    def call(
        self,
        name: str,
        *segments: str,
        query: Query | None = None,
        body: str = "{}",
        seconds: float = ANSWER_SECONDS_MAX,
    ) -> Json:
        """The operation of `endpoints.ENDPOINTS` with this name; `segments` are what varies in its path.

        `body` is JSON text, for what takes one; the answer may take so many `seconds`. Raises: Failure.
        """
        endpoint = ENDPOINTS[name]
        given = {key: value for key, value in (query or {}).items() if value not in (None, [], ())}
        target = endpoint.filled(*segments) + ("?" + urlencode(given, doseq=True) if given else "")
        self._connection.timeout = seconds
        return self._ask(endpoint.method, target, body.encode() if endpoint.method == "POST" else None)

    def _ask(self, method: str, target: str, body: bytes | None) -> Json:
        try:
            typed = {"Content-Type": "application/json"} if body else {}
            self._connection.request(method, target, body, {**self._headers, **typed})
            answer = self._connection.getresponse()
            raw = answer.read()
        except (OSError, http.client.HTTPException) as error:
            self._connection.close()
            if verify_failed := getattr(error, "verify_message", None):
                raise Failure(
                    Exit.UNREACHABLE,
                    f"the certificate of {self._url} is not trusted ({verify_failed}); "
                    "name its authority with --ca-file or SSL_CERT_FILE",
                ) from error
            reason = getattr(error, "strerror", None) or str(error) or type(error).__name__
            raise Failure(
                Exit.UNREACHABLE,
                f"no server answers at {self._url} ({reason}); start one with `obelisk server run`, "
                "or name another with --server or OBELISK_SERVER",
            ) from error
        return self._read(answer.status, raw)

    def _read(self, status: int, raw: bytes) -> Json:
        try:
            found = json.loads(raw)
        except ValueError:
            found = None
        if not isinstance(found, dict):
            raise Failure(Exit.SERVER_FAILED, f"{self._url} answered {status} without JSON: is it an Obelisk server?")
        answer = cast("Json", found)
        if status < 400:
            return answer
        detail = str(answer.get("detail", f"status {status}"))
        if status == 401:
            detail += "; the command takes the token from OBELISK_TOKEN or --token-file"
        raise Failure(_EXITS.get(status, Exit.SERVER_FAILED), detail, answer)


def _trusting(ca_file: str | None) -> Any:
    """Raises: Failure."""
    import ssl  # noqa: PLC0415 - not for plain HTTP

    try:
        return ssl.create_default_context(cafile=ca_file)
    except OSError as error:
        raise Failure(Exit.USAGE, f"--ca-file {ca_file} is not usable: {error.strerror or error}") from error
