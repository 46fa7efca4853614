"""From a location in a registry to verified bytes, through the cache. Blocking."""

from collections.abc import Callable, Generator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import IO

from obelisk_runtime.core.ids import Digest
from obelisk_runtime.registry.artifact import (
    Descriptor,
    Manifest,
    ProposedSection,
    WasmConfig,
    check_component,
    check_sha256,
    component_layer,
    parse_config,
    parse_manifest,
    parse_section,
)
from obelisk_runtime.registry.cache import ContentCache
from obelisk_runtime.registry.client import OnBytes, RegistryClient
from obelisk_runtime.registry.errors import (
    CacheUnusable,
    NotInRegistry,
    RegistryFailure,
    SignatureMissing,
    SignatureRefused,
)
from obelisk_runtime.registry.pace import Pace
from obelisk_runtime.registry.reference import Reference
from obelisk_runtime.registry.settings import RegistrySettings
from obelisk_runtime.registry.signature import (
    SIGNATURE_ANNOTATION,
    PublicKey,
    Signature,
    public_key,
    refusal,
    signature_layers,
    signature_tag,
)
from obelisk_runtime.registry.transport import Transport

OnProgress = Callable[[int, int], None]
"""`(bytes received or sent, bytes in all)`; called from a thread."""


def no_progress(_received: int, _total: int) -> None:
    """For transfers that nobody watches."""


@dataclass(frozen=True, slots=True)
class Pulled:
    reference: Reference
    """Pinned: with the digest of the manifest."""
    wasm: bytes
    from_network: bool
    """Whether the bytes were downloaded now."""
    offline: str | None
    """Why the registry could not be asked what the tag is now, so that the last known digest was taken."""


@dataclass(frozen=True, slots=True)
class Described:
    """What an artifact tells about itself, without its layer. Nothing of it is proven but digests and sizes."""

    reference: Reference
    layer: Descriptor
    manifest: Manifest
    config: WasmConfig
    section: ProposedSection
    offline: str | None
    """As in `Pulled`."""


@dataclass(frozen=True, slots=True)
class _Resolved:
    digest: Digest
    manifest: bytes
    offline: str | None


