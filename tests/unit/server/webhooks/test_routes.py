"""Which webhook gets a request, and which routes cannot be told apart."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from obelisk_server.config.webhooks.route_patterns import Pattern, Route, conflicts
from obelisk_server.webhooks.refusals import MalformedRequest, NoRoute, WrongMethod
from obelisk_server.webhooks.routes import Routes


def route(text: str) -> Route:
    methods, _, path = text.rpartition(" ")
    return Route(tuple(methods.split(",")) if methods else (), Pattern.parse(path))


def routes(*texts: str) -> Routes[str]:
    return Routes((route(text), text) for text in texts)


@pytest.mark.parametrize(
    ("path", "target", "params"),
    [
        ("/orders/open", "POST /orders/open", {}),
        ("/orders/7", "POST /orders/:id", {"id": "7"}),
        ("/orders/7/items", "POST /orders/*", {"*": "7/items"}),
        ("/orders/open/items/3", "POST /orders/:id/items/:item", {"id": "open", "item": "3"}),
        ("/orders/", "POST /orders/*", {"*": ""}),
        ("/a%2Fb", "POST /:any", {"any": "a%2Fb"}),
        ("/%6Frders/open", "POST /orders/open", {}),
        ("/", "POST /", {}),
    ],
)
def test_a_text_goes_before_a_parameter_and_that_before_the_rest(
    path: str, target: str, params: dict[str, str]
) -> None:
    table = routes(
        "POST /orders/*",
        "POST /:any",
        "POST /orders/:id/items/:item",
        "POST /orders/:id",
        "POST /orders/open",
        "POST /",
    )
    found = table.find("POST", path)
    assert (found.target, found.params) == (target, params)


def test_the_first_segment_that_differs_decides() -> None:
    table = routes("/:x/fixed", "/text/:y")
    assert table.find("GET", "/text/fixed").target == "/text/:y"
    assert table.find("GET", "/other/fixed").target == "/:x/fixed"


def test_what_fits_less_well_gets_the_methods_that_the_best_does_not_take() -> None:
    table = routes("POST /orders/open", "GET /orders/:id", "/*")
    assert table.find("GET", "/orders/open").target == "GET /orders/:id"
    assert table.find("PUT", "/orders/open").target == "/*"


def test_a_route_that_names_the_method_goes_before_one_for_any() -> None:
    table = routes("/ping", "GET /ping")
    assert table.find("GET", "/ping").target == "GET /ping"
    assert table.find("BREW", "/ping").target == "/ping"


@pytest.mark.parametrize("path", ["/orders", "/orders/7/", "/order/7", "orders/7", "*", "http://host/orders/7", ""])
def test_what_fits_no_route_is_not_found(path: str) -> None:
    with pytest.raises(NoRoute):
        routes("POST /orders/:id").find("POST", path)


def test_another_method_is_told_which_are_possible() -> None:
    with pytest.raises(WrongMethod) as caught:
        routes("POST,PUT /a", "DELETE /:x").find("GET", "/a")
    assert caught.value.allowed == ("DELETE", "POST", "PUT")


def test_a_path_that_is_no_utf_8_is_refused() -> None:
    with pytest.raises(MalformedRequest, match="not UTF-8"):
        routes("/:x").find("GET", "/%ff")


def test_parameters_are_decoded_for_whoever_asks() -> None:
    found = routes("/:x/*").find("GET", "/a%20b/c%2Fd/%C3%A9")
    assert found.params == {"x": "a%20b", "*": "c%2Fd/%C3%A9"}
    assert found.decoded == {"x": "a b", "*": "c/d/é"}


@pytest.mark.parametrize(
    ("first", "second", "conflict"),
    [
        ("GET /a/:x", "GET /a/:y", True),
        ("GET,POST /a", "POST,PUT /a", True),
        ("/a/*", "/a/*", True),
        ("GET /a/:x", "POST /a/:y", False),
        ("GET /a/:x", "/a/:y", False),
        ("GET /a/:x", "GET /a/*", False),
        ("GET /a/:x/c", "GET /a/b/:y", False),
        ("GET /a", "GET /a/", False),
    ],
)
def test_routes_conflict_if_nothing_decides_between_them(first: str, second: str, conflict: bool) -> None:
    assert list(conflicts([route(first), route(second)])) == ([(1, 0)] if conflict else [])


@pytest.mark.parametrize(
    "text", ["", "orders", "/a/*/b", "/a*", "/:", "/:1", "/a:b", "/a?b", "/a b", "/a%20", "/:x/:x"]
)
def test_what_is_no_pattern_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="expected"):
        Pattern.parse(text)


segment = st.sampled_from(["a", "b", ":x", ":y"])
pattern = st.tuples(st.lists(segment, max_size=3), st.booleans()).map(
    lambda drawn: (
        "/"
        + "/".join(
            [
                *(f"{each}{at}" if each[0] == ":" else each for at, each in enumerate(drawn[0])),
                *(["*"] if drawn[1] else []),
            ]
        )
    )
)


@given(st.lists(pattern, max_size=6), st.lists(st.sampled_from(["a", "b", "c"]), min_size=1, max_size=4))
def test_what_is_found_is_the_best_of_all_that_fit(patterns: list[str], path: list[str]) -> None:
    """Against a plain search over all patterns."""

    def rank(text: str) -> list[int] | None:
        parts = text[1:].split("/")
        ranks: list[int] = []
        for at, part in enumerate(parts):
            if part == "*":
                return [*ranks, 2] if len(path) > at else None
            if at >= len(path) or (part[:1] != ":" and part != path[at]):
                return None
            ranks.append(1 if part.startswith(":") else 0)
        return ranks if len(parts) == len(path) else None

    fitting = [(rank(text), text) for text in patterns if rank(text) is not None]
    table = routes(*patterns)
    if not fitting:
        with pytest.raises(NoRoute):
            table.find("GET", "/" + "/".join(path))
    else:
        found = table.find("GET", "/" + "/".join(path))
        assert rank(found.target) == min(ranks for ranks, _ in fitting if ranks is not None)
