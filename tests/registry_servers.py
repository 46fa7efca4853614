"""Registries for tests, all on loopback: Debian's docker-registry, a token server, and a proxy that misbehaves."""

import base64
import datetime as dt
import http.client
import json
import shutil
import socket
import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from ipaddress import ip_address
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature
from cryptography.x509.oid import NameOID

INSTALLED = shutil.which("docker-registry") is not None and shutil.which("htpasswd") is not None
START_SECONDS_MAX = 240
USER, PASSWORD = "ada", "lovelace"
SERVICE, ISSUER = "registry-of-tests", "issuer-of-tests"


@dataclass
class Authority:
    """A certificate for 127.0.0.1 and localhost that signs itself."""

    certificate: Path
    key_file: Path
    key: ec.EllipticCurvePrivateKey
    der: bytes

    @classmethod
    def make(cls, folder: Path) -> "Authority":
        key = ec.generate_private_key(ec.SECP256R1())
        name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "registry of tests")])
        now = dt.datetime.now(dt.UTC)
        made = (
            x509.CertificateBuilder()
            .subject_name(name)
            .issuer_name(name)
            .public_key(key.public_key())
            .serial_number(x509.random_serial_number())
            .not_valid_before(now - dt.timedelta(days=1))
            .not_valid_after(now + dt.timedelta(days=2))
            .add_extension(
                x509.SubjectAlternativeName([x509.IPAddress(ip_address("127.0.0.1")), x509.DNSName("localhost")]),
                critical=False,
            )
            .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
            .sign(key, hashes.SHA256())
        )
        folder.mkdir(parents=True, exist_ok=True)
        certificate, key_file = folder / "cert.pem", folder / "key.pem"
        certificate.write_bytes(made.public_bytes(serialization.Encoding.PEM))
        key_file.write_bytes(
            key.private_bytes(
                serialization.Encoding.PEM,
                serialization.PrivateFormat.TraditionalOpenSSL,
                serialization.NoEncryption(),
            )
        )
        return cls(certificate, key_file, key, made.public_bytes(serialization.Encoding.DER))


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


@contextmanager
def docker_registry(folder: Path, extra: dict[str, Any] | None = None) -> Iterator[str]:
    """`127.0.0.1:PORT` of a running registry whose configuration has `extra` merged in."""
    folder.mkdir(parents=True, exist_ok=True)
    port = free_port()
    config: dict[str, Any] = {
        "version": 0.1,
        "log": {"level": "error", "accesslog": {"disabled": True}},
        "storage": {"filesystem": {"rootdirectory": str(folder / "data")}, "delete": {"enabled": True}},
        "http": {"addr": f"127.0.0.1:{port}"},
    }
    for key, value in (extra or {}).items():
        config[key] = {**config.get(key, {}), **value}
    (folder / "config.yml").write_text(json.dumps(config))
    with (folder / "log").open("wb") as log:
        process = subprocess.Popen(["docker-registry", "serve", "config.yml"], cwd=folder, stdout=log, stderr=log)
    try:
        await_port(port, process, folder / "log")
        yield f"127.0.0.1:{port}"
    finally:
        process.kill()
        process.wait()


def await_port(port: int, process: "subprocess.Popen[bytes]", log: Path) -> None:
    deadline = time.monotonic() + START_SECONDS_MAX
    while True:
        try:
            socket.create_connection(("127.0.0.1", port), timeout=1).close()
        except ConnectionRefusedError:
            assert process.poll() is None, log.read_text()
            assert time.monotonic() < deadline, "the registry does not start"
            time.sleep(0.01)
        else:
            return


def htpasswd_auth(folder: Path) -> dict[str, Any]:
    folder.mkdir(parents=True, exist_ok=True)
    line = subprocess.run(["htpasswd", "-Bbn", USER, PASSWORD], check=True, capture_output=True).stdout
    (folder / "htpasswd").write_bytes(line)
    return {"auth": {"htpasswd": {"realm": "tests", "path": str(folder / "htpasswd")}}}


def token_auth(folder: Path, authority: Authority, realm: str) -> dict[str, Any]:
    settings = {"realm": realm, "service": SERVICE, "issuer": ISSUER, "rootcertbundle": str(authority.certificate)}
    return {"auth": {"token": settings}}


def tls(authority: Authority) -> dict[str, Any]:
    return {"http": {"tls": {"certificate": str(authority.certificate), "key": str(authority.key_file)}}}


