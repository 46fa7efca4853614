"""Every operation of the API by its name: what the server routes, guards and documents, and what clients call.

The one list of names, methods and paths; it imports nothing slow, as the command line begins with it.
"""

from enum import StrEnum
from typing import NamedTuple
from urllib.parse import quote


class Scope(StrEnum):
    """What a caller must be allowed to do."""

    READ = "read"
    """Look; every other scope includes it."""
    SUBMIT = "submit"
    """Start executions, also by forking."""
    OPERATE = "operate"
    """Steer executions that are there: cancel, pause, resume, stub, upgrade, hold, replay, debug."""
    ADMIN = "admin"
    """Everything: also reload, import, export, prune, bulk deletes, and forks with code of one's own."""

    @property
    def included(self) -> "frozenset[Scope]":
        """What a token with this scope may do."""
        return frozenset(Scope) if self is Scope.ADMIN else frozenset({Scope.READ, self})


class Repeat(StrEnum):
    """What the same request again does."""

    READS = "reads"
    """It changes nothing, the first time neither."""
    SAME = "same"
    """It changes nothing more."""
    BY_ID = "by-id"
    """It changes nothing more if the client chose the id; else it is a new one."""
    ANEW = "anew"
    """It is done again."""


class Endpoint(NamedTuple):
    name: str
    method: str
    path: str
    """With `{name}` for a segment that varies; `{function}` may also be the two segments of a function's full name."""
    scope: Scope | None
    """None: anybody may, without a token and by any name of the server."""
    repeat: Repeat

    def filled(self, *segments: str) -> str:
        """The path with these texts in place of what varies, in order."""
        given = iter(segments)
        return "/".join(quote(next(given), safe=":@") if part[:1] == "{" else part for part in self.path.split("/"))


_EXECUTIONS = "/v1/executions"
_EXECUTION = _EXECUTIONS + "/{id}"


def _get(name: str, path: str) -> Endpoint:
    return Endpoint(name, "GET", path, Scope.READ, Repeat.READS)


def _open(name: str, path: str) -> Endpoint:
    return Endpoint(name, "GET", path, None, Repeat.READS)


def _post(name: str, path: str, scope: Scope, repeat: Repeat) -> Endpoint:
    return Endpoint(name, "POST", path, scope, repeat)


_LIST = (
    _post("submit", _EXECUTIONS, Scope.SUBMIT, Repeat.BY_ID),
    _post("submit-batch", _EXECUTIONS + "/batch", Scope.SUBMIT, Repeat.BY_ID),
    _get("list-executions", _EXECUTIONS),
    _get("count-executions", _EXECUTIONS + "/counts"),
    _get("get-execution", _EXECUTION),
    _get("list-children", _EXECUTION + "/children"),
    _get("get-result", _EXECUTION + "/result"),
    _get("list-events", _EXECUTION + "/events"),
    _get("list-responses", _EXECUTION + "/responses"),
    _get("list-logs", _EXECUTION + "/logs"),
    _get("list-requests", _EXECUTION + "/requests"),
    _get("why", _EXECUTION + "/why"),
    Endpoint("debug", "GET", _EXECUTION + "/debug", Scope.OPERATE, Repeat.READS),
    _post("cancel", _EXECUTION + "/cancel", Scope.OPERATE, Repeat.SAME),
    _post("terminate", _EXECUTION + "/terminate", Scope.OPERATE, Repeat.SAME),
    _post("pause", _EXECUTION + "/pause", Scope.OPERATE, Repeat.SAME),
    _post("resume", _EXECUTION + "/resume", Scope.OPERATE, Repeat.SAME),
    _post("bulk-cancel", "/v1/bulk/cancel", Scope.OPERATE, Repeat.SAME),
    _post("bulk-pause", "/v1/bulk/pause", Scope.OPERATE, Repeat.SAME),
    _post("bulk-resume", "/v1/bulk/resume", Scope.OPERATE, Repeat.SAME),
    _post("bulk-delete", "/v1/bulk/delete", Scope.ADMIN, Repeat.SAME),
    _post("bulk-replay", "/v1/bulk/replay", Scope.OPERATE, Repeat.READS),
    _post("stub", _EXECUTION + "/stub", Scope.OPERATE, Repeat.SAME),
    _post("replay", _EXECUTION + "/replay", Scope.OPERATE, Repeat.READS),
    _post("upgrade", _EXECUTION + "/upgrade", Scope.OPERATE, Repeat.SAME),
    _post("fork", _EXECUTION + "/fork", Scope.SUBMIT, Repeat.ANEW),
    _post("hold", _EXECUTION + "/hold", Scope.OPERATE, Repeat.SAME),
    _post("release", _EXECUTION + "/release", Scope.OPERATE, Repeat.SAME),
    Endpoint("export", "GET", _EXECUTION + "/export", Scope.ADMIN, Repeat.READS),
    _post("import", "/v1/import", Scope.ADMIN, Repeat.SAME),
    _post("prune", "/v1/prune", Scope.ADMIN, Repeat.SAME),
    _get("list-functions", "/v1/functions"),
    _get("get-function", "/v1/functions/{function}"),
    _post("submit-function", "/v1/functions/{function}/submit", Scope.SUBMIT, Repeat.BY_ID),
    _get("list-components", "/v1/components"),
    _get("get-component", "/v1/components/{name}"),
    _post("upgrade-component", "/v1/components/{name}/upgrade", Scope.OPERATE, Repeat.SAME),
    _post("reload", "/v1/server/reload", Scope.ADMIN, Repeat.SAME),
    _get("stream-execution", _EXECUTION + "/stream"),
    _get("stream-all", "/v1/stream"),
    _get("throughput", "/v1/throughput"),
    _get("health", "/v1/health"),
    _get("get-caller", "/v1/caller"),
    _get("metrics", "/metrics"),
    _get("openapi", "/openapi.json"),
    _open("alive", "/healthz"),
    _open("ready", "/readyz"),
)
ENDPOINTS = {endpoint.name: endpoint for endpoint in _LIST}
assert len(ENDPOINTS) == len(_LIST), "two operations have the same name"
