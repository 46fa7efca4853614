"""The API from the command line, over plain `http.client`: importing aiohttp alone would take longer than a request."""

import json
import selectors
import socket
from collections.abc import Callable, Generator, Iterator, Mapping, Sequence
from contextlib import closing, contextmanager, suppress
from functools import partial
from typing import TYPE_CHECKING, Any, cast
from urllib.parse import urlencode, urlsplit

from obelisk_server.cli.failure import Exit, Failure
from obelisk_server.endpoints import ENDPOINTS

if TYPE_CHECKING:
    from http.client import HTTPConnection, HTTPResponse

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

_HINTS = {
    "token-refused": "the command takes the token from OBELISK_TOKEN or --token-file",
    "scope-needed": "use a token with that scope; `obelisk token new` makes one",
    "execution-not-found": "`obelisk execution list` shows those that there are",
    "unknown-function": "`obelisk function list` shows those that there are",
}
"""What to do, by the type of the problem, where the server cannot know it."""


class Client:
    """One connection to a server, kept alive between requests."""

    def __init__(self, url: str, token: str | None = None, ca_file: str | None = None) -> None:
        """`ca_file`: PEM of the authorities to trust instead of the usual ones. Raises: Failure."""
        from http.client import HTTPConnection, HTTPException, HTTPSConnection  # noqa: PLC0415 - not for `--help`

        host, port, tls = _address(url)
        self._url = url.rstrip("/")
        self._headers = {} if token is None else {"Authorization": f"Bearer {token}"}
        self._connect: Callable[[], HTTPConnection] = (
            partial(HTTPSConnection, host, port, context=_trusting(ca_file))
            if tls
            else partial(HTTPConnection, host, port)
        )
        self._ways_to_fail = (OSError, HTTPException)
        self._connection = self._connect()

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
        try:
            posted = body.encode() if ENDPOINTS[name].method == "POST" else None
            target = _target(name, segments, query)
        except UnicodeEncodeError as error:
            raise Failure(Exit.USAGE, f"{error.object!r} is no text: it has bytes that are not UTF-8") from None
        with self._reaching(self._connection):
            answer = self._ask(self._connection, seconds, name, target, posted)
            raw = answer.read()
        return self._read(answer.status, raw)

    @contextmanager
    def listening(self, name: str, query: Query, silence_seconds: float) -> Generator["Listening"]:
        """A stream of the server on a connection of its own, until it ends or is silent for long. Raises: Failure."""
        connection = self._connect()
        with closing(connection), self._reaching(connection):
            answer = self._ask(connection, silence_seconds, name, _target(name, (), query), None)
            with closing(answer):
                if answer.status != 200:
                    self._read(answer.status, answer.read())
                yield Listening(connection.sock, answer)

    def _ask(
        self,
        connection: "HTTPConnection",
        seconds: float,
        name: str,
        target: str,
        posted: bytes | None,
    ) -> "HTTPResponse":
        connection.timeout = seconds
        if connection.sock is not None and _ended(connection.sock):
            connection.close()  # and opened again by the request
        if connection.sock is not None:
            connection.sock.settimeout(seconds)
        typed = {"Content-Type": "application/json"} if posted else {}
        connection.request(ENDPOINTS[name].method, target, posted, {**self._headers, **typed})
        return connection.getresponse()

    @contextmanager
    def _reaching(self, connection: "HTTPConnection") -> Generator[None]:
        """Raises: Failure for what goes wrong on the way."""
        try:
            yield
        except self._ways_to_fail as error:
            connection.close()
            if verify_failed := getattr(error, "verify_message", None):
                raise Failure(
                    Exit.UNREACHABLE,
                    f"the certificate of {self._url} is not trusted ({verify_failed}); "
                    "name its authority with --ca-file or SSL_CERT_FILE",
                ) from error
            if getattr(error, "reason", None) == "WRONG_VERSION_NUMBER":
                plain = self._url.replace("https:", "http:", 1)
                raise Failure(Exit.UNREACHABLE, f"what answers at {self._url} is not https; try {plain}") from error
            reason = getattr(error, "strerror", None) or str(error) or type(error).__name__
            raise Failure(
                Exit.UNREACHABLE,
                f"no server answers at {self._url} ({reason}); start one with `obelisk server run`, "
                "or name another with --server or OBELISK_SERVER",
            ) from error

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
        hint = _HINTS.get(str(answer.get("type")).rpartition(":")[2])
        raise Failure(_EXITS.get(status, Exit.SERVER_FAILED), f"{detail}; {hint}" if hint else detail, answer)


def _target(name: str, segments: Sequence[str], query: Query | None) -> str:
    """Path and query. Raises: UnicodeEncodeError."""
    given = {key: value for key, value in (query or {}).items() if value not in (None, [], ())}
    return ENDPOINTS[name].filled(*segments) + ("?" + urlencode(given, doseq=True) if given else "")


def _ended(idle: socket.socket) -> bool:
    """Whether the server has closed a connection that nothing was asked on: it does so with those that idle."""
    with selectors.DefaultSelector() as selector:
        selector.register(idle, selectors.EVENT_READ)
        return bool(selector.select(0))


class Listening:
    """The lines of a stream."""

    def __init__(self, sock: socket.socket, answer: "HTTPResponse") -> None:
        self._sock = sock
        self._answer = answer

    def __iter__(self) -> Iterator[bytes]:
        return iter(self._answer.readline, b"")

    def hang_up(self) -> None:
        """From any thread: the lines end."""
        with suppress(OSError):  # the server did so already
            self._sock.shutdown(socket.SHUT_RDWR)


def _address(url: str) -> tuple[str, int | None, bool]:
    """(host, port, whether it is https). Raises: Failure."""
    try:
        parts = urlsplit(url)
        if parts.scheme in ("http", "https") and parts.hostname and parts.path in ("", "/"):
            return parts.hostname, parts.port, parts.scheme == "https"
    except ValueError:
        pass  # a port or an IPv6 address that is none
    raise Failure(Exit.USAGE, f"--server is {url!r}; expected http://HOST:PORT")


def _trusting(ca_file: str | None) -> Any:
    """Raises: Failure."""
    import ssl  # noqa: PLC0415 - not for plain HTTP

    try:
        return ssl.create_default_context(cafile=ca_file)
    except OSError as error:
        raise Failure(Exit.USAGE, f"--ca-file {ca_file} is not usable: {error.strerror or error}") from error
