"""Components pushed to and pulled from a real registry."""

import asyncio
import json
import subprocess
import threading
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
from wasmtime import wat2wasm

from obelisk_runtime.registry import Reference
from obelisk_runtime.registry.artifact import digest_of
from obelisk_runtime.registry.client import CHUNK_BYTES
from obelisk_runtime.registry.errors import AuthenticationRequired, CertificateRefused, NotInRegistry
from obelisk_runtime.registry.oci import OciComponents
from obelisk_runtime.registry.pushing import Publication

Location = Callable[[str], Reference]


async def test_what_was_pushed_is_pulled_by_tag_and_by_digest(
    registries: Any, oci: OciComponents, anonymous: str, location: Location, publication: Publication
) -> None:
    reference = location(anonymous)
    pushed = await oci.push(reference, publication)
    assert pushed.digest is not None
    by_tag = await oci.pull(reference)
    assert (by_tag.wasm, by_tag.reference, by_tag.from_network) == (publication.wasm, pushed, True)
    async with registries.components("another cache") as elsewhere:
        by_digest = await elsewhere.pull(Reference(reference.registry, reference.repository, digest=pushed.digest))
        assert by_digest.wasm == publication.wasm


async def test_skopeo_reads_what_was_pushed(
    oci: OciComponents, anonymous: str, location: Location, publication: Publication
) -> None:
    reference = location(anonymous)
    pushed = await oci.push(reference, publication)
    image = str(reference).replace("oci://", "docker://")
    raw = await asyncio.to_thread(subprocess.check_output, ["skopeo", "inspect", "--raw", "--tls-verify=false", image])
    assert digest_of(raw) == pushed.digest
    manifest = json.loads(raw)
    assert manifest["mediaType"] == "application/vnd.oci.image.manifest.v1+json"
    assert manifest["config"]["mediaType"] == "application/vnd.wasm.config.v0+json"
    assert [layer["mediaType"] for layer in manifest["layers"]] == ["application/wasm"]
    assert manifest["layers"][0]["digest"] == digest_of(publication.wasm)


async def test_a_password_is_needed_and_found_in_the_docker_config(
    registries: Any, oci: OciComponents, with_password: str, location: Location, publication: Publication
) -> None:
    reference = location(with_password)
    with pytest.raises(AuthenticationRequired, match="log in"):
        await oci.push(reference, publication)
    registries.log_in(with_password)
    await oci.push(reference, publication)
    assert (await oci.pull(reference)).wasm == publication.wasm
    registries.log_in(with_password, password="wrong")
    with pytest.raises(AuthenticationRequired, match="401"):
        await oci.resolve(reference)
    assert registries.waited == []


async def test_a_token_is_asked_for_with_the_scope_that_is_needed(
    registries: Any, oci: OciComponents, with_tokens: str, tokens: Any, location: Location, publication: Publication
) -> None:
    reference = location(with_tokens)
    server, _ = tokens
    with pytest.raises(AuthenticationRequired):
        await oci.push(reference, publication)
    registries.log_in(with_tokens)
    await oci.push(reference, publication)
    assert server.asked[-1]["scope"] == f"repository:{reference.repository}:pull,push"
    registries.docker_config({})
    assert (await oci.pull(reference)).wasm == publication.wasm
    assert server.asked[-1]["scope"] == f"repository:{reference.repository}:pull"
    assert server.asked[-1]["authorization"] == ""


async def test_tls_with_an_authority_of_its_own(
    registries: Any, with_tls: str, authority: Any, location: Location, publication: Publication
) -> None:
    reference = location(with_tls)
    async with registries.components() as untrusting:
        with pytest.raises(CertificateRefused, match="ca_file"):
            await untrusting.push(reference, publication)
    async with registries.components(ca_file=authority.certificate) as trusting:
        await trusting.push(reference, publication)
        assert (await trusting.pull(reference)).wasm == publication.wasm


async def test_a_missing_tag_is_named(oci: OciComponents, anonymous: str, location: Location) -> None:
    with pytest.raises(NotInRegistry, match=r"tests/c\d+:v1 is not there \(404.*check repository, tag and digest"):
        await oci.pull(location(anonymous))


async def test_twenty_pulls_at_once_download_once(
    registries: Any, oci: OciComponents, proxy: Any, location: Location, publication: Publication
) -> None:
    reference = location(proxy.address)
    await oci.push(reference, publication)
    proxy.seen.clear()
    async with registries.components() as second:
        pulled = await asyncio.gather(*(each.pull(reference) for each in [oci, second] * 10))
    assert {each.wasm for each in pulled} == {publication.wasm}
    assert proxy.count("GET", f"/blobs/{digest_of(publication.wasm)}") == 1
    assert sum(each.from_network for each in pulled) == 1


async def test_several_components_are_pulled_at_the_same_time(
    registries: Any, oci: OciComponents, proxy: Any, location: Location, publication: Publication
) -> None:
    first, second = location(proxy.address).at("a"), location(proxy.address).at("b")
    await oci.push(first, publication)
    await oci.push(second, replace(publication, wasm=publication.wasm + b"\0\1\0"))
    both = threading.Barrier(2)

    def wait_for_the_other(seen: Any, _answer: Any) -> None:
        if seen.method == "GET" and "/blobs/" in seen.path:
            both.wait(4)

    proxy.fault = wait_for_the_other
    pulled = await asyncio.gather(oci.pull(first), oci.pull(second))
    assert [len(each.wasm) for each in pulled] == [len(publication.wasm), len(publication.wasm) + 3]


async def test_progress_is_told_while_a_component_goes(
    oci: OciComponents, anonymous: str, location: Location, publication: Publication
) -> None:
    large = bytes(wat2wasm(f'(component (core module (data "{"x" * 2 * CHUNK_BYTES}")))'))
    size = len(large)
    told: list[tuple[int, int]] = []
    await oci.push(
        location(anonymous), replace(publication, wasm=large), lambda sent, total: told.append((sent, total))
    )
    steps = [*range(CHUNK_BYTES, size, CHUNK_BYTES), size]
    assert told == [*((sent, size) for sent in steps), (size, size)]
    assert (await oci.pull(location(anonymous))).wasm == large


async def test_progress_is_told_while_a_component_comes(
    oci: OciComponents, anonymous: str, location: Location, publication: Publication
) -> None:
    reference, size = location(anonymous), len(publication.wasm)
    await oci.push(reference, publication)
    told: list[tuple[int, int]] = []
    await oci.pull(reference, lambda received, total: told.append((received, total)))
    assert told[0] == (0, size)
    assert told[-1] == (size, size)


async def test_a_pull_that_is_cancelled_stops_and_leaves_nothing(
    registries: Any, proxy: Any, location: Location, publication: Publication
) -> None:
    reference = location(proxy.address)
    asked, may_answer = asyncio.Event(), threading.Event()
    loop = asyncio.get_running_loop()

    def hold(seen: Any, _answer: Any) -> None:
        if seen.method == "GET" and "/blobs/" in seen.path:
            loop.call_soon_threadsafe(asked.set)
            assert may_answer.wait(4)

    async with registries.components() as oci:
        await oci.push(reference, publication)
        proxy.fault = hold
        pulling = asyncio.create_task(oci.pull(reference))
        await asked.wait()
        pulling.cancel()
        with pytest.raises(asyncio.CancelledError):
            await pulling
        oci._pace.stopped.set()
        may_answer.set()
    assert len(registries.cached) == 1  # the manifest
