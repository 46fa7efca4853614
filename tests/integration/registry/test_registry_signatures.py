"""Signatures beside artifacts, and the policy that requires them."""

import http.client
import json
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec

from obelisk_runtime.registry import Reference, SignaturePolicy
from obelisk_runtime.registry.errors import SignatureMissing, SignatureRefused
from obelisk_runtime.registry.oci import OciComponents
from obelisk_runtime.registry.pushing import Publication
from obelisk_runtime.registry.signature import signature_tag
from registry_servers import Answer, Proxy, Seen
from registry_servers import proxy as start_proxy

Location = Callable[[str], Reference]


@dataclass(frozen=True)
class Keys:
    private: bytes
    public: bytes


def make_keys(password: bytes | None = None) -> Keys:
    key = ec.generate_private_key(ec.SECP256R1())
    protection = serialization.BestAvailableEncryption(password) if password else serialization.NoEncryption()
    return Keys(
        key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, protection),
        key.public_key().public_bytes(serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo),
    )


@pytest.fixture(scope="module")
def keys() -> Keys:
    return make_keys()


def requiring(registries: Any, *keys: Keys, cache: str = "cache") -> OciComponents:
    return registries.components(cache, policy=SignaturePolicy(("127.0.0.1*",), tuple(key.public for key in keys)))


async def test_what_is_not_signed_is_refused_where_the_policy_says_so(
    registries: Any, oci: OciComponents, anonymous: str, location: Location, publication: Publication, keys: Keys
) -> None:
    reference = location(anonymous)
    await oci.push(reference, publication)
    async with requiring(registries, keys) as strict:
        with pytest.raises(SignatureMissing, match=r"is not signed.*obelisk component sign"):
            await strict.pull(reference)
    assert len(registries.cached) == 1  # the manifest: nothing of the component
    assert (await oci.pull(reference)).wasm == publication.wasm


async def test_what_is_signed_is_pulled_also_offline(
    registries: Any, oci: OciComponents, anonymous: str, location: Location, publication: Publication, keys: Keys
) -> None:
    with start_proxy(anonymous) as gone:
        reference = location(gone.address)
        pushed = await oci.push(reference, publication)
        assert await oci.sign(reference, keys.private, None) == pushed
        async with requiring(registries, keys) as strict:
            assert (await strict.pull(reference)).wasm == publication.wasm
    async with requiring(registries, keys) as strict:
        assert (await strict.pull(reference)).wasm == publication.wasm


async def test_another_key_is_refused_until_one_of_the_signatures_is_right(
    registries: Any, oci: OciComponents, anonymous: str, location: Location, publication: Publication, keys: Keys
) -> None:
    reference = location(anonymous)
    await oci.push(reference, publication)
    other = make_keys(b"secret")
    await oci.sign(reference, other.private, b"secret")
    async with requiring(registries, keys) as strict:
        with pytest.raises(SignatureRefused, match="made with another key"):
            await strict.pull(reference)
        await oci.sign(reference, keys.private, None)
        assert (await strict.pull(reference)).wasm == publication.wasm
    async with requiring(registries, other, cache="other") as strict:
        assert (await strict.pull(reference)).wasm == publication.wasm


async def test_the_signature_of_another_digest_is_refused(
    registries: Any, oci: OciComponents, proxy: Proxy, location: Location, publication: Publication, keys: Keys
) -> None:
    signed = await oci.push(location(proxy.address).at("signed"), publication)
    await oci.sign(signed, keys.private, None)
    changed = Publication(publication.wasm, publication.component, publication.details, {"x": "y"}, "2026")
    other = await oci.push(location(proxy.address).at("other"), changed)
    assert signed.digest is not None
    assert other.digest is not None
    tags = signature_tag(signed.digest), signature_tag(other.digest)

    def swap(seen: Seen, _: Answer) -> Answer | None:
        if not seen.path.endswith(tags[1]):
            return None
        connection = http.client.HTTPConnection(proxy.upstream)
        connection.request("GET", seen.path.replace(tags[1], tags[0]), headers={"Accept": seen.headers["Accept"]})
        response = connection.getresponse()
        answer = Answer(200, {"Content-Type": response.headers["Content-Type"]}, response.read())
        connection.close()
        return answer

    proxy.fault = swap
    async with requiring(registries, keys) as strict:
        with pytest.raises(SignatureRefused, match=f"it is for {signed.digest}"):
            await strict.pull(other)


async def test_the_signature_has_the_form_of_cosign(
    oci: OciComponents, anonymous: str, location: Location, publication: Publication, keys: Keys
) -> None:
    pushed = await oci.push(location(anonymous), publication)
    await oci.sign(pushed, keys.private, None)
    assert pushed.digest is not None
    at = pushed.at(signature_tag(pushed.digest))
    with oci._puller.client(at) as client:
        _, raw = client.manifest(at.selector)
    manifest = json.loads(raw)
    (layer,) = manifest["layers"]
    assert at.tag == f"sha256-{pushed.digest.removeprefix('sha256:')}.sig"
    assert manifest["config"]["mediaType"] == "application/vnd.oci.image.config.v1+json"
    assert layer["mediaType"] == "application/vnd.dev.cosign.simplesigning.v1+json"
    assert list(layer["annotations"]) == ["dev.cosignproject.cosign/signature"]
