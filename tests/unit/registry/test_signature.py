import json
from collections.abc import Sequence

import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa

from obelisk_runtime.core.ids import Digest
from obelisk_runtime.registry import Reference
from obelisk_runtime.registry.signature import (
    PublicKey,
    Signature,
    UnusableKey,
    payload_of,
    public_key,
    refusal,
    sign,
    signature_tag,
)

DIGEST, OTHER = Digest("sha256:" + "a" * 64), Digest("sha256:" + "b" * 64)
KEY = ec.generate_private_key(ec.SECP256R1())
PAYLOAD = payload_of(Reference("host", "a/b", "t"), DIGEST)


def pem(key: "ec.EllipticCurvePrivateKey | rsa.RSAPrivateKey") -> bytes:
    return key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )


def public_pem(key: "ec.EllipticCurvePrivateKey | rsa.RSAPrivateKey") -> bytes:
    return key.public_key().public_bytes(serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo)


def refused(signature: Signature, digest: Digest = DIGEST, keys: Sequence[PublicKey] = ()) -> str | None:
    return refusal(signature, digest, keys or [public_key(public_pem(KEY))])


def test_the_payload_is_that_of_simple_signing() -> None:
    assert json.loads(PAYLOAD) == {
        "critical": {
            "identity": {"docker-reference": "host/a/b"},
            "image": {"docker-manifest-digest": DIGEST},
            "type": "cosign container image signature",
        },
        "optional": None,
    }
    assert signature_tag(DIGEST) == "sha256-" + "a" * 64 + ".sig"


def test_a_right_signature_vouches_for_its_digest_alone() -> None:
    signature = sign(PAYLOAD, pem(KEY), None)
    assert refused(signature) is None
    assert refused(signature, OTHER) == f"it is for {DIGEST}"


def test_what_was_altered_or_signed_by_others_is_refused() -> None:
    signature = sign(PAYLOAD, pem(KEY), None)
    other = ec.generate_private_key(ec.SECP256R1())
    altered = Signature(PAYLOAD.replace(b"aa", b"ab", 1), signature.signature)
    assert refused(altered) == "it was made with another key, or the payload was altered"
    assert refused(sign(PAYLOAD, pem(other), None)) == "it was made with another key, or the payload was altered"
    assert refused(sign(PAYLOAD, pem(other), None), keys=[public_key(public_pem(key)) for key in (KEY, other)]) is None
    assert refused(Signature(PAYLOAD, "?")) == "it is not base64"
    assert refused(Signature(PAYLOAD, "")) == "it was made with another key, or the payload was altered"


def test_a_signed_payload_of_another_form_is_refused() -> None:
    for payload in (b"", b"{}", b'{"critical": {"image": {}}}', b"[1]"):
        found = refused(sign(payload, pem(KEY), None))
        assert found is not None
        assert found.startswith("its payload cannot be read")


@pytest.mark.parametrize(
    "key",
    [ec.generate_private_key(ec.SECP384R1()), rsa.generate_private_key(65537, 2048)],
    ids=["P-384", "RSA"],
)
def test_other_kinds_of_keys_are_refused(key: "ec.EllipticCurvePrivateKey | rsa.RSAPrivateKey") -> None:
    with pytest.raises(UnusableKey, match="not ECDSA on the curve P-256"):
        sign(PAYLOAD, pem(key), None)
    with pytest.raises(UnusableKey, match="not ECDSA on the curve P-256"):
        public_key(public_pem(key))


def test_what_is_no_key_is_said() -> None:
    with pytest.raises(UnusableKey, match="private key cannot be used"):
        sign(PAYLOAD, b"x", None)
    with pytest.raises(UnusableKey, match="public key cannot be used"):
        public_key(pem(KEY))
