import pytest

from obelisk_runtime.core.errors import InvalidName
from obelisk_runtime.core.ids import (
    JoinSetId,
    child_id,
    delay_id,
    derived_id,
    is_delay,
    join_set_of,
    parent_of,
    parse_delay_id,
    parse_execution_id,
    top_level_id,
    ulid,
    valid_join_set_name,
)

TOP = parse_execution_id("E_01JX8ZQ4T5V6W7X8Y9Z0ABCDEF")


def test_a_ulid_is_its_time_and_randomness_in_crockford_base_32() -> None:
    # The example of the ULID specification: 1469918176385 ms is 01ARYZ6S41.
    assert ulid(1469918176385, 0) == "01ARYZ6S410000000000000000"
    assert ulid(0, 1) == "00000000000000000000000001"
    assert ulid(2**48 - 1, 2**80 - 1) == "7ZZZZZZZZZZZZZZZZZZZZZZZZZ"


def test_an_id_is_derived_from_the_first_128_bits_of_a_digest() -> None:
    digest = bytes.fromhex("0123456789abcdef0123456789abcdef") + b"whatever follows"
    assert derived_id(digest) == top_level_id(0x0123456789AB, 0xCDEF0123456789ABCDEF)
    assert parse_execution_id(derived_id(b"\xff" * 32)) == "E_7ZZZZZZZZZZZZZZZZZZZZZZZZZ"


def test_ids_sort_by_the_time_they_were_made_at() -> None:
    assert top_level_id(1000, 2**80 - 1) < top_level_id(1001, 0)


def test_a_top_level_id_is_valid() -> None:
    made = top_level_id(1_750_000_000_000, 2**79 + 12345)
    assert parse_execution_id(made) == made


def test_parent_and_join_set_are_read_from_the_id_of_a_child() -> None:
    child = child_id(TOP, JoinSetId("n:pay-ments/eu"), 12)
    assert child == f"{TOP}.n:pay-ments/eu_12"
    assert parse_execution_id(child) == child
    assert parent_of(child) == TOP
    assert join_set_of(child) == ("n:pay-ments/eu", 12)


def test_parent_and_join_set_are_read_from_the_id_of_a_grandchild() -> None:
    child = child_id(TOP, JoinSetId("g:2"), 1)
    grandchild = child_id(child, JoinSetId("o:3"), 1)
    assert parent_of(grandchild) == child
    assert join_set_of(grandchild) == ("o:3", 1)


def test_parent_and_join_set_are_read_from_the_id_of_a_delay() -> None:
    child = child_id(TOP, JoinSetId("g:2"), 7)
    delay = delay_id(child, JoinSetId("o:1"), 1)
    assert delay == f"Delay_{child[2:]}.o:1_1"
    assert parse_delay_id(delay) == delay
    assert parent_of(delay) == child
    assert join_set_of(delay) == ("o:1", 1)
    assert is_delay(delay)
    assert not is_delay(child)


def test_a_top_level_execution_has_no_parent_and_no_join_set() -> None:
    assert parent_of(TOP) is None
    assert join_set_of(TOP) is None


@pytest.mark.parametrize(
    "text",
    [
        "", "E_", TOP[2:], TOP.lower(), TOP[:-1], TOP + "0", TOP + "\n", " " + TOP,
        "E_81JX8ZQ4T5V6W7X8Y9Z0ABCDEF",  # more than 128 bits
        "E_01JX8ZQ4T5V6W7X8Y9Z0ABCDEU",  # U, I, L and O are not of the alphabet
        f"{TOP}.", f"{TOP}.g:1", f"{TOP}.g:1_0", f"{TOP}.g:1_01", f"{TOP}.x:1_1", f"{TOP}.n:_1", f"{TOP}.n:a_b_1",
        f"{TOP}.n:ü_1", f"{TOP}.g:1_१", f"Delay_{TOP[2:]}.g:1_1",
    ],
)  # fmt: skip
def test_what_is_no_execution_id_is_refused(text: str) -> None:
    with pytest.raises(InvalidName) as caught:
        parse_execution_id(text)
    assert caught.value.found == text


@pytest.mark.parametrize("text", ["", TOP, f"Delay_{TOP[2:]}", f"Delay_{TOP}.g:1_1", f"E_{TOP[2:]}.g:1_1"])
def test_what_is_no_delay_id_is_refused(text: str) -> None:
    with pytest.raises(InvalidName):
        parse_delay_id(text)


def test_join_set_names_are_letters_digits_hyphens_and_slashes() -> None:
    assert all(map(valid_join_set_name, ("a", "Pay-ments/2", "1", "-")))
    assert not any(map(valid_join_set_name, ("", "a_b", "a.b", "ü", "a b", "a\n")))