@contextmanager
def serving(handler: type[BaseHTTPRequestHandler], owner: Any) -> Iterator[str]:
    """`127.0.0.1:PORT` of a server in a thread; `owner` is the handlers' `server.owner`."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
    server.daemon_threads = True
    server.owner = owner  # type: ignore[attr-defined]
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    try:
        yield f"127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


@dataclass
class TokenServer:
    """Gives tokens for what was asked: pulls to anybody if `anonymous_pulls`, pushes to the one user."""

    authority: Authority
    anonymous_pulls: bool = True
    asked: list[dict[str, str]] = field(default_factory=list)
    """Query and Authorization of each request."""

    def token(self, scope: str, *, known: bool) -> str | None:
        kind, name, wanted = [*scope.split(":"), "", "", ""][:3]
        allowed = {"pull", "push"} if known else ({"pull"} if self.anonymous_pulls else set[str]())
        actions = [action for action in wanted.split(",") if action in allowed]
        now = int(time.time())
        claims = {
            "iss": ISSUER, "sub": USER if known else "", "aud": SERVICE, "exp": now + 300, "nbf": now - 60, "iat": now,
            "jti": "1", "access": [{"type": kind, "name": name, "actions": actions}],
        }  # fmt: skip
        header = {"typ": "JWT", "alg": "ES256", "x5c": [base64.b64encode(self.authority.der).decode()]}
        signed = f"{_segment(header)}.{_segment(claims)}"
        r, s = decode_dss_signature(self.authority.key.sign(signed.encode(), ec.ECDSA(hashes.SHA256())))
        return f"{signed}.{_base64(r.to_bytes(32, 'big') + s.to_bytes(32, 'big'))}"


class TokenHandler(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        owner: TokenServer = self.server.owner  # type: ignore[attr-defined]
        query = {name: values[0] for name, values in parse_qs(urlsplit(self.path).query).items()}
        given = self.headers.get("Authorization")
        owner.asked.append({**query, "authorization": given or ""})
        right = "Basic " + base64.b64encode(f"{USER}:{PASSWORD}".encode()).decode()
        if given is not None and given != right:
            _answer(self, 401, {}, b'{"errors": [{"code": "UNAUTHORIZED", "message": "wrong password"}]}')
            return
        token = owner.token(query.get("scope", ""), known=given == right)
        _answer(self, 200, {"Content-Type": "application/json"}, json.dumps({"token": token}).encode())

    def log_message(self, *_: Any) -> None:
        pass


def _segment(value: object) -> str:
    return _base64(json.dumps(value).encode())


def _base64(raw: bytes) -> str:
    return base64.urlsafe_b64encode(raw).rstrip(b"=").decode()


@dataclass(frozen=True)
class Seen:
    method: str
    path: str
    headers: dict[str, str]


@dataclass(frozen=True)
class Answer:
    """What the proxy gives instead of, or made from, the registry's answer."""

    status: int = 200
    headers: dict[str, str] = field(default_factory=dict)
    body: bytes = b""
    cut: int | None = None
    """Close the connection after so many bytes of the body."""
    stall: bool = False
    """Send the headers and half of the body, then nothing."""


Fault = Callable[[Seen, Answer], Answer | None]
"""`(request, the registry's answer) -> the answer to give`; None: the registry's own."""


@dataclass
class Proxy:
    """Stands before a registry and does what the fault says."""

    upstream: str
    address: str = ""
    fault: Fault | None = None
    seen: list[Seen] = field(default_factory=list)
    ended: threading.Event = field(default_factory=threading.Event)

    def count(self, method: str, part: str) -> int:
        return sum(seen.method == method and part in seen.path for seen in self.seen)


class ProxyHandler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_any(self) -> None:
        owner: Proxy = self.server.owner  # type: ignore[attr-defined]
        body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        seen = Seen(self.command, self.path, dict(self.headers))
        owner.seen.append(seen)
        answer = self._ask(owner.upstream, body)
        answer = (owner.fault(seen, answer) if owner.fault else None) or answer
        if answer.stall:
            _answer(self, answer.status, answer.headers, answer.body, sent=len(answer.body) // 2)
            self.wfile.flush()
            owner.ended.wait(30)
            self.close_connection = True
        else:
            _answer(self, answer.status, answer.headers, answer.body, sent=answer.cut)
            self.close_connection = self.close_connection or answer.cut is not None

    do_GET = do_HEAD = do_PUT = do_POST = do_PATCH = do_any  # noqa: N815 - the names that http.server looks for

    def _ask(self, upstream: str, body: bytes) -> Answer:
        connection = http.client.HTTPConnection(upstream)
        try:
            connection.request(self.command, self.path, body, dict(self.headers))
            response = connection.getresponse()
            hop = ("connection", "transfer-encoding", "content-length")
            headers = {name: value for name, value in response.getheaders() if name.lower() not in hop}
            if self.command == "HEAD" and response.getheader("Content-Length"):
                headers["Content-Length"] = response.getheader("Content-Length", "")
            return Answer(response.status, headers, response.read())
        finally:
            connection.close()

    def log_message(self, *_: Any) -> None:
        pass


def _answer(
    handler: BaseHTTPRequestHandler, status: int, headers: dict[str, str], body: bytes, *, sent: int | None = None
) -> None:
    handler.send_response(status)
    for name, value in headers.items():
        handler.send_header(name, value)
    if "Content-Length" not in headers:
        handler.send_header("Content-Length", str(len(body)))
    handler.end_headers()
    if handler.command != "HEAD":
        handler.wfile.write(body if sent is None else body[:sent])


@contextmanager
def proxy(upstream: str) -> Iterator[Proxy]:
    owner = Proxy(upstream)
    with serving(ProxyHandler, owner) as address:
        owner.address = address
        yield owner
        owner.ended.set()
