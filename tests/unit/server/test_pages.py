"""Which files the user interface is served from, and with which headers."""

import gzip
from pathlib import Path

import pytest
from aiohttp import web
from aiohttp.test_utils import make_mocked_request

from obelisk_server.ui import Pages

SCRIPT = b"let x = 1;\n" * 200


@pytest.fixture
def pages(tmp_path: Path) -> Pages:
    (tmp_path / "assets").mkdir()
    (tmp_path / "index.html").write_bytes(b"<!doctype html>the application")
    (tmp_path / "assets" / "index-abc.js").write_bytes(SCRIPT)
    return Pages(tmp_path)


def get(pages: Pages, path: str, method: str = "GET", **headers: str) -> web.Response | None:
    return pages(make_mocked_request(method, path, headers={name.replace("_", "-"): v for name, v in headers.items()}))


@pytest.mark.parametrize(
    "path", ["/", "/executions/E_1/timeline?zoom=2", "/submit/a:b%2Fc.d", "/components", "/health"]
)
def test_deep_links_answer_the_application_which_is_never_stale(pages: Pages, path: str) -> None:
    found = get(pages, path)
    assert found is not None
    assert (found.status, found.body) == (200, b"<!doctype html>the application")
    assert found.headers["Cache-Control"] == "no-cache"
    assert found.headers["Content-Type"] == "text/html"


@pytest.mark.parametrize("path", ["/v1/nothing", "/nothing", "/assets/index-old.js", "/../pages.py", "/assets"])
def test_what_is_not_there_is_no_page(pages: Pages, path: str) -> None:
    assert get(pages, path) is None


def test_only_reading_is_answered(pages: Pages) -> None:
    assert get(pages, "/", method="POST") is None
    assert get(pages, "/", method="HEAD") is not None


def test_files_named_by_their_content_are_cached_for_ever_and_compressed(pages: Pages) -> None:
    plain = get(pages, "/assets/index-abc.js")
    small = get(pages, "/assets/index-abc.js", Accept_Encoding="br, gzip")
    assert plain is not None
    assert small is not None
    assert plain.headers["Cache-Control"] == "public, max-age=31536000, immutable"
    assert plain.headers["Content-Type"] == "text/javascript; charset=utf-8"
    assert plain.body == SCRIPT
    assert isinstance(small.body, bytes)
    assert (small.headers["Content-Encoding"], gzip.decompress(small.body)) == ("gzip", SCRIPT)


def test_what_the_browser_has_is_not_sent_again(pages: Pages) -> None:
    first = get(pages, "/")
    assert first is not None
    again = get(pages, "/", If_None_Match=first.headers["ETag"])
    assert again is not None
    assert (again.status, again.body) == (304, None)


def test_pages_run_no_inline_code_and_are_in_no_frame(pages: Pages) -> None:
    found = get(pages, "/")
    assert found is not None
    policy = found.headers["Content-Security-Policy"]
    assert policy.startswith("default-src 'self';")
    assert "frame-ancestors 'none'" in policy
    assert "unsafe" not in policy
    assert found.headers["X-Content-Type-Options"] == "nosniff"
    assert found.headers["Referrer-Policy"] == "no-referrer"


def test_a_checkout_that_was_not_built_says_how_to_build(tmp_path: Path) -> None:
    found = get(Pages(tmp_path / "built"), "/executions")
    assert found is not None
    assert isinstance(found.body, bytes)
    assert b"make ui" in found.body


@pytest.mark.parametrize(
    ("path", "first"),
    [
        ("/", "/v1/executions?limit=100"),
        ("/executions", "/v1/executions?limit=100"),
        ("/executions?state=ok", None),
        ("/executions/E_01M7.o:1_1/timeline", "/v1/executions/E_01M7.o:1_1"),
        ("/executions/E_01M7%3E", None),
        ("/submit", None),
        ("/assets/index-abc.js", None),
    ],
)
def test_a_browser_is_told_what_the_application_will_ask_unless_that_needs_a_token(
    pages: Pages, tmp_path: Path, path: str, first: str | None
) -> None:
    told = get(Pages(tmp_path, with_tokens=lambda: False), path)
    assert told is not None
    assert told.headers.get("Link") == (first and f"<{first}>; rel=preload; as=fetch; crossorigin")
    told = get(pages, path)
    assert told is not None
    assert "Link" not in told.headers
