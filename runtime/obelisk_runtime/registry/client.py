"""A registry over oras: its addresses and upload protocol, on a transport of our own. Blocking.

oras itself has no timeouts, verifies no digests, sends credentials wherever it is told to and sleeps two minutes over
a wrong password; so every request of it ends in `Transport.send`.
"""

import hashlib
import tempfile
from collections.abc import Callable, Generator, Iterator, Mapping
from contextlib import contextmanager
from typing import IO, Any

import oras.container
import oras.provider
import requests

from obelisk_runtime.core.ids import Digest
from obelisk_runtime.registry.artifact import (
    INDEX_TYPES,
    MANIFEST_TYPE,
    Descriptor,
    check_digest,
    describe_bytes,
    digest_of,
)
from obelisk_runtime.registry.errors import DigestMismatch, RegistryFailed, RegistryStalled, TooLarge, Truncated
from obelisk_runtime.registry.pace import Pace, retrying
from obelisk_runtime.registry.reference import Reference
from obelisk_runtime.registry.responses import failures
from obelisk_runtime.registry.settings import RegistrySettings
from obelisk_runtime.registry.transport import Transport

CHUNK_BYTES = 256 * 1024
OnBytes = Callable[[int], None]
"""Told how many bytes of a blob are there; less than before when it starts again."""


def ignore(_received: int) -> None:
    """For blobs whose progress nobody watches."""


_ACCEPT = ", ".join((MANIFEST_TYPE, *INDEX_TYPES, "application/vnd.docker.distribution.manifest.v2+json"))


class RegistryClient:
    """One repository for one operation; one thread."""

    def __init__(self, reference: Reference, transport: Transport, settings: RegistrySettings, pace: Pace) -> None:
        self._reference = reference
        self._limits = settings.limits
        self._pace = pace
        self._oras = _Oras(transport, reference)
        self._container = _container(reference)

    def manifest(self, selector: str) -> tuple[Digest, bytes]:
        """The raw manifest at a tag or digest, verified against the digest. Raises: RegistryFailure."""
        return retrying(lambda: self._manifest(selector), self._limits, self._pace)

    def small_blob(self, descriptor: Descriptor, what: str) -> bytes:
        """A verified blob in memory: a config, a signature. Raises: RegistryFailure."""
        with tempfile.SpooledTemporaryFile(self._limits.manifest_bytes_max) as file:
            self.blob(descriptor, file, what=what, limit=self._limits.manifest_bytes_max)
            file.seek(0)
            return file.read()

    def blob(
        self, descriptor: Descriptor, file: IO[bytes], *, what: str, limit: int, on_bytes: OnBytes = ignore
    ) -> None:
        """Write a verified blob to a file; what is in it after a failure is worth nothing. Raises: RegistryFailure."""
        if descriptor.size > limit:
            raise TooLarge(what, descriptor.size, limit)

        def attempt() -> None:
            file.seek(0)
            file.truncate()
            on_bytes(0)
            self._blob(descriptor, file, what, on_bytes)

        retrying(attempt, self._limits, self._pace)

    def push_blob(self, raw: bytes, media_type: str, what: str, on_bytes: OnBytes = ignore) -> Descriptor:
        """Raises: RegistryFailure."""
        descriptor = describe_bytes(raw, media_type)
        layer = {"digest": descriptor.digest, "size": descriptor.size, "mediaType": media_type}

        def attempt() -> None:
            with tempfile.NamedTemporaryFile() as file, self._oras.asking(what), self._oras.telling(on_bytes):
                file.write(raw)
                file.flush()
                self._oras.upload_blob(file.name, self._container, layer)  # pyright: ignore[reportUnknownMemberType] - a bare dict

        retrying(attempt, self._limits, self._pace)
        return descriptor

    def push_manifest(self, raw: bytes, selector: str) -> Digest:
        """Raises: RegistryFailure."""

        def attempt() -> Digest:
            with self._oras.asking(f"{self._reference}"):
                self._oras.do_request(self._address(selector), "PUT", data=raw, headers={"Content-Type": MANIFEST_TYPE})
            return digest_of(raw)

        return retrying(attempt, self._limits, self._pace)

    def _address(self, selector: str) -> str:
        return f"{self._oras.prefix}://{self._container.manifest_url(selector)}"

    def _manifest(self, selector: str) -> tuple[Digest, bytes]:
        what = str(self._reference)
        with self._oras.asking(what):
            response = self._oras.do_request(self._address(selector), headers={"Accept": _ACCEPT}, stream=True)
        raw = b"".join(self._chunks(response, what, self._limits.manifest_bytes_max))
        announced = response.headers.get("Content-Length", "")
        if announced.isdigit() and int(announced) != len(raw):
            raise Truncated(what, int(announced), len(raw))
        digest = digest_of(raw)
        expected = selector if ":" in selector else response.headers.get("Docker-Content-Digest", digest)
        check_digest(raw, expected, f"the manifest of {what}")
        return digest, raw

    def _blob(self, descriptor: Descriptor, file: IO[bytes], what: str, on_bytes: OnBytes) -> None:
        with self._oras.asking(what):
            response = self._oras.get_blob(self._container, descriptor.digest, stream=True)
        sha256 = hashlib.sha256()
        received = 0
        for chunk in self._chunks(response, what, descriptor.size):
            sha256.update(chunk)
            file.write(chunk)
            received += len(chunk)
            on_bytes(received)
        if received < descriptor.size:
            raise Truncated(what, descriptor.size, received)
        if f"sha256:{sha256.hexdigest()}" != descriptor.digest:
            raise DigestMismatch(what, descriptor.digest, f"sha256:{sha256.hexdigest()}")

    def _chunks(self, response: requests.Response, what: str, limit: int) -> Iterator[bytes]:
        """The body, at most `limit` bytes of it. Raises: RegistryFailure."""
        started = self._pace.monotonic()
        chunks = response.iter_content(CHUNK_BYTES)
        received = 0
        try:
            while True:
                with failures(what):
                    chunk = next(chunks, b"")
                self._pace.check()
                if not chunk:
                    return
                received += len(chunk)
                if received > limit:
                    raise TooLarge(what, received, limit)
                if self._pace.monotonic() - started > self._limits.transfer_seconds * 1e9:
                    raise RegistryStalled(f"{what} took over {self._limits.transfer_seconds:.0f} s")
                yield chunk
        finally:
            response.close()


