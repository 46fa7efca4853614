"""From bytes to a registry: components and their signatures. Blocking."""

from collections.abc import Mapping
from dataclasses import dataclass

import msgspec

from obelisk_runtime.registry import signature
from obelisk_runtime.registry.artifact import (
    CONFIG_TYPE,
    LAYER_TYPE,
    ConfigComponent,
    Descriptor,
    Details,
    check_component,
    component_config,
    component_manifest,
    parse_manifest,
)
from obelisk_runtime.registry.client import RegistryClient
from obelisk_runtime.registry.errors import InvalidReference, NotInRegistry, TooLarge
from obelisk_runtime.registry.pulling import OnProgress, Puller
from obelisk_runtime.registry.reference import Reference
from obelisk_runtime.registry.settings import RegistryLimits


@dataclass(frozen=True, slots=True)
class Publication:
    wasm: bytes
    component: ConfigComponent
    details: Details
    annotations: Mapping[str, str]
    created: str
    """RFC 3339."""


def push(
    puller: Puller, reference: Reference, publication: Publication, limits: RegistryLimits, on_progress: OnProgress
) -> Reference:
    """The reference with the digest of what is there now. Raises: ComponentUnavailable."""
    if reference.digest is not None:
        raise InvalidReference(str(reference), "a digest cannot be chosen when pushing")
    what = str(reference)
    check_component(publication.wasm, "the file")
    if len(publication.wasm) > limits.component_bytes_max:
        raise TooLarge("the file", len(publication.wasm), limits.component_bytes_max)
    config = component_config(publication.wasm, publication.created, publication.component, publication.details)
    manifest = component_manifest(config, publication.wasm, publication.annotations)
    with puller.client(reference, push=True) as client:
        size = len(publication.wasm)
        client.push_blob(publication.wasm, LAYER_TYPE, what, lambda sent: on_progress(sent, size))
        on_progress(size, size)
        client.push_blob(config, CONFIG_TYPE, what)
        return reference.pinned(client.push_manifest(manifest, reference.selector))


def push_signature(puller: Puller, reference: Reference, private_key: bytes, password: bytes | None) -> Reference:
    """Sign what the reference is now, beside the signatures that are there; what was signed.

    Raises: ComponentUnavailable.
    """
    pinned = reference if reference.digest is not None else puller.resolve(reference)
    assert pinned.digest is not None
    made = signature.sign(signature.payload_of(pinned, pinned.digest), private_key, password)
    at = pinned.at(signature.signature_tag(pinned.digest))
    with puller.client(at, push=True) as client:
        client.manifest(pinned.digest)
        payload = client.push_blob(made.payload, signature.PAYLOAD_TYPE, str(at))
        layer = msgspec.structs.replace(payload, annotations={signature.SIGNATURE_ANNOTATION: made.signature})
        layers = [*_signatures(client, at), layer]
        config = client.push_blob(_config(layers), signature.CONFIG_TYPE, str(at))
        client.push_manifest(signature.signature_manifest(config, layers), at.selector)
    return pinned


def _signatures(client: RegistryClient, at: Reference) -> list[Descriptor]:
    try:
        _, manifest = client.manifest(at.selector)
    except NotInRegistry:
        return []
    return signature.signature_layers(parse_manifest(manifest, str(at)))


def _config(layers: list[Descriptor]) -> bytes:
    """The least that registries take for the config of an image."""
    diff_ids = [layer.digest for layer in layers]
    return msgspec.json.encode({"architecture": "", "os": "", "rootfs": {"type": "layers", "diff_ids": diff_ids}})
