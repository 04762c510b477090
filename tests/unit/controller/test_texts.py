"""Texts that are cut to a length."""

from hypothesis import given
from hypothesis import strategies as st

from atlas_endpoints.controller.texts import shorten


@given(text=st.text(), limit=st.integers(min_value=1, max_value=50))
def test_a_cut_text_ends_with_an_ellipsis(text: str, limit: int) -> None:
    cut = shorten(text, limit)
    assert len(cut) <= limit
    if len(text) <= limit:
        assert cut == text
    else:
        assert cut.endswith("…")
        assert text.startswith(cut[:-1])
