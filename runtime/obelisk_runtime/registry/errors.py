"""What can go wrong between a location and the bytes of a component. The message says what to do about it."""

from obelisk_runtime.core.errors import ObeliskError
from obelisk_runtime.core.ids import Digest


class ComponentUnavailable(ObeliskError):
    """The bytes of a component cannot be had."""


class InvalidReference(ComponentUnavailable):
    """A text that is no location in a registry."""

    def __init__(self, found: str, reason: str) -> None:
        super().__init__(
            f"{found!r} is not a location in a registry: {reason}; "
            "expected oci://host[:port]/repository[:tag][@sha256:<64 hex digits>]"
        )


class UnpinnedLocation(ComponentUnavailable):
    """A location without a digest where only pinned ones are allowed."""

    def __init__(self, location: str) -> None:
        super().__init__(f"{location} has no digest; write it down with `obelisk component lock`")


class RegistryFailure(ComponentUnavailable):
    """A registry did not give, or did not take, what was asked. `transient`: the same request may succeed later."""

    transient = False
    retry_after_seconds: float | None = None
    unreachable = False
    """Whether the registry gave no answer of its own, so that what is cached is the best there is."""


class AuthenticationRequired(RegistryFailure):
    """401: no credentials, or wrong ones."""


class AccessDenied(RegistryFailure):
    """403: the credentials are right, but do not allow it."""


class CredentialsWithheld(RegistryFailure):
    """The registry wants credentials sent to where they may not go."""


class InvalidCredentials(RegistryFailure):
    """Credentials of this machine that cannot be read."""


class NotInRegistry(RegistryFailure):
    """404: no such repository, tag, manifest or blob."""


class RequestRefused(RegistryFailure):
    """Another 4xx."""


class RateLimited(RegistryFailure):
    """429."""

    transient = True


class RegistryFailed(RegistryFailure):
    """5xx, or an answer that no registry gives."""

    transient = True
    unreachable = True


class RegistryUnreachable(RegistryFailure):
    """No connection, or one that broke."""

    transient = True
    unreachable = True


class RegistryStalled(RegistryFailure):
    """It stopped sending."""

    transient = True
    unreachable = True


class CertificateRefused(RegistryFailure):
    """TLS failed: not trusted, wrong host, expired, or no TLS at all."""


class RedirectRefused(RegistryFailure):
    """A redirect that must not be followed."""


class Truncated(RegistryFailure):
    """Fewer bytes than announced."""

    transient = True

    def __init__(self, what: str, expected: int, found: int) -> None:
        super().__init__(f"{what} ended after {found} of {expected} bytes")


class DigestMismatch(RegistryFailure):
    """The bytes are not those of the digest: altered, or the registry is broken. They are thrown away."""

    def __init__(self, what: str, expected: str, found: str) -> None:
        super().__init__(f"{what} has the digest {found}, expected {expected}; do not use this registry for it")
        self.expected = expected
        self.found = found


class TooLarge(RegistryFailure):
    """More bytes than allowed."""

    def __init__(self, what: str, size: int, limit: int) -> None:
        super().__init__(f"{what} has {size} bytes or more; the limit is {limit}")


class ForeignArtifact(RegistryFailure):
    """What is there is no WebAssembly component."""


class Abandoned(RegistryFailure):
    """The caller has gone."""


class SignatureMissing(RegistryFailure):
    """The policy wants a signature and there is none."""

    def __init__(self, location: str, digest: Digest) -> None:
        super().__init__(
            f"{location} ({digest}) is not signed and [registry.policy] requires it; "
            "sign it with `obelisk component sign`, or remove its host from require_signatures"
        )


class SignatureRefused(RegistryFailure):
    """There are signatures and none is right."""


class CacheUnusable(ComponentUnavailable):
    """The folder of pulled components cannot be used."""
