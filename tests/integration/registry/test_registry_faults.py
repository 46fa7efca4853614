"""A registry, its network or an artifact is bad: each has its error, and nothing half-written stays in the cache."""

import asyncio
import json
import threading
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
from wasmtime import wat2wasm

from obelisk_runtime.registry import ComponentUnavailable, Reference, RegistryLimits
from obelisk_runtime.registry.artifact import digest_of
from obelisk_runtime.registry.errors import (
    AccessDenied,
    AuthenticationRequired,
    CredentialsWithheld,
    DigestMismatch,
    ForeignArtifact,
    NotInRegistry,
    RateLimited,
    RedirectRefused,
    RegistryFailed,
    RegistryStalled,
    RegistryUnreachable,
    TooLarge,
    Truncated,
)
from obelisk_runtime.registry.oci import OciComponents
from obelisk_runtime.registry.pushing import Publication
from registry_servers import Answer, Proxy, Seen
from registry_servers import proxy as start_proxy

Location = Callable[[str], Reference]


def is_layer(seen: Seen, publication: Publication) -> bool:
    return seen.method == "GET" and seen.path.endswith(digest_of(publication.wasm))


def is_manifest(seen: Seen) -> bool:
    return seen.method == "GET" and "/manifests/" in seen.path


@pytest.fixture
async def pushed(proxy: Proxy, oci: OciComponents, location: Location, publication: Publication) -> Reference:
    """Pinned, through the proxy."""
    return await oci.push(location(proxy.address), publication)


async def failing(registries: Any, reference: Reference, error: type[ComponentUnavailable], **limits: Any) -> str:
    """The words of the failure of a pull, after which the cache holds nothing of the component."""
    async with registries.components(limits=RegistryLimits(connect_seconds=5, read_seconds=5, **limits)) as oci:
        with pytest.raises(ComponentUnavailable) as caught:
            await oci.pull(reference)
    assert type(caught.value) is error, caught.value
    assert [name for name in registries.cached if name.startswith(".")] == []
    assert len(registries.cached) <= 1  # the manifest alone
    return str(caught.value)


async def test_an_altered_component_is_refused_at_once(
    registries: Any, proxy: Proxy, pushed: Reference, publication: Publication
) -> None:
    altered = publication.wasm[:-1] + bytes([publication.wasm[-1] ^ 1])
    proxy.fault = lambda seen, answer: replace(answer, body=altered) if is_layer(seen, publication) else None
    said = await failing(registries, pushed, DigestMismatch)
    assert f"expected {digest_of(publication.wasm)}" in said
    assert registries.waited == []


async def test_an_altered_manifest_is_refused(registries: Any, proxy: Proxy, pushed: Reference) -> None:
    proxy.fault = lambda seen, answer: replace(answer, body=answer.body + b" ") if is_manifest(seen) else None
    assert "the manifest of" in await failing(registries, pushed, DigestMismatch)
    by_tag = Reference(pushed.registry, pushed.repository, pushed.tag)
    assert "the manifest of" in await failing(registries, by_tag, DigestMismatch)


async def test_a_connection_that_breaks_is_tried_again(
    registries: Any, oci: OciComponents, proxy: Proxy, pushed: Reference, publication: Publication
) -> None:
    broken: list[Seen] = []

    def break_once(seen: Seen, answer: Answer) -> Answer | None:
        if not is_layer(seen, publication) or broken:
            return None
        broken.append(seen)
        return replace(answer, cut=5)

    proxy.fault = break_once
    pulled = await oci.pull(pushed)
    assert pulled.wasm == publication.wasm
    assert registries.waited == [0.125]


async def test_a_connection_that_always_breaks_is_given_up(
    registries: Any, proxy: Proxy, pushed: Reference, publication: Publication
) -> None:
    proxy.fault = lambda seen, answer: replace(answer, cut=5) if is_layer(seen, publication) else None
    assert "no connection to the registry" in await failing(registries, pushed, RegistryUnreachable)
    assert registries.waited == [0.125, 0.25, 0.5]
    assert proxy.count("GET", digest_of(publication.wasm)) == 4


async def test_a_truncated_component_is_said(
    registries: Any, proxy: Proxy, pushed: Reference, publication: Publication
) -> None:
    proxy.fault = lambda seen, answer: replace(answer, body=answer.body[:5]) if is_layer(seen, publication) else None
    assert f"ended after 5 of {len(publication.wasm)} bytes" in await failing(registries, pushed, Truncated)


