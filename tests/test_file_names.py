from __future__ import annotations

import unicodedata

import pytest

from studio.file_names import file_stem

pytestmark = pytest.mark.pure


@pytest.mark.parametrize(
    ("text", "stem"),
    [
        ("The long night", "the-long-night"),
        ("Clip “1” & more", "clip-1-more"),
        ("東京\u3000夜景", "東京-夜景"),
        ("l\u2019heure\u202fbleue", "l-heure-bleue"),
        ("E\u0301tude", "\u00e9tude"),
        ("ＡＢＣ ﬁn ①", "abc-fin-1"),
        ("हिन्दी", "हिन्दी"),
        ("می\u200cخواهم", "می\u200cخواهم"),
        ("İzmir", "i\u0307zmir"),
        ("CON", "con-file"), ("Lpt1", "lpt1-file"), ("con air", "con-air"),
        ("..", "clip"), ("", "clip"), ("\u202e\x00", "clip"), ("\U0001f469\u200d\U0001f3a4", "clip"),
        ("name. ", "name"), ("../../etc/passwd", "etc-passwd"), ("a\\b:c*d?", "a-b-c-d"),
    ],
)  # fmt: skip
def test_a_name_holds_the_words_of_every_script_and_nothing_a_disk_refuses(text, stem):
    assert file_stem(text, otherwise="clip") == stem


@pytest.mark.parametrize(
    "text", ["夜" * 200, "x" * 500, "न्दि" * 60, "e\u0308\u0323" * 90, "می\u200c" * 60]
)
@pytest.mark.parametrize("most", [7, 40, 80])
def test_a_long_name_is_cut_between_letters(text, most):
    whole = file_stem(text, otherwise="-", most=10_000)
    stem = file_stem(text, otherwise="-", most=most)
    assert 0 < len(stem.encode()) <= most and whole.startswith(stem)
    assert not unicodedata.category(whole[len(stem)]).startswith("M")


@pytest.mark.parametrize(
    ("one", "other"),
    [("É", "e\u0301"), ("ﬁ", "FI"), ("ＡＢ", "ab"), ("Ночь", "НОЧЬ"), ("Ⅳ", "iv")],
)
def test_names_that_a_disk_takes_for_one_are_one_here(one, other):
    assert file_stem(one, otherwise="x") == file_stem(other, otherwise="x")
