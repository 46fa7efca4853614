import re

from obelisk_runtime.core.errors import ObeliskError
from obelisk_server.api.listener import OPERATIONS
from obelisk_server.api.operations import Routes
from obelisk_server.api.problems import PROBLEMS, problem_type
from obelisk_server.api.refusals import PathNotFound
from obelisk_server.serving.problems import INTERNAL


def test_every_operation_has_a_name_and_a_route_of_its_own() -> None:
    assert len({operation.name for operation in OPERATIONS}) == len(OPERATIONS)
    assert len({(operation.method, operation.path) for operation in OPERATIONS}) == len(OPERATIONS)


def test_every_operation_is_found_at_its_path() -> None:
    routes = Routes(OPERATIONS)
    for operation in OPERATIONS:
        names = re.findall(r"{(\w+)}", operation.path)
        found = routes.find(re.sub(r"{\w+}", "E_1.n:a%2Fb_1", operation.path))
        assert found is not None
        assert found[0][operation.method] is operation
        assert found[1] == dict.fromkeys(names, "E_1.n:a%2Fb_1")


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

    assert problem_type(Special("/x")).status == 404
    assert problem_type(ObeliskError("unknown")) is INTERNAL
