"""Which executions a request is about."""

from obelisk_runtime.core.ids import Digest, Instant, parse_execution_id
from obelisk_runtime.core.short_names import UnknownFunction, resolve
from obelisk_runtime.ports.store import ExecutionFilter
from obelisk_server.access import Caller
from obelisk_server.api import answers, wire
from obelisk_server.api.moments import past
from obelisk_server.api.operations import Context
from obelisk_server.api.refusals import InvalidRequest

STATUSES = frozenset({*answers.STATUSES, "paused", "cancelling"})
RESULTS = frozenset(answers.RESULTS)


def execution_filter(
    context: Context, caller: Caller, query: wire.Filter, now: Instant | None = None
) -> ExecutionFilter:
    """`now`: what durations are before; None: now. What the caller may not see does not match.

    Raises: InvalidRequest, InvalidName, AmbiguousFunction.
    """
    now = context.service.now() if now is None else now
    return ExecutionFilter(
        function_prefix=_function(context, caller, query),
        statuses=_known("status", query.status, STATUSES),
        results=_known("result", query.result, RESULTS),
        id_prefix=query.id,
        parent=None if query.parent is None else parse_execution_id(query.parent),
        top_level_only=not query.children and query.parent is None,
        tags=_tags(query.tag),
        digest=None if query.digest is None else Digest(query.digest),
        created_since=past("created_since", query.created_since, now),
        created_before=past("created_before", query.created_before, now),
        finished_since=past("finished_since", query.finished_since, now),
        finished_before=past("finished_before", query.finished_before, now),
        text=query.text or None,
        within=caller.functions,
    )


def _function(context: Context, caller: Caller, query: wire.Filter) -> str | None:
    """A prefix as it is, if a deployed function begins so; else what a short name stands for; else as it is."""
    name = query.function
    if name is None:
        return None
    functions = caller.permitted(context.service.functions)
    if any(function.text.startswith(name) for function in functions):
        return name
    try:
        return resolve(name, functions).text
    except UnknownFunction:
        return name


def _known(name: str, found: list[str], known: frozenset[str]) -> frozenset[str]:
    unknown = sorted(set(found) - known)
    if unknown:
        raise InvalidRequest(f"{name} is {unknown[0]!r}; expected one of {', '.join(sorted(known))}")
    return frozenset(found)


def _tags(texts: list[str]) -> dict[str, str] | None:
    pairs = [text.partition("=") for text in texts]
    wrong = next((text for text, (_, equals, _) in zip(texts, pairs, strict=True) if not equals), None)
    if wrong is not None:
        raise InvalidRequest(f"tag is {wrong!r}; expected key=value")
    found: dict[str, str] = {}
    for key, _, value in pairs:
        if found.setdefault(key, value) != value:
            raise InvalidRequest(f"tag gives {key!r} two values, {found[key]!r} and {value!r}; no execution has both")
    return found or None
