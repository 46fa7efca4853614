"""The API against its own OpenAPI document: no request, however strange, is answered as it does not say."""

import re
from collections.abc import Iterator
from typing import Any

import pytest
import schemathesis
from hypothesis import HealthCheck, given, seed, settings
from hypothesis import strategies as st
from schemathesis.checks import not_a_server_error
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    response_schema_conformance,
    status_code_conformance,
)

from server_process import ServerProcess

CHECKS = [not_a_server_error, status_code_conformance, content_type_conformance, response_schema_conformance]
ENDLESS = {"stream-all", "stream-execution"}
"""They are answered as long as somebody listens: tests/integration/test_api_streams.py."""
EXAMPLES, TYPED_EXAMPLES = 8, 2
"""Of each operation; values of WIT types take long to make up, and have tests of their own."""
SEED = 20260101
REQUEST_SECONDS = 120
CONFIG = """
[server]
listen = "127.0.0.1:0"
[limits]
shutdown = "0s"
[[activity]]
name = "fibo"
location = "{components}/fibo_tiny.wasm"
[[activity]]
name = "shapes"
location = "{components}/shapes.wasm"
[[workflow]]
name = "fibo-workflow"
location = "{components}/fibo_workflow_tiny.wasm"
[[workflow]]
name = "sleeper"
location = "{components}/sleeper.wasm"
[[stub]]
function = "testing:approval/desk.decide"
params = "func(order: u64) -> result<bool, string>"
"""


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ServerProcess]:
    server = ServerProcess(tmp_path_factory.mktemp("schema"))
    server.configure(CONFIG)
    server.start()
    yield server
    server.kill()


@pytest.fixture(scope="module")
def known(server: ServerProcess) -> dict[str, list[str]]:
    """What varies in paths and is there: executions in all states, functions, components."""
    finished = server.submit("fiboa", 3, 2, wait=REQUEST_SECONDS)
    asleep = server.submit("sleep", 3_600_000, wait="100ms")
    paused = server.submit("sleep", 3_600_000, paused=True)
    stub = server.submit("decide", 1)
    functions = [item["function"] for item in server.ask("GET", "/v1/functions")["items"]]
    components = [item["name"] for item in server.ask("GET", "/v1/components")["items"]]
    return {
        "id": [finished, asleep, paused, stub, f"Delay_{asleep[2:]}.o:1_1"],
        "function": functions,
        "name": components,
    }


def operations(document: Any) -> list[tuple[str, str]]:
    return [
        (path, method)
        for path, item in document["paths"].items()
        for method, operation in item.items()
        if operation["operationId"] not in ENDLESS
    ]


def without_prefixes(schema: Any) -> Any:
    """Schemathesis 4 turns `prefixItems` into what it then refuses: items of a tuple are anything here."""
    match schema:
        case dict():
            return {name: without_prefixes(part) for name, part in schema.items() if name != "prefixItems"}
        case list():
            return [without_prefixes(part) for part in schema]
        case _:
            return schema


def test_no_answer_is_a_surprise(server: ServerProcess, known: dict[str, list[str]]) -> None:
    document = without_prefixes(server.ask("GET", "/openapi.json"))
    schema = schemathesis.openapi.from_dict(document)
    schema.config.update(base_url=f"http://{server.address}")
    for path, method in operations(document):
        _explore(schema[path][method.upper()], known)
    server.ask("GET", "/readyz")


def _explore(operation: Any, known: dict[str, list[str]]) -> None:
    names = re.findall(r"{(\w+)}", operation.path)
    places = st.fixed_dictionaries({name: st.none() | st.sampled_from(known[name]) for name in names})

    @seed(SEED)
    @settings(
        max_examples=TYPED_EXAMPLES if ":" in operation.path else EXAMPLES,
        deadline=None,
        database=None,
        suppress_health_check=list(HealthCheck),
    )
    @given(case=operation.as_strategy(), given_places=places)
    def explore(case: Any, given_places: dict[str, str | None]) -> None:
        for name, value in given_places.items():
            if value is not None:
                case.path_parameters[name] = value
        _do_not_wait(case)
        response = case.call(timeout=REQUEST_SECONDS)
        case.validate_response(response, checks=CHECKS)

    explore()


def _do_not_wait(case: Any) -> None:
    if isinstance(case.query, dict):
        case.query.pop("wait", None)
    if isinstance(case.body, dict):
        case.body.pop("wait", None)
