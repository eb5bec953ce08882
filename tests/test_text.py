"""Text from anywhere becomes one line that is safe to show; a name finds its nearest."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from jaxconv.text import nearest, one_line, printable


@given(st.text(st.characters()))
def test_any_text_becomes_one_printable_line_of_bearable_length(text):
    shown = printable(text * 300)
    assert shown.isprintable()
    assert len(shown) <= 2000
    shown.encode()  # no lone surrogate is left
    assert printable(shown) == shown


def test_plain_text_stays_and_the_rest_is_escaped():
    assert printable("Größe 3, 数") == "Größe 3, 数"
    assert printable("a\r\n\x1b[2J\u202e\udcff") == r"a\r\n\x1b[2J\u202e\udcff"


def test_of_a_long_text_the_beginning_and_the_end_are_shown():
    shown = printable(f"first {'x' * 10**7} last")
    assert shown.startswith("first xxx")
    assert shown.endswith("xxx last")
    assert " ... " in shown


def test_an_error_is_its_words_in_one_line_or_its_kind():
    assert one_line(ValueError("one\n   two")) == "one two"
    assert one_line(MemoryError()) == "MemoryError"
    assert len(one_line(ValueError("x" * 1000))) <= 160


@pytest.mark.parametrize(
    ("name", "meant"),
    [
        ("evalute", "evaluate"),
        ("fill_value", "fill"),
        ("limit", "data.limit"),
        ("zzz", None),
        ("", None),
    ],
)
def test_the_nearest_name(name, meant):
    assert nearest(name, ["evaluate", "fill", "data.limit", "x"]) == meant
