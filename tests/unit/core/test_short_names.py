import pytest

from obelisk_runtime.core.names import Ffqn
from obelisk_runtime.core.short_names import AmbiguousFunction, UnknownFunction, resolve

FIBO = Ffqn.parse("testing:fibo/fibo.fibo")
FIBOA = Ffqn.parse("testing:fibo-workflow/workflow@1.0.0.fiboa")
FIBOA_CONCURRENT = Ffqn.parse("testing:fibo-workflow/workflow@1.0.0.fiboa-concurrent")
OTHER_FIBO = Ffqn.parse("other:fibo/fibo.fibo")
KNOWN = [FIBOA, FIBO, FIBOA_CONCURRENT]


@pytest.mark.parametrize(
    ("name", "function"),
    [
        ("fibo", FIBO),
        ("fibo.fibo", FIBO),
        ("fibo/fibo.fibo", FIBO),
        ("testing:fibo/fibo.fibo", FIBO),
        ("fiboa", FIBOA),
        ("workflow.fiboa", FIBOA),
        ("fibo-workflow/workflow.fiboa", FIBOA),
        ("testing:fibo-workflow/workflow.fiboa", FIBOA),
        ("workflow@1.0.0.fiboa", FIBOA),
        (FIBOA.text, FIBOA),
        ("fiboa-concurrent", FIBOA_CONCURRENT),
    ],
)
def test_the_end_of_a_name_is_enough(name: str, function: Ffqn):
    assert resolve(name, KNOWN) == function


@pytest.mark.parametrize(
    "name", ["ibo", "concurrent", "", ".", "low.fiboa", "fibo@2.0.0.fibo", "x:testing:fibo/fibo.fibo"]
)
def test_a_name_ends_at_a_separator(name: str):
    with pytest.raises(UnknownFunction):
        resolve(name, KNOWN)


def test_an_ambiguous_name_lists_the_candidates():
    with pytest.raises(AmbiguousFunction) as refused:
        resolve("fibo.fibo", [*KNOWN, OTHER_FIBO])
    assert str(refused.value) == (
        "'fibo.fibo' may be other:fibo/fibo.fibo or testing:fibo/fibo.fibo; write more of the name"
    )
    assert resolve("testing:fibo/fibo.fibo", [*KNOWN, OTHER_FIBO]) == FIBO


def test_two_versions_of_a_function_are_told_apart():
    newer = Ffqn.parse("testing:fibo-workflow/workflow@2.0.0.fiboa")
    with pytest.raises(AmbiguousFunction):
        resolve("fiboa", [*KNOWN, newer])
    assert resolve("workflow@2.0.0.fiboa", [*KNOWN, newer]) == newer


def test_an_unknown_name_offers_the_closest():
    with pytest.raises(UnknownFunction) as refused:
        resolve("workflow.fibboa", KNOWN)
    assert refused.value.closest[0] == FIBOA
    assert str(refused.value).startswith(
        "no component exports a function 'workflow.fibboa'; did you mean testing:fibo-"
    )
    with pytest.raises(UnknownFunction, match=r"'zzz'$"):
        resolve("zzz", KNOWN)
