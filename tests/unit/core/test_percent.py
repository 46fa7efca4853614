from urllib.parse import quote, unquote

from hypothesis import given
from hypothesis import strategies as st

from obelisk_runtime.core.percent import percent_decode, percent_encode


@given(st.binary())
def test_it_encodes_as_the_standard_library_does(data: bytes) -> None:
    assert percent_encode(data) == quote(data, safe="")
    assert percent_encode(data, safe=b"/") == quote(data)


@given(st.text("%aF0249é/."))
def test_it_decodes_as_the_standard_library_does(text: str) -> None:
    assert percent_decode(text) == unquote(text)
