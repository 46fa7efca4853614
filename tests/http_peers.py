"""Servers that a guest talks to: an honest one, one with TLS, and one that says whatever it is told."""

import asyncio
import datetime as dt
import ipaddress
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path

from aiohttp import web
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa

KIB, MIB = 1024, 1024 * 1024
Talk = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]


class Honest:
    """Keeps what it was asked. `/echo` answers the body as it comes, `/bytes/N` N bytes, others all of it."""

    def __init__(self) -> None:
        self.requests: list[tuple[str, str, dict[str, str], bytes]] = []
        self.raw_headers: list[tuple[bytes, bytes]] = []
        self.connections: set[object] = set()
        self.release = asyncio.Event()
        self.port = 0

    @property
    def authority(self) -> str:
        return f"127.0.0.1:{self.port}"

    async def handle(self, request: web.Request) -> web.StreamResponse:
        self.connections.add(request.transport)
        self.raw_headers = list(request.raw_headers)
        if request.path == "/echo":
            return await self._echo(request)
        if request.path == "/sink":
            return web.Response(text=str(sum([len(chunk) async for chunk in request.content.iter_any()])))
        body = await request.read()
        self.requests.append((request.method, request.path_qs, dict(request.headers), body))
        kind, _, number = request.path.removeprefix("/").partition("/")
        match kind:
            case "bytes":
                return await self._bytes(request, int(number))
            case "status":
                return web.Response(status=int(number), headers={"Location": "/elsewhere", "Set-Cookie": "a=b"})
            case "wait":
                await self.release.wait()
        return web.Response(body=body or b"hello", headers={"X-Many": "1", "Content-Encoding": "odd"})

    async def _echo(self, request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse()
        await response.prepare(request)
        async for chunk in request.content.iter_any():
            await response.write(chunk)
        await response.write_eof()
        return response

    async def _bytes(self, request: web.Request, count: int) -> web.StreamResponse:
        response = web.StreamResponse()
        response.content_length = count
        await response.prepare(request)
        for start in range(0, count, 64 * KIB):
            await response.write(b"x" * min(64 * KIB, count - start))
        await response.write_eof()
        return response


@asynccontextmanager
async def honest(context: ssl.SSLContext | None = None) -> AsyncIterator[Honest]:
    server = Honest()
    runner = web.ServerRunner(web.Server(server.handle, access_log=None, auto_decompress=False), shutdown_timeout=1)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0, ssl_context=context)
    await site.start()
    server.port = runner.addresses[0][1]
    try:
        yield server
    finally:
        server.release.set()
        await runner.cleanup()


@asynccontextmanager
async def scripted(talk: Talk) -> AsyncIterator[int]:
    """The port of a server that treats every connection so; connections end with the block."""
    talks: set[asyncio.Task[None]] = set()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        talks.add(task)
        try:
            await talk(reader, writer)
        except (ConnectionError, asyncio.CancelledError):
            pass
        finally:
            writer.transport.abort()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    try:
        yield server.sockets[0].getsockname()[1]
    finally:
        server.close()
        for task in talks:
            task.cancel()
        await asyncio.gather(*talks, return_exceptions=True)
        await server.wait_closed()


def saying(*parts: bytes, then: Callable[[], Awaitable[object]] | None = None) -> Talk:
    """Read the head of a request, say this, do that, and hang up."""

    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        for part in parts:
            writer.write(part)
            await writer.drain()
        if then is not None:
            await then()

    return talk


class Authority:
    """A certificate authority, and certificates of it, in a folder."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._key = ec.generate_private_key(ec.SECP256R1())
        self._name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "tests")])
        constraints = x509.BasicConstraints(ca=True, path_length=None)
        self._certificate = self._sign(self._name, self._key, [(constraints, True)])
        self.file = folder / "ca.pem"
        self.file.write_bytes(self._certificate.public_bytes(serialization.Encoding.PEM))

    def server(
        self, *names: str, key: "ec.EllipticCurvePrivateKey | rsa.RSAPrivateKey | None" = None
    ) -> ssl.SSLContext:
        """Of a server that is called so."""
        key = key or ec.generate_private_key(ec.SECP256R1())
        subjects = x509.SubjectAlternativeName([_subject(name) for name in names])
        certificate = self._sign(x509.Name([]), key, [(subjects, True)])
        file = self._folder / "server.pem"
        pem = serialization.Encoding.PEM
        private = key.private_bytes(pem, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
        file.write_bytes(private + certificate.public_bytes(pem))
        context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
        context.load_cert_chain(file)
        return context

    def _sign(
        self,
        subject: x509.Name,
        key: "ec.EllipticCurvePrivateKey | rsa.RSAPrivateKey",
        extensions: list[tuple[x509.ExtensionType, bool]],
    ) -> x509.Certificate:
        now = dt.datetime.now(dt.UTC)
        builder = x509.CertificateBuilder().subject_name(subject).issuer_name(self._name).public_key(key.public_key())
        builder = builder.serial_number(x509.random_serial_number())
        builder = builder.not_valid_before(now - dt.timedelta(days=1)).not_valid_after(now + dt.timedelta(days=1))
        identifier = x509.AuthorityKeyIdentifier.from_issuer_public_key(self._key.public_key())
        for extension, critical in [*extensions, (identifier, False)]:
            builder = builder.add_extension(extension, critical)
        return builder.sign(self._key, hashes.SHA256())


def _subject(name: str) -> x509.GeneralName:
    try:
        return x509.IPAddress(ipaddress.ip_address(name))
    except ValueError:
        return x509.DNSName(name)