class _Oras(oras.provider.Registry):
    def __init__(self, transport: Transport, reference: Reference) -> None:
        super().__init__(hostname=reference.endpoint, insecure=transport.scheme == "http")
        self._transport = transport
        self._what = str(reference)
        self._on_sent: OnBytes | None = None

    @contextmanager
    def telling(self, on_sent: OnBytes) -> Generator[None]:
        """Says how many bytes of a blob are sent."""
        self._on_sent = on_sent
        try:
            yield
        finally:
            self._on_sent = None

    @contextmanager
    def asking(self, what: str) -> Generator[None]:
        """Names what requests are for. Raises: RegistryFailed for an answer that oras cannot use."""
        before, self._what = self._what, what
        try:
            yield
        except ValueError as error:
            raise RegistryFailed(f"{what}: the registry's answer makes no sense ({error})") from error
        finally:
            self._what = before

    def do_request(
        self,
        url: str,
        method: str = "GET",
        data: Any = None,
        headers: Mapping[str, str] | None = None,
        json: Any = None,  # noqa: ARG002
        stream: bool = False,  # noqa: FBT001, FBT002
    ) -> requests.Response:
        body = data if self._on_sent is None or not data else _Sent(data, self._on_sent)
        return self._transport.send(method, url, headers=headers or {}, body=body, stream=stream, what=self._what)


class _Sent:
    """A body that tells how much of it was sent. It has a length and can be sent again, as `requests` may have to."""

    def __init__(self, raw: bytes, on_bytes: OnBytes) -> None:
        self._raw = raw
        self._on_bytes = on_bytes

    def __len__(self) -> int:
        return len(self._raw)

    def __iter__(self) -> Iterator[bytes]:
        for start in range(0, len(self._raw), CHUNK_BYTES):
            yield self._raw[start : start + CHUNK_BYTES]
            self._on_bytes(min(start + CHUNK_BYTES, len(self._raw)))


def _container(reference: Reference) -> oras.container.Container:
    """oras takes `localhost/x` for a repository of Docker Hub, so its parser gets nothing to guess."""
    container = oras.container.Container("repository", registry=reference.endpoint)
    container.registry = reference.endpoint
    container.namespace = None
    container.repository = reference.repository
    return container
