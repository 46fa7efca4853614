import pytest

from obelisk_runtime.core.errors import InvalidName
from obelisk_runtime.core.names import EXTENSION_SUFFIXES, Ffqn, InterfaceName


def test_an_interface_name_is_read_in_parts() -> None:
    name = InterfaceName.parse("testing:fibo-workflow/workflow@1.2.3-rc.1+build.5")
    assert (name.namespace, name.package, name.name) == ("testing", "fibo-workflow", "workflow")
    assert name.version == "1.2.3-rc.1+build.5"
    assert str(name) == "testing:fibo-workflow/workflow@1.2.3-rc.1+build.5"


def test_a_function_name_is_read_in_parts() -> None:
    for text in ("testing:fibo/fibo.fibo", "testing:fibo/fibo@1.2.3.fibo-a", "testing:fibo/fibo@1.2.3-rc.1.f"):
        name = Ffqn.parse(text)
        assert (str(name), name.interface.text, name.function) == (text, *text.rsplit(".", 1))


def test_names_are_equal_ordered_and_hashed_by_their_text() -> None:
    one, other = Ffqn.parse("a:b/c.d"), Ffqn(InterfaceName("a", "b", "c", None), "d")
    assert one == other
    assert hash(one) == hash(other)
    assert one != "a:b/c.d"
    assert sorted([Ffqn.parse("a:b/c.e"), one]) == [one, Ffqn.parse("a:b/c.e")]
    assert InterfaceName.parse("a:b/c") == one.interface
    assert {InterfaceName.parse("a:b/c")} == {one.interface}


@pytest.mark.parametrize(
    "text",
    [
        "", "a", "a/b", "a:b", "a:b/", "A:b/c", "a:b/c@1", "a:b/c@1.2", "a:b/c@", "a:b/c@१.2.3", "a:b/-c", "a:b/c-",
        "a:b/c--d", "a:b/1c", "a:b/c d", "a:b/c\n", "a:b:c/d", "ü:b/c", "a:b/c@1.2.3-ü",
    ],
)  # fmt: skip
def test_what_is_no_interface_name_is_refused(text: str) -> None:
    with pytest.raises(InvalidName) as caught:
        InterfaceName.parse(text)
    assert caught.value.kind == "interface name"


@pytest.mark.parametrize("text", ["", "d", "a:b/c", "a:b/c.", "a:b/c.D", "a:b/c.d\n", "a:b.d", "a:b/c@1.2.3", ".d"])
def test_what_is_no_function_name_is_refused(text: str) -> None:
    with pytest.raises(InvalidName):
        Ffqn.parse(text)


def test_derived_interfaces_keep_the_version_at_the_end() -> None:
    name = InterfaceName.parse("testing:fibo/fibo@1.2.3")
    assert str(name.extension("-obelisk-ext")) == "testing:fibo-obelisk-ext/fibo@1.2.3"


@pytest.mark.parametrize("suffix", EXTENSION_SUFFIXES)
def test_a_derived_interface_knows_what_it_is_derived_from(suffix: str) -> None:
    name = InterfaceName.parse("testing:fibo/fibo@1.2.3")
    assert name.extension(suffix).base() == (name, suffix)
    assert name.base() is None


def test_host_namespaces_and_derived_packages_are_reserved() -> None:
    for text in ("obelisk:x/y", "wasi:x/y", "testing:fibo-obelisk-stub/fibo"):
        assert InterfaceName.parse(text).reserved
    assert not InterfaceName.parse("testing:obelisk/fibo").reserved


def test_only_names_with_the_suffix_are_cancellable() -> None:
    assert Ffqn.parse("a:b/c.run-cancellable").cancellable
    assert not Ffqn.parse("a:b/c.cancellable-run").cancellable
