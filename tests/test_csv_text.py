from __future__ import annotations

import csv
import io

import pandas
import pytest

from studio.services.csv_text import csv_lines

pytestmark = pytest.mark.pure


def read_back(rows):
    """Read as a spreadsheet does: the mark in front says the code. Two readers say the same."""
    data = "".join(csv_lines(rows)).encode()
    assert data.startswith(b"\xef\xbb\xbf") and data.count(b"\xef\xbb\xbf") == 1
    found = list(csv.reader(io.StringIO(data.decode("utf-8-sig"), newline="")))
    assert read_by_pandas(data) == found
    return found


def read_by_pandas(data):
    """Read with a parser that shares nothing with the one that wrote it."""
    options = {"header": None, "dtype": str, "keep_default_na": False, "skip_blank_lines": False}
    return pandas.read_csv(io.BytesIO(data), **options).to_numpy().tolist()


def test_every_script_quote_and_line_end_comes_back():
    rows = [
        ["Über", "東京", "Étude"],
        ['say "a, b"; c', "two\nlines", "x\r\ny"],
        ["", "\u200fאב", " "],
        ["l’heure\u202fbleue", "東京\u3000夜景", "👩\u200d🎤"],
        ["NA", "null", "a\u2028b\x85c"],
        ["한국", "می\u200cخواهم", "e\u0301"],
    ]
    assert read_back(rows) == rows


@pytest.mark.parametrize(
    "cell",
    [
        "=1+1", "+1+1", "-1+1", "@SUM(A1)", "\t=1", "\r=1", "\n=1", " =1+1", "\u00a0=1", "\u3000=1", "＝1+1", "＋cmd",
        "－2", "＠x", "-", "- wait", "=HYPERLINK(1)", "-inf", "+nan", "-1_000", "+٣", "-infinity",
    ],
)  # fmt: skip
def test_a_cell_that_would_be_run_is_text(cell):
    assert read_back([[cell]]) == [[f"'{cell}"]]


@pytest.mark.parametrize(
    "cell", ["-1.000000", "+3", "-0.5", "1e5", "-1e-07", "plain", "a=b", "", -4]
)
def test_numbers_and_words_stay_as_they_are(cell):
    assert read_back([[cell]]) == [[str(cell)]]
