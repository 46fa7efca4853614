import re

import pytest
from jsonschema import Draft202012Validator

from obelisk_runtime.core.errors import ObeliskError
from obelisk_server.api.listener import OPERATIONS
from obelisk_server.api.openapi import document
from obelisk_server.api.operations import Routes
from obelisk_server.api.problems import PROBLEMS, as_problem, problem_types
from obelisk_server.api.refusals import PathNotFound
from obelisk_server.endpoints import ENDPOINTS, Endpoint, Repeat, Scope
from obelisk_server.serving.problems import INTERNAL


def test_every_operation_has_a_name_and_a_route_of_its_own() -> None:
    assert len({operation.name for operation in OPERATIONS}) == len(OPERATIONS)
    assert len({(operation.endpoint.method, operation.endpoint.path) for operation in OPERATIONS}) == len(OPERATIONS)


def test_every_operation_is_found_at_its_path() -> None:
    routes = Routes(OPERATIONS)
    for operation in OPERATIONS:
        names = re.findall(r"{(\w+)}", operation.endpoint.path)
        found = routes.find(re.sub(r"{\w+}", "E_1.n:a%2Fb_1", operation.endpoint.path))
        assert found is not None
        assert found[0][operation.endpoint.method] is operation
        assert found[1] == dict.fromkeys(names, "E_1.n:a%2Fb_1")


def test_every_endpoint_has_an_operation() -> None:
    assert {operation.name for operation in OPERATIONS} == set(ENDPOINTS)


def test_what_only_reads_needs_no_more_than_the_scope_to_read() -> None:
    """But for what anybody may ask; exports, which are as secret as the store; and the debugger, which runs guests."""
    reading = {endpoint.name for endpoint in ENDPOINTS.values() if endpoint.method == "GET"}
    assert {name for name, endpoint in ENDPOINTS.items() if endpoint.scope is None} == {"alive", "ready"}
    special = {"alive", "ready", "export", "debug"}
    assert {name for name, endpoint in ENDPOINTS.items() if endpoint.scope is Scope.READ} == reading - special
    assert all(ENDPOINTS[name].repeat is Repeat.READS for name in reading)


def test_a_path_is_filled_with_quoted_segments() -> None:
    endpoint = Endpoint("x", "GET", "/v1/{id}/of/{name}", Scope.READ, Repeat.READS)
    assert endpoint.filled("E_1.n:a/b_1", "ä b") == "/v1/E_1.n:a%2Fb_1/of/%C3%A4%20b"


@pytest.mark.parametrize("path", ["a:b/c.d", "a:b%2Fc.d", "d"])
def test_a_function_in_a_path_may_have_its_slash(path: str) -> None:
    found = Routes(OPERATIONS).find(f"/v1/functions/{path}")
    assert found is not None
    assert found[0]["GET"].name == "get-function"
    assert found[1] == {"function": path}


def test_every_operation_is_documented_with_its_refusals() -> None:
    paths = document(OPERATIONS)["paths"]
    for operation in OPERATIONS:
        item = paths[operation.endpoint.path][operation.endpoint.method.lower()]
        assert item["operationId"] == operation.name
        statuses = {*operation.statuses, *(problem.status for problem in problem_types(operation))}
        assert set(item["responses"]) == {str(status) for status in statuses}


def test_schemas_of_the_document_are_schemas_and_all_references_lead_somewhere() -> None:
    found = document(OPERATIONS)
    for name, schema in found["components"]["schemas"].items():
        Draft202012Validator.check_schema(schema)
        for reference in re.findall(r"#/components/schemas/([^'\"]+)", str(schema)):
            assert reference in found["components"]["schemas"], (name, reference)


def test_the_document_says_what_the_source_says_of_fields() -> None:
    found = document(OPERATIONS)
    struct = found["components"]["schemas"]["Submit"]["properties"]
    assert struct["due"]["description"] == "When it may begin: an RFC 3339 time, or a duration from now."
    query = found["paths"]["/v1/executions"]["get"]["parameters"]
    texts = {item["name"]: item["description"] for item in query}
    assert texts["tag"] == "`key=value`, each must match."
    assert texts["id"] == "How the id begins."


def test_every_operation_says_what_it_does() -> None:
    assert all(operation.summary.endswith(".") for operation in OPERATIONS)


def test_a_problem_of_one_type_has_one_status() -> None:
    statuses: dict[str, set[int]] = {}
    for problem in PROBLEMS.values():
        statuses.setdefault(problem.slug, set()).add(problem.status)
    assert all(len(found) == 1 for found in statuses.values())


def test_an_error_has_the_problem_of_its_nearest_class() -> None:
    class Special(PathNotFound):
        pass

    assert as_problem(Special("/x")).type.status == 404
    assert as_problem(ObeliskError("unknown")).type is INTERNAL


def test_every_operation_is_documented_with_the_scope_it_wants() -> None:
    found = document(OPERATIONS)
    assert found["components"]["securitySchemes"]["token"]["scheme"] == "bearer"
    for operation in OPERATIONS:
        endpoint = operation.endpoint
        security = found["paths"][endpoint.path][endpoint.method.lower()]["security"]
        assert security == ([] if endpoint.scope is None else [{"token": [endpoint.scope.value]}])
