"""The parts of a configuration that say who gets in, taken at the start and again on reload."""

import ssl
from collections.abc import Callable, Mapping
from dataclasses import replace

from obelisk_runtime.core.names import Ffqn
from obelisk_runtime.core.wiring import ExportedFunction
from obelisk_server.access.certificates import Certificates, UnusableCertificate, server_context
from obelisk_server.access.guard import Guard
from obelisk_server.config import ServerConfig, tls_of
from obelisk_server.config.access import AccessSettings, own_name


class Doors:
    """The guard of the API and the certificates of both listeners (`setup.Mountable`)."""

    def __init__(self, config: ServerConfig, now: Callable[[], int]) -> None:
        self._listen = config.listen
        """Where it listens until the end of the process, whatever is configured later."""
        self._access = config.access
        self._certificates: dict[str, Certificates] = {}
        self._prepared: dict[str, ssl.SSLContext] = {}
        self.guard = Guard(config.access, now)

    def prepare(self, config: ServerConfig, functions: Mapping[Ffqn, ExportedFunction]) -> list[str]:  # noqa: ARG002 - as other mounts
        """Everything that is wrong; if nothing is, `install` may follow. Nothing changes before."""
        problems: list[str] = []
        self._access, self._prepared = self._as_it_listens(config.access), {}
        if self._access.open_to_others:
            problems.append(
                f"[server] listen is {self._listen} until the server is started again, which other machines reach, and "
                "there are no tokens; keep one until then, or write insecure = true"
            )
        for section, files in tls_of(config).items():
            try:
                self._prepared[section] = server_context(files)
            except UnusableCertificate as error:
                problems.append(f"[{section}.tls] {error}")
        return problems

    def install(self) -> None:
        self.guard.replace(self._access)
        for section, context in self._prepared.items():
            if section in self._certificates:
                self._certificates[section].replace(context)
            else:
                self._certificates[section] = Certificates(context)

    def _as_it_listens(self, access: AccessSettings) -> AccessSettings:
        return replace(access, loopback=self._listen.loopback, hosts=access.hosts.union(own_name(self._listen)))

    def tls(self, section: str) -> ssl.SSLContext | None:
        """Of the listener of `[section]`; None: it speaks plain HTTP."""
        found = self._certificates.get(section)
        return None if found is None else found.context
