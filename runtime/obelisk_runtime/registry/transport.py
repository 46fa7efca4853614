"""Requests to one registry: bounded in time, authorized, redirected with care. Blocking; used by one thread."""

import ssl
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Self
from urllib.parse import urlencode, urljoin, urlsplit

import certifi
import msgspec
import requests
from requests.adapters import HTTPAdapter
from requests.auth import AuthBase

from obelisk_runtime.registry.challenge import BasicChallenge, BearerChallenge, parse_challenges
from obelisk_runtime.registry.credentials import Credential, IdentityToken, UserPassword, find_credential
from obelisk_runtime.registry.errors import (
    CertificateRefused,
    CredentialsWithheld,
    RedirectRefused,
    RegistryFailure,
)
from obelisk_runtime.registry.reference import Reference
from obelisk_runtime.registry.responses import failure_of, failures
from obelisk_runtime.registry.settings import RegistrySettings

_REDIRECTS = frozenset({301, 302, 303, 307, 308})
_PORTS = {"http": 80, "https": 443}
_CLIENT = "obelisk"


@dataclass(frozen=True, slots=True)
class Origin:
    scheme: str
    host: str
    port: int

    @classmethod
    def of(cls, url: str) -> Self:
        parts = urlsplit(url)
        return cls(parts.scheme, parts.hostname or "", parts.port or _PORTS.get(parts.scheme, 0))


@dataclass(frozen=True, slots=True)
class _Request:
    method: str
    url: str
    headers: Mapping[str, str]
    body: Any
    stream: bool


class _Token(msgspec.Struct):
    token: str = ""
    access_token: str = ""


class _NoAuth(AuthBase):
    """Keeps the library from adding credentials of `.netrc`."""

    def __call__(self, r: requests.PreparedRequest) -> requests.PreparedRequest:
        return r


