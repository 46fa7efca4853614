from pathlib import Path

import obelisk_runtime
from obelisk_runtime.core import host_types
from obelisk_runtime.core.host_types import HOST_FUNCTIONS
from obelisk_runtime.core.types import Borrow, Own
from obelisk_runtime.testing.wit_text import Interface, parse_package

WIT = Path(obelisk_runtime.__file__).parent / "wit"


def declared() -> dict[str, Interface]:
    interfaces: dict[str, Interface] = {}
    for package in ("types@5.0.0", "log@1.0.0", "workflow@6.0.0", "webhook@6.0.0"):
        for file in sorted((WIT / f"obelisk_{package}").glob("*.wit")):
            interfaces |= parse_package(file.read_text(), interfaces)
    return interfaces


def test_every_function_of_the_wit_files_has_the_same_type_here_and_there_are_no_others():
    expected = {
        (interface, name): item for interface, made in declared().items() for name, item in made.functions.items()
    }
    assert dict(HOST_FUNCTIONS) == expected


def test_every_type_of_the_wit_files_that_has_a_constant_here_is_the_same():
    compared = set[str]()
    for made in declared().values():
        for name, item in made.types.items():
            constant = getattr(host_types, name.upper().replace("-", "_"), None)
            if constant is not None:
                assert constant == item, name
                compared.add(name)
    assert {"duration", "schedule-at", "function-mismatch", "wasm-backtrace", "stub-error", "join-set"} <= compared


def test_a_join_set_is_closed_by_giving_it_away_and_read_through_a_borrow():
    resource = "obelisk:types/join-set@5.0.0.join-set"
    close = HOST_FUNCTIONS["obelisk:workflow/workflow-support@6.0.0", "join-set-close"]
    read = HOST_FUNCTIONS["obelisk:types/join-set@5.0.0", "[method]join-set.id"]
    assert close.params == (("self", Own(resource)),)
    assert read.params == (("self", Borrow(resource)),)