async def test_a_registry_that_stalls_is_given_up(
    registries: Any, proxy: Proxy, pushed: Reference, publication: Publication
) -> None:
    proxy.fault = lambda seen, answer: replace(answer, stall=True) if is_layer(seen, publication) else None
    async with registries.components(limits=RegistryLimits(read_seconds=2, attempts_max=2)) as oci:
        with pytest.raises(RegistryStalled, match="stalled"):
            await oci.pull(pushed)
    assert proxy.count("GET", digest_of(publication.wasm)) == 2
    assert len(registries.cached) == 1


async def test_the_event_loop_runs_while_a_registry_does_not_answer(
    oci: OciComponents, proxy: Proxy, pushed: Reference, publication: Publication
) -> None:
    asked, may_answer = threading.Event(), threading.Event()

    def hold(seen: Seen, answer: Answer) -> None:
        if is_layer(seen, publication):
            asked.set()
            assert may_answer.wait(4)

    proxy.fault = hold
    pulling = asyncio.create_task(oci.pull(pushed))
    await asyncio.to_thread(asked.wait, 4)
    may_answer.set()
    assert (await pulling).wasm == publication.wasm


@pytest.mark.parametrize(
    ("status", "error", "attempts"),
    [
        (401, AuthenticationRequired, 1),
        (403, AccessDenied, 1),
        (404, NotInRegistry, 1),
        (429, RateLimited, 4),
        (500, RegistryFailed, 4),
        (501, RegistryFailed, 1),
        (503, RegistryFailed, 4),
    ],
)
async def test_a_refusal_is_tried_again_only_if_that_can_help(
    registries: Any, proxy: Proxy, pushed: Reference, status: int, error: type[ComponentUnavailable], attempts: int
) -> None:
    body = json.dumps({"errors": [{"code": "X", "message": "the words\x1b of the registry"}]}).encode()
    proxy.seen.clear()
    proxy.fault = lambda seen, _: Answer(status, {}, body) if is_manifest(seen) else None
    said = await failing(registries, pushed, error)
    assert f"{status}: the words of the registry" in said
    assert proxy.count("GET", "/manifests/") == attempts


async def test_retry_after_is_heeded(registries: Any, oci: OciComponents, proxy: Proxy, pushed: Reference) -> None:
    answers = iter([Answer(429, {"Retry-After": "7"})])
    proxy.fault = lambda seen, _: next(answers, None) if is_manifest(seen) else None
    await oci.resolve(pushed)
    assert registries.waited == [7.0]


async def test_a_registry_that_asks_to_wait_long_is_not_waited_for(
    registries: Any, proxy: Proxy, pushed: Reference
) -> None:
    proxy.fault = lambda seen, _: Answer(429, {"Retry-After": "3600"}) if is_manifest(seen) else None
    assert "retry after 3600" in await failing(registries, pushed, RateLimited)
    assert registries.waited == []


async def test_nobody_listens(registries: Any, location: Location) -> None:
    said = await failing(registries, location("127.0.0.1:9"), RegistryUnreachable)
    assert "no connection to the registry" in said


async def test_authorization_does_not_follow_a_redirect_to_another_host(
    registries: Any, oci: OciComponents, anonymous: str, proxy: Proxy, pushed: Reference, publication: Publication
) -> None:
    registries.log_in(proxy.address)
    with start_proxy(anonymous) as storage:

        def guard(seen: Seen, answer: Answer) -> Answer | None:
            if "Authorization" not in seen.headers:
                return Answer(401, {"WWW-Authenticate": 'Basic realm="tests"'})
            if is_layer(seen, publication):
                return Answer(307, {"Location": f"http://{storage.address}{seen.path}"})
            return None

        proxy.fault = guard
        assert (await oci.pull(pushed)).wasm == publication.wasm
        (moved,) = storage.seen
    assert "Authorization" not in moved.headers


async def test_endless_redirects_are_refused(registries: Any, proxy: Proxy, pushed: Reference) -> None:
    proxy.fault = lambda seen, _: Answer(307, {"Location": seen.path}) if is_manifest(seen) else None
    assert "more than 5 redirects" in await failing(registries, pushed, RedirectRefused)


@pytest.mark.parametrize(
    ("realm", "said"),
    [("http://tokens.example/token", "may not see the credentials"), ("ftp://127.0.0.1/token", "it is not https")],
)
async def test_credentials_go_to_no_other_host(
    registries: Any, proxy: Proxy, pushed: Reference, realm: str, said: str
) -> None:
    registries.log_in(proxy.address)
    proxy.fault = lambda _, __: Answer(401, {"WWW-Authenticate": f'Bearer realm="{realm}",service="x"'})
    assert said in await failing(registries, pushed, CredentialsWithheld)


