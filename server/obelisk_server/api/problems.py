"""From typed errors to problem details (RFC 9457), in one table."""

from dataclasses import replace

from obelisk_runtime.core import values
from obelisk_runtime.core.errors import InvalidName, ObeliskError
from obelisk_runtime.core.forking import CannotFork
from obelisk_runtime.core.short_names import AmbiguousFunction, UnknownFunction
from obelisk_runtime.core.transfer import InvalidExport
from obelisk_runtime.ports import store
from obelisk_runtime.service import (
    BrokenBytes,
    BytesMissing,
    CannotPause,
    ComponentNotFound,
    EventNotFound,
    FunctionNotFound,
    IdTwice,
    ItemRefused,
    NotAWorkflow,
    NotCancellable,
    NotDeployed,
    Overloaded,
    StubConflict,
    StubNotFound,
    TooManyReplays,
)
from obelisk_runtime.service.trees.transfer import TreeBusy, TreeTooLarge
from obelisk_server import access
from obelisk_server.api import followers, refusals, waits
from obelisk_server.api.operations import AnyOperation
from obelisk_server.serving import BodyCutOff, BodyTooLarge, Problem, ProblemType, problem_of, retry_soon
from obelisk_server.serving.problems import INTERNAL
from obelisk_server.setup import InvalidSetup

