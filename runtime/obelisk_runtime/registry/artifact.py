"""The form of components in registries, without any I/O.

CNCF Wasm OCI artifact (https://tag-runtime.cncf.io/wgs/wasm/deliverables/wasm-oci-artifact/): an OCI image manifest
with a config of `application/vnd.wasm.config.v0+json` and exactly one layer of `application/wasm`. What Obelisk adds,
annotations beginning with `dev.obelisk.` and the key `obelisk` of the config, others ignore.
"""

import hashlib
import re
from collections.abc import Mapping
from typing import TypeVar

import msgspec

from obelisk_runtime.core.ids import Digest
from obelisk_runtime.registry.errors import DigestMismatch, ForeignArtifact

MANIFEST_TYPE = "application/vnd.oci.image.manifest.v1+json"
INDEX_TYPES = ("application/vnd.oci.image.index.v1+json", "application/vnd.docker.distribution.manifest.list.v2+json")
CONFIG_TYPE = "application/vnd.wasm.config.v0+json"
LEGACY_CONFIG_TYPE = "application/vnd.wasm.config.v1+json"
LAYER_TYPE = "application/wasm"
LEGACY_LAYER_TYPE = "application/vnd.wasm.content.layer.v1+wasm"
SECTION_ANNOTATION = "dev.obelisk.section"
"""JSON of a ProposedSection."""
_IMAGE_CONFIG_TYPES = (
    "application/vnd.oci.image.config.v1+json",
    "application/vnd.docker.container.image.v1+json",
)
_COMPONENT_START = b"\0asm\x0d\0\1\0"
_MODULE_START = b"\0asm\1\0\0\0"
_SHA256 = re.compile(r"sha256:[0-9a-f]{64}")

Form = TypeVar("Form", bound=msgspec.Struct)


class Descriptor(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, rename="camel"):
    media_type: str
    digest: str
    size: int
    annotations: dict[str, str] = {}


class Manifest(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, rename="camel"):
    schema_version: int
    media_type: str | None = None
    config: Descriptor
    layers: list[Descriptor]
    annotations: dict[str, str] = {}


class ConfigComponent(msgspec.Struct, frozen=True, kw_only=True):
    exports: list[str] = []
    imports: list[str] = []
    target: str | None = None


