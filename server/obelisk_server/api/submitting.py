"""Operations that create executions: one, of a function that the body or the path names, or many."""

import msgspec
from msgspec import UNSET, UnsetType

from obelisk_runtime.core.errors import InvalidName, ObeliskError
from obelisk_runtime.core.ids import ExecutionId, parent_of, parse_execution_id
from obelisk_runtime.core.names import Ffqn
from obelisk_runtime.core.types import OptionOf, snake_case
from obelisk_runtime.service import IdTwice, ItemRefused, Order, Terms
from obelisk_server.api import answers, render, wire
from obelisk_server.api.catalogue import named_function
from obelisk_server.api.moments import moment
from obelisk_server.api.operations import AnyOperation, Call, Context, Operation, Reply
from obelisk_server.api.problems import SUBMIT
from obelisk_server.api.refusals import InvalidRequest, MalformedBody
from obelisk_server.api.waits import InvalidWait, wait_seconds
from obelisk_server.endpoints import ENDPOINTS

BATCH_BYTES_MAX = 16 * 1024 * 1024
_decode_named = msgspec.json.Decoder(dict[str, msgspec.Raw]).decode


async def submit(context: Context, call: Call[wire.Nothing, wire.Submit]) -> Reply:
    """Run a function as a new execution; with `wait`, answer when it has finished."""
    body = call.body
    wait = wait_seconds(body.wait)
    order = _order(named_function(context, call.caller, body.function), _params(body.params), body)
    return await _submitted(context, order, wait)


async def submit_function(context: Context, call: Call[wire.Nothing, wire.SubmitFunction]) -> Reply:
    """Run this function as a new execution; with `wait`, answer when it has finished."""
    body = call.body
    wait = wait_seconds(body.wait)
    function = named_function(context, call.caller, call.path["function"])
    params = _params(body.params)
    if params.lstrip()[:1] == b"{":
        params = _positional(context, function, params)
    return await _submitted(context, _order(function, params, body), wait)


async def submit_batch(context: Context, call: Call[wire.Nothing, wire.Batch]) -> Reply:
    """Submit up to 1,000 executions in one transaction: all of them, or none."""
    orders: list[Order] = []
    for index, item in enumerate(call.body.items):
        try:
            orders.append(_order(named_function(context, call.caller, item.function), _params(item.params), item))
        except ObeliskError as reason:
            raise ItemRefused(index, reason) from reason
    submitted = await context.service.submit_all(orders)
    items = [answers.Submitted(id=one.id, existed=one.existed) for one in submitted]
    status = 200 if all(one.existed for one in submitted) else 201
    return Reply(status, answers.Batch(items=items), executions=[one.id for one in submitted])


async def _submitted(context: Context, order: Order, wait: float) -> Reply:
    function, params, chosen, terms = order.function, order.params, order.id, order.terms
    if wait:
        submitted, end = await context.service.submit_watched(function, params, id=chosen, terms=terms)
        outcome = await context.waits.at_most(wait, end)
    else:
        submitted = await context.service.submit(function, params, id=chosen, terms=terms)
        outcome = None
    status, result = UNSET, UNSET
    if outcome is not None:
        status, result = "finished", render.result(outcome)
    elif wait:
        status = render.status_name((await context.service.store.get(submitted.id)).status)
    answer = answers.Submitted(id=submitted.id, existed=submitted.existed, status=status, result=result)
    known = submitted.existed or outcome is not None
    location = {"Location": ENDPOINTS["get-execution"].filled(submitted.id)}
    return Reply(200 if known else 201, answer, location, executions=(submitted.id,))


def _params(given: msgspec.Raw | UnsetType) -> bytes:
    return b"[]" if given is UNSET else bytes(given)


def _order(function: Ffqn, params: bytes, given: wire.Ordered) -> Order:
    """Raises: InvalidName, InvalidRequest."""
    terms = Terms(
        tags=given.tags, due=moment("due", given.due), deadline=moment("deadline", given.deadline), paused=given.paused
    )
    return Order(function, params, None if given.id is None else _top_level(given.id), terms)


def _top_level(text: str) -> ExecutionId:
    execution_id = parse_execution_id(text)
    if parent_of(execution_id) is not None:
        raise InvalidName("id of a new execution", text, "E_<26 characters of a ULID>")
    return execution_id


def _positional(context: Context, function: Ffqn, named: bytes) -> bytes:
    """An array of parameters from an object of them; one of an `option` type may be left out.

    Raises: InvalidRequest.
    """
    try:
        given = {snake_case(name): value for name, value in _decode_named(named).items()}
    except msgspec.DecodeError as error:  # the names were not looked at before
        raise MalformedBody(f"the names of params are not valid: {error}") from None
    params = context.service.functions[function].type.params
    values: list[bytes] = []
    for name, wit in params:
        value = given.pop(snake_case(name), None)
        if value is None and not isinstance(wit, OptionOf):
            raise InvalidRequest(f"params has no {snake_case(name)!r}; {function} takes {_names(params)}")
        values.append(b"null" if value is None else bytes(value))
    if given:
        raise InvalidRequest(f"params has {min(given)!r}; {function} takes {_names(params)}")
    return b"[" + b",".join(values) + b"]"


def _names(params: tuple[tuple[str, object], ...]) -> str:
    return ", ".join(snake_case(name) for name, _ in params) or "none"


OPERATIONS: tuple[AnyOperation, ...] = (
    Operation(
        "submit",
        submit,
        wire.Nothing,
        wire.Submit,
        answers.Submitted,
        (*SUBMIT, InvalidWait),
        statuses=(200, 201),
        minds_functions=True,
    ),
    Operation(
        "submit-function",
        submit_function,
        wire.Nothing,
        wire.SubmitFunction,
        answers.Submitted,
        (*SUBMIT, InvalidWait),
        statuses=(200, 201),
        minds_functions=True,
    ),
    Operation(
        "submit-batch",
        submit_batch,
        wire.Nothing,
        wire.Batch,
        answers.Batch,
        (*SUBMIT, IdTwice),
        statuses=(200, 201),
        body_bytes_max=BATCH_BYTES_MAX,
        minds_functions=True,
    ),
)
