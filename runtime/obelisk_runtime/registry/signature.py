"""Signatures as cosign keeps them beside an artifact, without any I/O.

The tag `sha256-<hex>.sig` names a manifest whose layers are payloads in the "simple signing" form; each layer carries
the base64 of an ECDSA signature (P-256, SHA-256, DER) over its bytes in an annotation
(https://github.com/sigstore/cosign/blob/main/specs/SIGNATURE_SPEC.md).
"""

import base64
import binascii
from collections.abc import Sequence
from dataclasses import dataclass

import msgspec
from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

from obelisk_runtime.core.ids import Digest
from obelisk_runtime.registry.artifact import MANIFEST_TYPE, Descriptor, Manifest, encode
from obelisk_runtime.registry.errors import ComponentUnavailable
from obelisk_runtime.registry.reference import Reference

PAYLOAD_TYPE = "application/vnd.dev.cosign.simplesigning.v1+json"
SIGNATURE_ANNOTATION = "dev.cosignproject.cosign/signature"
CONFIG_TYPE = "application/vnd.oci.image.config.v1+json"
PublicKey = ec.EllipticCurvePublicKey
PAYLOAD_KIND = "cosign container image signature"


class UnusableKey(ComponentUnavailable):
    """A key that is no ECDSA P-256 key in PEM."""


class _Identity(msgspec.Struct, rename="kebab"):
    docker_reference: str


class _Image(msgspec.Struct, rename="kebab"):
    docker_manifest_digest: str


class _Critical(msgspec.Struct):
    identity: _Identity
    image: _Image
    type: str


class _Payload(msgspec.Struct):
    critical: _Critical
    optional: dict[str, object] | None = None


@dataclass(frozen=True, slots=True)
class Signature:
    payload: bytes
    signature: str
    """Base64."""


def signature_tag(digest: Digest) -> str:
    return digest.replace(":", "-") + ".sig"


def payload_of(reference: Reference, digest: Digest) -> bytes:
    """What is signed: that this digest is what the repository means."""
    identity = _Identity(f"{reference.registry}/{reference.repository}")
    return msgspec.json.encode(_Payload(_Critical(identity, _Image(digest), PAYLOAD_KIND)))


def sign(payload: bytes, private_key: bytes, password: bytes | None) -> Signature:
    """Raises: UnusableKey."""
    try:
        key = serialization.load_pem_private_key(private_key, password)
    except (ValueError, TypeError, UnsupportedAlgorithm) as error:
        raise UnusableKey(f"the private key cannot be used: {error}") from error
    if not isinstance(key, ec.EllipticCurvePrivateKey) or not isinstance(key.curve, ec.SECP256R1):
        raise UnusableKey("the private key is not ECDSA on the curve P-256")
    return Signature(payload, base64.b64encode(key.sign(payload, ec.ECDSA(hashes.SHA256()))).decode())


def public_key(pem: bytes) -> PublicKey:
    """Raises: UnusableKey."""
    try:
        key = serialization.load_pem_public_key(pem)
    except (ValueError, UnsupportedAlgorithm) as error:
        raise UnusableKey(f"the public key cannot be used: {error}") from error
    if not isinstance(key, ec.EllipticCurvePublicKey) or not isinstance(key.curve, ec.SECP256R1):
        raise UnusableKey("the public key is not ECDSA on the curve P-256")
    return key


def refusal(signature: Signature, digest: Digest, keys: Sequence[PublicKey]) -> str | None:
    """Why the signature does not vouch for the digest; None if it does."""
    try:
        raw = base64.b64decode(signature.signature, validate=True)
    except binascii.Error:
        return "it is not base64"
    if not any(_signed_by(key, raw, signature.payload) for key in keys):
        return "it was made with another key, or the payload was altered"
    try:
        critical = msgspec.json.decode(signature.payload, type=_Payload).critical
    except msgspec.DecodeError as error:
        return f"its payload cannot be read: {error}"
    if critical.image.docker_manifest_digest != digest:
        return f"it is for {critical.image.docker_manifest_digest}"
    return None


def signature_manifest(config: Descriptor, layers: Sequence[Descriptor]) -> bytes:
    return encode(Manifest(schema_version=2, media_type=MANIFEST_TYPE, config=config, layers=list(layers)))


def signature_layers(manifest: Manifest) -> list[Descriptor]:
    return [layer for layer in manifest.layers if layer.media_type == PAYLOAD_TYPE]


def _signed_by(key: PublicKey, signature: bytes, payload: bytes) -> bool:
    try:
        key.verify(signature, payload, ec.ECDSA(hashes.SHA256()))
    except InvalidSignature:
        return False
    return True