class Details(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What a publisher tells beyond the common form, so that it can be shown before anything is pulled."""

    exports: list[str] = []
    """Functions with their types: `ns:pkg/ifc.name: func(...)`."""
    imports: list[str] = []
    """But those of WASI, which everybody knows."""
    producers: dict[str, dict[str, str]] = {}
    """The component's own section of that name: `processed-by` -> tool -> version."""


class WasmConfig(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    created: str | None = None
    author: str | None = None
    architecture: str | None = None
    os: str | None = None
    layer_digests: list[str] = []
    component: ConfigComponent | None = None
    obelisk: Details | None = None


class AllowedHost(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    pattern: str
    methods: list[str] = []


class ProposedSection(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What the author proposes to write into obelisk.toml."""

    kind: str | None = None
    allowed_hosts: list[AllowedHost] = []
    env: dict[str, str] = {}


class _Kind(msgspec.Struct, rename="camel"):
    media_type: str | None = None
    schema_version: int | None = None


def digest_of(raw: bytes) -> Digest:
    return Digest("sha256:" + hashlib.sha256(raw).hexdigest())


def check_digest(raw: bytes, expected: str, what: str) -> None:
    """Raises: DigestMismatch."""
    found = digest_of(raw)
    if found != expected:
        raise DigestMismatch(what, expected, found)


def describe_bytes(raw: bytes, media_type: str) -> Descriptor:
    return Descriptor(media_type=media_type, digest=digest_of(raw), size=len(raw))


def encode(form: msgspec.Struct) -> bytes:
    return msgspec.json.encode(form)


def component_manifest(config: bytes, wasm: bytes, annotations: Mapping[str, str]) -> bytes:
    return encode(
        Manifest(
            schema_version=2,
            media_type=MANIFEST_TYPE,
            config=describe_bytes(config, CONFIG_TYPE),
            layers=[describe_bytes(wasm, LAYER_TYPE)],
            annotations=dict(sorted(annotations.items())),
        )
    )


def component_config(wasm: bytes, created: str, component: ConfigComponent, details: Details) -> bytes:
    return encode(
        WasmConfig(
            created=created,
            architecture="wasm",
            os="wasip2",
            layer_digests=[digest_of(wasm)],
            component=component,
            obelisk=details,
        )
    )


def parse_manifest(raw: bytes, what: str) -> Manifest:
    """A manifest of one artifact of any kind. Raises: ForeignArtifact."""
    kind = _decode(raw, _Kind, f"{what} has no manifest that can be read")
    if kind.media_type in INDEX_TYPES:
        raise ForeignArtifact(
            f"{what} is an index of several artifacts, expected one component; give the digest of one"
        )
    if kind.schema_version != 2:
        raise ForeignArtifact(f"{what} has a manifest of schema version {kind.schema_version}, expected 2")
    return _decode(raw, Manifest, f"{what} has no manifest of an artifact")


def component_layer(manifest: Manifest, what: str) -> Descriptor:
    """The one layer of a component. Raises: ForeignArtifact."""
    kind = manifest.config.media_type
    if kind in _IMAGE_CONFIG_TYPES:
        raise ForeignArtifact(f"{what} is a container image, expected a WebAssembly component")
    if kind not in (CONFIG_TYPE, LEGACY_CONFIG_TYPE):
        raise ForeignArtifact(
            f"{what} has a config of type {kind!r}, expected {CONFIG_TYPE}: it is another kind of artifact"
        )
    if len(manifest.layers) != 1:
        raise ForeignArtifact(f"{what} has {len(manifest.layers)} layers, expected exactly one of type {LAYER_TYPE}")
    (layer,) = manifest.layers
    if layer.media_type not in (LAYER_TYPE, LEGACY_LAYER_TYPE):
        raise ForeignArtifact(f"{what} has a layer of type {layer.media_type!r}, expected {LAYER_TYPE}")
    check_sha256(layer, what)
    return layer


def check_sha256(descriptor: Descriptor, what: str) -> None:
    """Raises: ForeignArtifact."""
    if _SHA256.fullmatch(descriptor.digest) is None or descriptor.size < 0:
        raise ForeignArtifact(f"{what} is named by {descriptor.digest!r}, expected a sha256 digest")


def parse_config(raw: bytes, what: str) -> WasmConfig:
    """Raises: ForeignArtifact."""
    return _decode(raw, WasmConfig, f"{what} has no config that can be read")


def parse_section(manifest: Manifest, what: str) -> ProposedSection:
    """What the author proposes; nothing if there is no such annotation. Raises: ForeignArtifact."""
    text = manifest.annotations.get(SECTION_ANNOTATION, "{}")
    return _decode(text.encode(), ProposedSection, f"{what} has an unreadable annotation {SECTION_ANNOTATION}")


def check_component(wasm: bytes, what: str) -> None:
    """Whether the bytes start as a component does. Raises: ForeignArtifact."""
    if wasm.startswith(_COMPONENT_START):
        return
    if wasm.startswith(_MODULE_START):
        raise ForeignArtifact(f"{what} is a core WebAssembly module, expected a component")
    raise ForeignArtifact(f"{what} is no WebAssembly: it starts with {wasm[:8].hex(' ') or 'nothing'}")


def _decode(raw: bytes, form: type[Form], problem: str) -> Form:
    try:
        return msgspec.json.decode(raw, type=form)
    except (msgspec.DecodeError, RecursionError) as error:
        raise ForeignArtifact(f"{problem}: {error}") from error