class Puller:
    """Pulls by any number of threads."""

    def __init__(self, settings: RegistrySettings, cache: ContentCache, environ: Mapping[str, str], pace: Pace) -> None:
        self._settings = settings
        self._cache = cache
        self._environ = environ
        self._pace = pace
        self._schemes: dict[str, str] = {}
        """Of registries that have been spoken to."""

    @contextmanager
    def client(self, reference: Reference, *, push: bool = False) -> Generator[RegistryClient]:
        transport = Transport(reference, self._settings, self._environ, push=push)
        try:
            known = self._schemes.get(reference.registry)
            transport.scheme = known or transport.find_scheme()
            self._schemes[reference.registry] = transport.scheme
            yield RegistryClient(reference, transport, self._settings, self._pace)
        finally:
            transport.close()

    def resolve(self, reference: Reference) -> Reference:
        """With the digest that the tag has now. Raises: ComponentUnavailable."""
        with self.client(reference) as client:
            return reference.pinned(self._fresh(reference, client).digest)

    def pull(self, reference: Reference, on_progress: OnProgress = no_progress) -> Pulled:
        """Raises: ComponentUnavailable."""
        resolved = self._resolve(reference)
        pinned = reference.pinned(resolved.digest)
        layer = component_layer(parse_manifest(resolved.manifest, str(reference)), str(reference))
        if self._settings.policy.requires(reference):
            self.check_signature(pinned)
        wasm, from_network = self._component(pinned, layer, on_progress)
        check_component(wasm, str(reference))
        return Pulled(pinned, wasm, from_network, resolved.offline)

    def describe(self, reference: Reference) -> Described:
        """Reads manifest and config only. Raises: ComponentUnavailable."""
        resolved = self._resolve(reference)
        what = str(reference)
        manifest = parse_manifest(resolved.manifest, what)
        layer = component_layer(manifest, what)
        pinned = reference.pinned(resolved.digest)
        config = parse_config(self._small(pinned, manifest.config, f"the config of {what}"), what)
        return Described(pinned, layer, manifest, config, parse_section(manifest, what), resolved.offline)

    def check_signature(self, pinned: Reference) -> None:
        """Whether a signature by a key of the policy vouches for the digest. Raises: ComponentUnavailable."""
        assert pinned.digest is not None
        keys = [public_key(pem) for pem in self._settings.policy.public_keys]
        at = pinned.at(signature_tag(pinned.digest))
        known = self._cache.remembered(at)
        cached = None if known is None else self._cache.read(known)
        if cached is not None and self._first_refusal(pinned, cached, keys) is None:
            return
        refused = self._first_refusal(pinned, self._signatures(pinned, at), keys)
        if refused is not None:
            raise SignatureRefused(f"{pinned} is signed, but no signature is right: {refused}")

    def _signatures(self, pinned: Reference, at: Reference) -> bytes:
        assert pinned.digest is not None
        try:
            with self.client(at) as client:
                return self._fresh(at, client).manifest
        except NotInRegistry as missing:
            raise SignatureMissing(str(pinned), pinned.digest) from missing

    def _first_refusal(self, pinned: Reference, manifest: bytes, keys: list[PublicKey]) -> str | None:
        """None if one of the signatures is right."""
        assert pinned.digest is not None
        reasons: list[str] = []
        layers = signature_layers(parse_manifest(manifest, f"the signature of {pinned}"))
        for layer in layers[: self._settings.limits.signatures_max]:
            payload = self._small(pinned, layer, f"a signature of {pinned}")
            reason = refusal(Signature(payload, layer.annotations.get(SIGNATURE_ANNOTATION, "")), pinned.digest, keys)
            if reason is None:
                return None
            reasons.append(reason)
        return "; ".join(reasons) or "there is no signature in it"

    def _resolve(self, reference: Reference) -> _Resolved:
        """A digest is looked up here first, a tag in the registry first."""
        if reference.digest is not None:
            cached = self._cache.read(reference.digest)
            if cached is not None:
                return _Resolved(reference.digest, cached, None)
        try:
            with self.client(reference) as client:
                return self._fresh(reference, client)
        except RegistryFailure as failure:
            digest = self._cache.remembered(reference) if failure.unreachable else None
            cached = None if digest is None else self._cache.read(digest)
            if digest is None or cached is None:
                raise
            return _Resolved(digest, cached, str(failure))

    def _fresh(self, reference: Reference, client: RegistryClient) -> _Resolved:
        digest, manifest = client.manifest(reference.selector)
        self._cache.store(digest, lambda file: _write(file, manifest))
        if reference.digest is None:
            self._cache.remember(reference, digest)
        return _Resolved(digest, manifest, None)

    def _component(self, pinned: Reference, layer: Descriptor, on_progress: OnProgress) -> tuple[bytes, bool]:
        """(the bytes, whether they were downloaded); whoever comes second for a digest waits and finds it there."""
        what = f"the component of {pinned}"
        with self._cache.alone(layer.digest):
            cached = self._cache.read(layer.digest)
            if cached is None:
                limit = self._settings.limits.component_bytes_max
                on_bytes: OnBytes = lambda received: on_progress(received, layer.size)  # noqa: E731
                with self.client(pinned) as client:
                    self._cache.store(
                        layer.digest, lambda file: client.blob(layer, file, what=what, limit=limit, on_bytes=on_bytes)
                    )
        wasm = cached or self._cache.read(layer.digest)
        if wasm is None:
            raise CacheUnusable(f"{what} vanished from the cache {self._cache.folder}; try again")
        on_progress(layer.size, layer.size)
        return wasm, cached is None

    def _small(self, pinned: Reference, descriptor: Descriptor, what: str) -> bytes:
        check_sha256(descriptor, what)
        cached = self._cache.read(descriptor.digest)
        if cached is not None:
            return cached
        with self.client(pinned) as client:
            raw = client.small_blob(descriptor, what)
        self._cache.store(descriptor.digest, lambda file: _write(file, raw))
        return raw


def _write(file: IO[bytes], raw: bytes) -> None:
    file.write(raw)
