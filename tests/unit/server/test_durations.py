import pytest
from hypothesis import given
from hypothesis import strategies as st

from obelisk_server.durations import NotADuration, duration_text, parse_duration


@pytest.mark.parametrize(
    ("text", "microseconds"),
    [("0s", 0), ("250us", 250), ("100ms", 100_000), ("1.5s", 1_500_000), ("1m", 60_000_000), ("2h", 7_200_000_000)],
)
def test_a_duration_is_read_in_its_unit(text: str, microseconds: int) -> None:
    assert parse_duration(text) == microseconds


@pytest.mark.parametrize("text", ["", "10", "s", "10 s", "-1s", "1e3s", "10sec", "1s500ms", "٣s", "9" * 40 + "s"])
def test_anything_else_is_no_duration(text: str) -> None:
    with pytest.raises(NotADuration, match="expected a duration"):
        parse_duration(text)


@given(st.integers(0, 10**15))
def test_the_text_of_a_duration_reads_back_the_same(microseconds: int) -> None:
    assert parse_duration(duration_text(microseconds)) == microseconds
