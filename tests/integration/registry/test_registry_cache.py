"""The cache of pulled components."""

import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import IO, Any

import pytest

from obelisk_runtime.registry import Reference
from obelisk_runtime.registry.artifact import digest_of
from obelisk_runtime.registry.cache import PARTIAL, PARTIAL_SECONDS_MAX, ContentCache
from obelisk_runtime.registry.errors import CacheUnusable, RegistryUnreachable
from obelisk_runtime.registry.oci import OciComponents
from obelisk_runtime.registry.pushing import Publication
from registry_servers import Proxy
from registry_servers import proxy as start_proxy

Location = Callable[[str], Reference]


async def test_a_digest_that_is_cached_needs_no_registry(
    oci: OciComponents, proxy: Proxy, location: Location, publication: Publication
) -> None:
    pinned = (await oci.push(location(proxy.address), publication)).pinned
    first = await oci.pull(location(proxy.address))
    proxy.seen.clear()
    again = await oci.pull(first.reference)
    assert (again.wasm, again.from_network, again.offline) == (publication.wasm, False, None)
    assert proxy.seen == []
    assert pinned(digest_of(b"")) != first.reference


async def test_a_tag_is_what_it_was_when_the_registry_is_gone(
    oci: OciComponents, anonymous: str, location: Location, publication: Publication
) -> None:
    with start_proxy(anonymous) as gone:
        reference = location(gone.address)
        await oci.push(reference, publication)
        online = await oci.pull(reference)
    offline = await oci.pull(reference)
    assert offline.wasm == publication.wasm
    assert offline.reference == online.reference
    assert online.offline is None
    assert offline.offline is not None
    assert "no connection to the registry" in offline.offline


async def test_a_tag_that_was_never_seen_is_missed_when_the_registry_is_gone(
    oci: OciComponents, location: Location
) -> None:
    with pytest.raises(RegistryUnreachable):
        await oci.pull(location("127.0.0.1:9"))


async def test_a_damaged_blob_is_downloaded_again(
    registries: Any, oci: OciComponents, anonymous: str, location: Location, publication: Publication
) -> None:
    reference = location(anonymous)
    await oci.push(reference, publication)
    await oci.pull(reference)
    blob = registries.folder / "cache" / "blobs" / digest_of(publication.wasm).replace(":", "-")
    blob.write_bytes(publication.wasm[:-1])
    assert (await oci.pull(reference)).wasm == publication.wasm
    assert blob.read_bytes() == publication.wasm


async def test_describing_reads_manifest_and_config_only(
    oci: OciComponents, proxy: Proxy, location: Location, publication: Publication
) -> None:
    reference = location(proxy.address)
    await oci.push(reference, publication)
    proxy.seen.clear()
    described = await oci.describe(reference)
    assert described.config.os == "wasip2"
    assert described.config.component is not None
    assert described.config.component.exports == ["testing:a/b"]
    assert described.layer.size == len(publication.wasm)
    assert proxy.count("GET", digest_of(publication.wasm)) == 0
    assert sum(seen.method == "GET" and "/v2/tests" in seen.path for seen in proxy.seen) == 2


async def test_a_component_in_the_form_of_wkg_is_described(
    oci: OciComponents, anonymous: str, location: Location, wasm: bytes
) -> None:
    """The config that `wkg oci push` writes: no word of ours in it."""
    config = json.dumps(
        {
            "created": "2026-01-02T03:04:05.678901234Z",
            "architecture": "wasm",
            "os": "wasip2",
            "layerDigests": [digest_of(wasm)],
            "component": {"exports": ["wasi:http/incoming-handler@0.2.0"], "imports": [], "target": None},
        }
    ).encode()
    reference = location(anonymous)
    with oci._puller.client(reference, push=True) as client:
        layers = [client.push_blob(wasm, "application/wasm", "x")]
        stored = client.push_blob(config, "application/vnd.wasm.config.v0+json", "x")
        manifest = {
            "schemaVersion": 2,
            "mediaType": "application/vnd.oci.image.manifest.v1+json",
            "config": {"mediaType": stored.media_type, "digest": stored.digest, "size": stored.size},
            "layers": [{"mediaType": each.media_type, "digest": each.digest, "size": each.size} for each in layers],
        }
        client.push_manifest(json.dumps(manifest).encode(), "v1")
    assert (await oci.pull(reference)).wasm == wasm
    described = await oci.describe(reference)
    assert described.config.obelisk is None
    assert described.config.component is not None
    assert described.config.component.exports == ["wasi:http/incoming-handler@0.2.0"]


def stored(cache: ContentCache, raw: bytes) -> str:
    digest = digest_of(raw)

    def write(file: IO[bytes]) -> None:
        file.write(raw)

    cache.store(digest, write)
    return digest


def test_a_write_that_fails_leaves_nothing(tmp_path: Path) -> None:
    cache = ContentCache(tmp_path / "cache")

    def fail(_file: object) -> None:
        raise RegistryUnreachable("cut")

    with pytest.raises(RegistryUnreachable):
        cache.store(digest_of(b"x"), fail)
    assert cache.entries() == []
    assert list((tmp_path / "cache" / "blobs").iterdir()) == []


def test_pruning_removes_what_was_not_used_and_left_overs(tmp_path: Path) -> None:
    cache = ContentCache(tmp_path / "cache")
    old, new = stored(cache, b"old"), stored(cache, b"new")
    reference = Reference.parse("oci://host/x:1")
    cache.remember(reference, digest_of(b"new"))
    folder = tmp_path / "cache" / "blobs"
    left_over = folder / f"{PARTIAL}x"
    left_over.touch()
    now = left_over.stat().st_mtime + PARTIAL_SECONDS_MAX + 1
    for path, used in ((old, now - 100), (new, now - 10)):
        os.utime(folder / path.replace(":", "-"), (used, used))
    removed = cache.prune(now - 50, now)
    assert [entry.digest for entry in removed] == [old]
    (entry,) = cache.entries()
    assert (entry.digest, entry.size) == (new, 3)
    assert not left_over.exists()


def test_a_cache_that_others_can_write_to_is_not_used(tmp_path: Path) -> None:
    folder = tmp_path / "cache"
    folder.mkdir()
    folder.chmod(0o777)
    with pytest.raises(CacheUnusable, match="others can write"):
        ContentCache(folder).read(digest_of(b""))


def test_a_cache_that_is_no_folder_is_said(tmp_path: Path) -> None:
    (tmp_path / "cache").touch()
    with pytest.raises(CacheUnusable, match="cannot be used"):
        ContentCache(tmp_path / "cache").read(digest_of(b""))


def test_what_a_process_that_died_left_unfinished_is_removed(tmp_path: Path) -> None:
    cache = ContentCache(tmp_path / "cache")
    digest = digest_of(b"x")
    assert cache.read(digest) is None
    folder = tmp_path / "cache" / "blobs"
    (folder / f"{PARTIAL}{digest.replace(':', '-')}-abc").write_bytes(b"half")
    with cache.alone(digest):
        assert list(folder.iterdir()) == []