class Transport:
    """`scheme` is http only where that was configured, or where a loopback registry has no TLS."""

    def __init__(
        self, reference: Reference, settings: RegistrySettings, environ: Mapping[str, str], *, push: bool = False
    ) -> None:
        self.scheme = "http" if reference.registry in settings.insecure else "https"
        self._reference = reference
        self._settings = settings
        self._environ = environ
        self._actions = "pull,push" if push else "pull"
        self._authorization: str | None = None
        self._session = requests.Session()
        self._session.auth = _NoAuth()
        self._session.trust_env = not reference.loopback  # no proxy stands between this machine and itself
        self._session.mount("https://", _TlsAdapter(settings))
        self._timeout = (settings.limits.connect_seconds, settings.limits.read_seconds)

    def close(self) -> None:
        self._session.close()

    def find_scheme(self) -> str:
        """Whether a loopback registry speaks TLS; others must. Raises: CertificateRefused."""
        if self.scheme == "https" and self._reference.loopback:
            try:
                with failures(self._reference.registry):
                    self._session.get(f"https://{self._reference.endpoint}/v2/", timeout=self._timeout, stream=True)
            except RegistryFailure as failure:
                if "CERTIFICATE_VERIFY_FAILED" in str(failure.__cause__):
                    raise
                self.scheme = "http"
        return self.scheme

    def send(
        self,
        method: str,
        url: str,
        *,
        headers: Mapping[str, str],
        body: Any = None,
        stream: bool = False,
        what: str,
    ) -> requests.Response:
        """The answer, with a status below 400, or 404 for HEAD. Raises: RegistryFailure."""
        request = _Request(method, url, headers, body, stream)
        with failures(what):
            response = self._follow(request)
            if response.status_code == 401 and self._is_own(response.url):
                refusal = self._refusal(response, what)
                if not self._authorize(response.headers.get("WWW-Authenticate", ""), what):
                    raise refusal
                response = self._follow(request)
            if response.status_code < 400 or (method == "HEAD" and response.status_code == 404):
                return response
            raise self._refusal(response, what)

    def _refusal(self, response: requests.Response, what: str) -> RegistryFailure:
        """Reads the answer to its end."""
        with response:
            said = response.raw.read(self._settings.limits.manifest_bytes_max, decode_content=True)
        return failure_of(response.status_code, response.headers, said, what)

    def _follow(self, request: _Request) -> requests.Response:
        """One request and its redirects; only GET and HEAD are redirected."""
        url = request.url
        for _ in range(self._settings.limits.redirects_max + 1):
            response = self._session.request(
                request.method,
                url,
                data=request.body,
                headers={**request.headers, **self._own_headers(url)},
                stream=True,
                allow_redirects=False,
                timeout=self._timeout,
            )
            if response.status_code not in _REDIRECTS:
                if not request.stream and response.status_code < 400:
                    response.raw.read(self._settings.limits.manifest_bytes_max)  # gives the connection back
                return response
            response.close()
            if request.method not in ("GET", "HEAD"):
                raise RedirectRefused(f"{url} redirects a {request.method}, which is refused")
            url = redirect_target(url, response.headers.get("Location", ""))
        raise RedirectRefused(f"{url}: more than {self._settings.limits.redirects_max} redirects")

    def _own_headers(self, url: str) -> dict[str, str]:
        own = {"User-Agent": _CLIENT, "Accept-Encoding": "identity"}
        if self._authorization is not None and self._is_own(url):
            own["Authorization"] = self._authorization
        return own

    def _is_own(self, url: str) -> bool:
        """Whether an address is the registry's, so that it may see what authorizes us."""
        return Origin.of(url) == Origin.of(f"{self.scheme}://{self._reference.endpoint}")

    def _authorize(self, header: str, what: str) -> bool:
        """Whether there is something new to authorize with. Raises: RegistryFailure."""
        before = self._authorization
        credential = find_credential(self._reference.registry, self._environ)
        for challenge in parse_challenges(header):
            match challenge:
                case BearerChallenge():
                    self._authorization = self._bearer(challenge, credential, what)
                    return True
                case BasicChallenge() if isinstance(credential, UserPassword):
                    self._authorization = credential.basic
                    return self._authorization != before
                case BasicChallenge():
                    continue
        return False

    def _bearer(self, challenge: BearerChallenge, credential: Credential | None, what: str) -> str:
        """A token for what this transport is for: the challenge's own scope can be too small for a push."""
        problem = self._settings.realm_problem(
            challenge.realm, self._reference.registry, with_credentials=credential is not None
        )
        if problem is not None:
            raise CredentialsWithheld(f"{what}: the registry wants a token of {challenge.realm!r}: {problem}")
        query = {"scope": f"repository:{self._reference.repository}:{self._actions}"}
        if challenge.service is not None:
            query["service"] = challenge.service
        answer = self._ask_for_token(challenge.realm, query, credential)
        if answer.status_code >= 300:
            raise self._refusal(answer, f"{what}: a token of {challenge.realm}")
        with answer:
            raw = answer.raw.read(self._settings.limits.manifest_bytes_max, decode_content=True)
        try:
            token = msgspec.json.decode(raw, type=_Token)
        except msgspec.DecodeError:
            token = _Token()
        if not (token.token or token.access_token):
            raise CredentialsWithheld(f"{what}: {challenge.realm} answered without a token")
        return f"Bearer {token.token or token.access_token}"

    def _ask_for_token(self, realm: str, query: dict[str, str], credential: Credential | None) -> requests.Response:
        options: dict[str, Any] = {"timeout": self._timeout, "allow_redirects": False, "stream": True}
        headers = {"User-Agent": _CLIENT}
        if isinstance(credential, IdentityToken):
            form = {**query, "grant_type": "refresh_token", "refresh_token": credential.token, "client_id": _CLIENT}
            return self._session.post(realm, data=form, headers=headers, **options)
        if credential is not None:
            headers["Authorization"] = credential.basic
        joint = "&" if urlsplit(realm).query else "?"
        return self._session.get(f"{realm}{joint}{urlencode(query)}", headers=headers, **options)


def redirect_target(url: str, location: str) -> str:
    """Where an answer of `url` sends us. Raises: RedirectRefused."""
    target = urljoin(url, location)
    scheme = urlsplit(target).scheme
    if not location or scheme not in _PORTS or (scheme == "http" and urlsplit(url).scheme == "https"):
        raise RedirectRefused(f"{url} redirects to {location or 'nowhere'!r}, which is refused: it is not https")
    return target


class _TlsAdapter(HTTPAdapter):
    """Trusts the usual authorities, and the configured one."""

    def __init__(self, settings: RegistrySettings) -> None:
        self._settings = settings
        super().__init__()

    def init_poolmanager(self, *args: Any, **options: Any) -> None:
        if self._settings.ca_file is not None:
            context = ssl.create_default_context(cafile=certifi.where())
            try:
                context.load_verify_locations(cafile=str(self._settings.ca_file))
            except (OSError, ssl.SSLError) as error:
                raise CertificateRefused(
                    f"the certificates in {self._settings.ca_file} cannot be used: {error}"
                ) from error
            options["ssl_context"] = context
        super().init_poolmanager(*args, **options)
