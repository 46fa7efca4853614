"""TLS from files, which can be read again while connections are open."""

import ssl

from obelisk_runtime.core.errors import ObeliskError
from obelisk_server.config.access import TlsFiles


class UnusableCertificate(ObeliskError):
    """The files of a listener's certificate; the message says which one and what to do."""


def server_context(files: TlsFiles) -> ssl.SSLContext:
    """Raises: UnusableCertificate."""
    for file in (files.certificate, files.key):
        try:
            file.read_bytes()
        except OSError as error:
            raise UnusableCertificate(f"{file} cannot be read: {error.strerror}") from error
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    try:
        context.load_cert_chain(files.certificate, files.key, password=lambda: "")  # else it asks on the terminal
    except (ssl.SSLError, ValueError) as error:
        raise UnusableCertificate(_explained(files, error)) from error
    return context


def _explained(files: TlsFiles, error: ssl.SSLError | ValueError) -> str:
    if getattr(error, "reason", None) == "KEY_VALUES_MISMATCH":
        return f"the key {files.key} is not the one of the certificate {files.certificate}"
    reason = getattr(error, "reason", None) or str(error)
    return (
        f"{files.certificate} and {files.key} are not a certificate and its key ({reason}); "
        "expected PEM, and a key without a passphrase"
    )


class Certificates:
    """What a listener shows to new connections. Open connections go on with what they began with."""

    def __init__(self, context: ssl.SSLContext) -> None:
        self._current = context
        self.context = context
        """For the listener; each handshake takes the current one instead."""
        context.sni_callback = self._take_current

    def replace(self, context: ssl.SSLContext) -> None:
        self._current = context

    def _take_current(self, connection: ssl.SSLObject, _: str | None, __: ssl.SSLContext) -> None:
        if self._current is not self.context:
            connection.context = self._current