def manifest_fault(change: Callable[[dict[str, Any]], Any]) -> Callable[[Seen, Answer], Answer | None]:
    """Serves a changed manifest under its tag, with a digest that is right."""

    def fault(seen: Seen, answer: Answer) -> Answer | None:
        if not is_manifest(seen):
            return None
        manifest = json.loads(answer.body)
        raw = json.dumps(change(manifest) or manifest).encode()
        return replace(answer, body=raw, headers={**answer.headers, "Docker-Content-Digest": digest_of(raw)})

    return fault


def config_of(kind: str) -> Callable[[dict[str, Any]], Any]:
    return lambda manifest: manifest["config"].update(mediaType=kind)


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda m: m["layers"].append(m["layers"][0]), "has 2 layers, expected exactly one"),
        (lambda m: m["layers"].clear(), "has 0 layers"),
        (lambda m: m["layers"][0].update(mediaType="application/tar"), "layer of type 'application/tar'"),
        (config_of("application/vnd.oci.image.config.v1+json"), "is a container image"),
        (config_of("application/vnd.cncf.helm.config.v1+json"), "another kind of artifact"),
        (lambda m: m["layers"][0].update(digest="md5:1"), "expected a sha256 digest"),
        (lambda m: m["layers"][0].update(size="x"), "no manifest of an artifact"),
        (lambda m: m.update(schemaVersion=1), "schema version 1"),
        (lambda m: m.update(mediaType="application/vnd.oci.image.index.v1+json"), "an index of several artifacts"),
        (lambda _: ["x"], "no manifest that can be read"),
    ],
)
async def test_a_foreign_artifact_is_refused(
    registries: Any, proxy: Proxy, pushed: Reference, change: Callable[[dict[str, Any]], Any], said: str
) -> None:
    proxy.fault = manifest_fault(change)
    by_tag = Reference(pushed.registry, pushed.repository, pushed.tag)
    assert said in await failing(registries, by_tag, ForeignArtifact)


async def test_the_legacy_layer_type_is_pulled(
    oci: OciComponents, proxy: Proxy, pushed: Reference, publication: Publication
) -> None:
    def legacy(manifest: dict[str, Any]) -> None:
        manifest["layers"][0]["mediaType"] = "application/vnd.wasm.content.layer.v1+wasm"
        manifest["config"]["mediaType"] = "application/vnd.wasm.config.v1+json"

    proxy.fault = manifest_fault(legacy)
    pulled = await oci.pull(Reference(pushed.registry, pushed.repository, pushed.tag))
    assert pulled.wasm == publication.wasm


async def test_a_core_module_is_refused_when_pushed_and_when_pulled(
    oci: OciComponents, proxy: Proxy, pushed: Reference, publication: Publication
) -> None:
    module = bytes(wat2wasm(f'(module (memory 1) (data (i32.const 0) "{pushed.repository}"))'))
    with pytest.raises(ForeignArtifact, match="core WebAssembly module"):
        await oci.push(pushed.at("module"), replace(publication, wasm=module))

    def serve_module(seen: Seen, answer: Answer) -> Answer | None:
        if seen.path.endswith(digest_of(module)):
            return Answer(200, {}, module)
        change = lambda m: m["layers"][0].update(digest=digest_of(module), size=len(module))  # noqa: E731
        return manifest_fault(change)(seen, answer)

    proxy.fault = serve_module
    with pytest.raises(ForeignArtifact, match="core WebAssembly module, expected a component"):
        await oci.pull(Reference(pushed.registry, pushed.repository, pushed.tag))


async def test_a_component_above_the_limit_is_not_downloaded(
    registries: Any, proxy: Proxy, pushed: Reference, publication: Publication
) -> None:
    assert "the limit is 4" in await failing(registries, pushed, TooLarge, component_bytes_max=4)
    assert proxy.count("GET", digest_of(publication.wasm)) == 0


async def test_more_bytes_than_announced_are_not_read(
    registries: Any, proxy: Proxy, pushed: Reference, publication: Publication
) -> None:
    proxy.fault = lambda seen, answer: (
        replace(answer, body=answer.body + b"more") if is_layer(seen, publication) else None
    )
    assert f"the limit is {len(publication.wasm)}" in await failing(registries, pushed, TooLarge)
