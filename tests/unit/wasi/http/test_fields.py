"""Headers and trailers."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from obelisk_runtime.ports.engine import GuestTrap
from obelisk_runtime.wasi.http import FIELDS_BYTES_MAX, Fields, is_name, is_value
from obelisk_runtime.wasi.http.fields import FORBIDDEN, HeaderError

TOKEN = "!#$%&'*+-.^_`|~0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
names = st.text(TOKEN, min_size=1, max_size=20).filter(lambda name: name.lower() not in FORBIDDEN)
values = st.binary(max_size=30).filter(lambda value: not set(value) & {*range(9), *range(10, 32), 127})


@given(st.text(max_size=6))
def test_a_name_is_a_token(text: str) -> None:
    assert is_name(text) == (bool(text) and set(text) <= set(TOKEN))


@given(st.binary(max_size=6))
def test_a_value_has_no_control_characters_but_tabs(value: bytes) -> None:
    assert is_value(value) == all(byte == 9 or (byte >= 32 and byte != 127) for byte in value)


@given(st.lists(st.tuples(names, values), max_size=8))
def test_what_goes_in_comes_out_in_order_and_is_found_whatever_the_case(entries: list[tuple[str, bytes]]) -> None:
    fields = Fields.of_guest(entries)
    assert fields.entries() == entries
    for name, _ in entries:
        assert fields.get(name.swapcase()) == [value for key, value in entries if key.lower() == name.lower()]
        assert fields.has(name.upper())


@given(st.lists(st.tuples(names, values), max_size=8), names, st.lists(values, max_size=3))
def test_setting_replaces_all_values_and_deleting_removes_them(
    entries: list[tuple[str, bytes]], name: str, new: list[bytes]
) -> None:
    fields = Fields.of_guest(entries)
    fields.set(name, new)
    assert fields.get(name) == new
    fields.delete(name.upper())
    assert not fields.has(name)
    assert fields.entries() == [entry for entry in entries if entry[0].lower() != name.lower()]


@pytest.mark.parametrize("name", ["", "a b", "a:", "ä", "a\n", "a\0"])
def test_a_wrong_name_is_refused_and_changes_nothing(name: str) -> None:
    fields = Fields([("a", b"1")])
    for change in (lambda: fields.append(name, b"x"), lambda: fields.set(name, [b"x"]), lambda: fields.delete(name)):
        with pytest.raises(HeaderError, match="invalid_syntax"):
            change()
    assert fields.get(name) == []
    assert fields.entries() == [("a", b"1")]


@pytest.mark.parametrize("value", [b"a\r\nx: y", b"\0", b"\x7f", b"a\n"])
def test_a_value_cannot_smuggle_a_line(value: bytes) -> None:
    fields = Fields([("a", b"1")])
    with pytest.raises(HeaderError, match="invalid_syntax"):
        fields.set("a", [b"fine", value])
    assert fields.entries() == [("a", b"1")]


@pytest.mark.parametrize("name", ["Host", "transfer-encoding", "CONNECTION", "Upgrade", "te", "Keep-Alive"])
def test_what_is_the_hosts_is_forbidden(name: str) -> None:
    with pytest.raises(HeaderError, match="forbidden"):
        Fields.of_guest([(name, b"x")])
    with pytest.raises(HeaderError, match="forbidden"):
        Fields([(name, b"x")]).delete(name)


def test_frozen_fields_do_not_change_and_their_clone_does() -> None:
    fields = Fields([("a", b"1")])
    frozen = fields.frozen()
    fields.append("b", b"2")
    for change in (lambda: frozen.append("c", b""), lambda: frozen.set("a", []), lambda: frozen.delete("a")):
        with pytest.raises(HeaderError, match="immutable"):
            change()
    assert frozen.entries() == [("a", b"1")]
    clone = frozen.clone()
    clone.append("c", b"3")
    assert (clone.entries(), frozen.entries()) == ([("a", b"1"), ("c", b"3")], [("a", b"1")])


def test_a_section_has_a_size() -> None:
    fields = Fields()
    fields.append("a", b"x" * (FIELDS_BYTES_MAX - 5))
    with pytest.raises(GuestTrap, match=str(FIELDS_BYTES_MAX)):
        fields.append("b", b"")
    fields.set("a", [])
    fields.append("b", b"")
