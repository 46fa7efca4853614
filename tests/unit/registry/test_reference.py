import pytest

from obelisk_runtime.core.ids import Digest
from obelisk_runtime.registry import InvalidReference, Reference

DIGEST = Digest("sha256:" + "a" * 64)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("oci://ghcr.io/a", Reference("ghcr.io", "a")),
        ("oci://ghcr.io/a/b-c/d__e:1.0", Reference("ghcr.io", "a/b-c/d__e", "1.0")),
        ("oci://localhost/foo:v1", Reference("localhost", "foo", "v1")),
        ("oci://127.0.0.1:5000/a", Reference("127.0.0.1:5000", "a")),
        ("oci://[::1]:5000/a:x", Reference("[::1]:5000", "a", "x")),
        (f"oci://h/a@{DIGEST}", Reference("h", "a", None, DIGEST)),
        (f"oci://h:1/a:t@{DIGEST}", Reference("h:1", "a", "t", DIGEST)),
    ],
)
def test_a_location_has_parts_and_prints_as_it_was_written(text: str, expected: Reference) -> None:
    assert Reference.parse(text) == expected
    assert str(expected) == text


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("ghcr.io/a", "does not start with oci://"),
        ("oci://", "'' is not a host"),
        ("oci://ghcr.io", "'' is not a repository"),
        ("oci://ghcr.io/", "'' is not a repository"),
        ("oci:///a", "'' is not a host"),
        ("oci://user@host/a", "'user@host' is not a host"),
        ("oci://host:99999/a", "'host:99999' is not a host"),
        ("oci://host/A", "'A' is not a repository"),
        ("oci://host/a//b", "'a//b' is not a repository"),
        ("oci://host/../b", "'../b' is not a repository"),
        ("oci://host/a:", "'' is not a tag"),
        ("oci://host/a:.x", "'.x' is not a tag"),
        ("oci://host/a:" + "x" * 129, "is not a tag"),
        ("oci://host/a@", "'' is not a digest"),
        ("oci://host/a@sha256:" + "A" * 64, "is not a digest"),
        ("oci://host/a@md5:1", "'md5:1' is not a digest"),
        ("oci://host/" + "a" * 256, "is not a repository"),
    ],
)
def test_another_text_is_refused(text: str, said: str) -> None:
    with pytest.raises(InvalidReference, match=r"expected oci://host\[:port\]/repository") as caught:
        Reference.parse(text)
    assert said in str(caught.value)


def test_the_digest_decides_over_the_tag() -> None:
    assert Reference("h", "a").selector == "latest"
    assert Reference("h", "a", "t").selector == "t"
    assert Reference("h", "a", "t").pinned(DIGEST).selector == DIGEST
    assert Reference("h", "a", "t", DIGEST).at("u") == Reference("h", "a", "u")


@pytest.mark.parametrize(
    ("registry", "loopback"),
    [("localhost:5000", True), ("127.1.2.3", True), ("[::1]:5000", True), ("localhost.example", False), ("h", False)],
)
def test_loopback_registries_are_known(registry: str, loopback: bool) -> None:
    assert Reference(registry, "a").loopback is loopback


def test_docker_hub_has_its_api_elsewhere() -> None:
    assert Reference("docker.io", "a/b").endpoint == "registry-1.docker.io"
    assert Reference("ghcr.io", "a/b").endpoint == "ghcr.io"