PROBLEMS: dict[type[ObeliskError], ProblemType] = {
    refusals.MalformedBody: ProblemType(400, "malformed-body", "The body is not valid JSON"),
    BodyCutOff: ProblemType(400, "malformed-body", "The body is not complete"),
    refusals.InvalidRequest: ProblemType(400, "invalid-request", "The request is not valid"),
    access.TokenRefused: ProblemType(401, "token-refused", "A token is needed", headers=lambda e: e.headers),
    access.ScopeNeeded: ProblemType(
        403,
        "scope-needed",
        "The token does not have the scope",
        lambda e: {"scope": e.scope.value},
        headers=lambda e: e.headers,
    ),
    access.BeyondToken: ProblemType(403, "beyond-token", "The token is limited to other functions"),
    access.TooManyFailures: ProblemType(429, "too-many-failures", "Too many wrong tokens", headers=lambda e: e.headers),
    access.ForeignRequest: ProblemType(403, "foreign-request", "The request is not meant for this server"),
    refusals.TooSlow: ProblemType(408, "too-slow", "The request took too long to arrive"),
    refusals.PathNotFound: ProblemType(404, "path-not-found", "There is nothing here"),
    refusals.MethodNotAllowed: ProblemType(
        405, "method-not-allowed", "This method is not possible here", headers=lambda e: {"Allow": ", ".join(e.allowed)}
    ),
    BodyTooLarge: ProblemType(413, "body-too-large", "The body is too large", lambda e: {"limit": e.limit}),
    refusals.UnsupportedMediaType: ProblemType(415, "unsupported-media-type", "The body must be JSON"),
    refusals.CompressedBody: ProblemType(415, "compressed-body", "The body must not be compressed"),
    refusals.TooManyRequests: ProblemType(429, "too-many-requests", "Too many requests", headers=retry_soon),
    refusals.NotReady: ProblemType(503, "not-ready", "The server is not ready", headers=retry_soon),
    waits.InvalidWait: ProblemType(400, "invalid-wait", "The wait is not valid"),
    InvalidName: ProblemType(400, "invalid-name", "A name or id is not valid", lambda e: {"kind": e.kind}),
    UnknownFunction: ProblemType(
        404, "unknown-function", "No such function", lambda e: {"closest": [str(name) for name in e.closest]}
    ),
    FunctionNotFound: ProblemType(404, "unknown-function", "No such function", lambda e: {"closest": list(e.closest)}),
    AmbiguousFunction: ProblemType(
        400,
        "ambiguous-function",
        "The name may be of several functions",
        lambda e: {"candidates": [str(name) for name in e.candidates]},
    ),
    values.InvalidValue: ProblemType(422, "invalid-params", "The parameters do not fit the function"),
    values.TypeMismatch: ProblemType(
        422,
        "invalid-params",
        "The parameters do not fit the function",
        lambda e: {"part": e.subject.part, "path": e.path, "expected": e.expected, "found": e.found},
    ),
    values.PayloadTooLarge: ProblemType(
        413, "payload-too-large", "The parameters are too large", lambda e: {"limit": e.limit}
    ),
    store.ExecutionNotFound: ProblemType(404, "execution-not-found", "No such execution"),
    EventNotFound: ProblemType(404, "event-not-found", "The log has no such event"),
    store.IdConflict: ProblemType(409, "id-conflict", "The id is taken by another execution"),
    CannotPause: ProblemType(409, "cannot-pause", "This execution cannot be paused"),
    IdTwice: ProblemType(400, "invalid-request", "The request is not valid"),
    refusals.TokenNeeded: ProblemType(409, "dry-run-needed", "A dry run is needed first"),
    refusals.MoreMatch: ProblemType(
        409,
        "more-match",
        "More executions match than in the dry run",
        lambda e: {"expected": e.expected, "found": e.found},
    ),
    NotCancellable: ProblemType(409, "not-cancellable", "This execution cannot be cancelled"),
    InvalidExport: ProblemType(400, "invalid-export", "This is no export of executions"),
    TreeTooLarge: ProblemType(409, "tree-too-large", "The tree is too large"),
    TreeBusy: ProblemType(503, "tree-busy", "The tree changes all the time", headers=retry_soon),
    CannotFork: ProblemType(409, "cannot-fork", "This execution cannot be forked there"),
    NotAWorkflow: ProblemType(409, "not-a-workflow", "Only workflows have a history"),
    NotDeployed: ProblemType(409, "not-deployed", "No deployed component exports this function"),
    ComponentNotFound: ProblemType(404, "component-not-found", "No such component"),
    BytesMissing: ProblemType(409, "component-missing", "The store does not have the component"),
    BrokenBytes: ProblemType(422, "broken-component", "The component cannot be run here"),
    StubNotFound: ProblemType(404, "stub-not-found", "No such execution of a stub function"),
    StubConflict: ProblemType(409, "stub-conflict", "The execution has another result"),
    InvalidSetup: ProblemType(
        422, "invalid-setup", "obelisk.toml or a component is wrong", lambda e: {"problems": list(e.problems)}
    ),
    followers.TooManyStreams: ProblemType(429, "too-many-streams", "Too many streams", headers=retry_soon),
    TooManyReplays: ProblemType(429, "too-many-replays", "Too many replays", headers=retry_soon),
    Overloaded: ProblemType(429, "overloaded", "The server is at its limit", headers=retry_soon),
    store.StoreUnavailable: ProblemType(503, "store-unavailable", "The store does not work now", headers=retry_soon),
}
EXECUTION = (InvalidName, store.ExecutionNotFound, store.StoreUnavailable)
"""Of any operation on one execution."""
SUBMIT = (
    InvalidName,
    UnknownFunction,
    FunctionNotFound,
    AmbiguousFunction,
    values.InvalidValue,
    values.PayloadTooLarge,
    store.IdConflict,
    Overloaded,
    store.StoreUnavailable,
)
"""Of any operation that creates executions of functions."""
STUB = (StubNotFound, StubConflict, values.InvalidValue, values.PayloadTooLarge)
COMPONENT = (BytesMissing, BrokenBytes)
"""Of any operation that runs a component which is not deployed."""
ANY = (refusals.InvalidRequest, refusals.TooManyRequests)
"""Of any request."""
GUARDED = (
    access.ForeignRequest,
    access.TokenRefused,
    access.ScopeNeeded,
    access.BeyondToken,
    access.TooManyFailures,
)
"""Of any request but for those that anybody may make."""
BODY = (
    refusals.MalformedBody,
    BodyCutOff,
    BodyTooLarge,
    refusals.TooSlow,
    refusals.UnsupportedMediaType,
    refusals.CompressedBody,
)
"""Of any request with a body."""


def as_problem(error: ObeliskError) -> Problem:
    """By the row of the error's class, or of its nearest base; of an item of a batch with its index."""
    if not isinstance(error, ItemRefused):
        return problem_of(PROBLEMS, error)
    of_item = problem_of(PROBLEMS, error.reason)
    return replace(of_item, detail=str(error), fields={**of_item.fields, "index": error.index})


def problem_types(operation: AnyOperation) -> list[ProblemType]:
    """What an operation may be refused with, each type once."""
    body = BODY if operation.endpoint.method == "POST" else ()
    guarded = () if operation.endpoint.scope is None else GUARDED
    found = [PROBLEMS[error] for error in (*operation.errors, *body, *guarded, *ANY)]
    return list({problem.slug: problem for problem in (*found, INTERNAL)}.values())
