"""Long tables step back, failures do not."""

from bench.report.document import Table
from bench.report.folding import MOST_ROWS, fold


def table(count, *bad):
    return Table(
        columns=("call", "got"),
        rows=tuple((str(number), "200") for number in range(count)),
        marks=tuple("bad" if number in bad else "plain" for number in range(count)),
        caption="Calls.",
    )


def test_a_short_table_stays_as_it_is():
    assert fold(table(MOST_ROWS, 3), "all") == (table(MOST_ROWS, 3),)


def test_a_long_one_is_folded_whole():
    (folded,) = fold(table(MOST_ROWS + 1), "13 of 13")

    assert (folded.folded, len(folded.rows)) == ("13 of 13", MOST_ROWS + 1)


def test_what_went_wrong_in_a_long_one_is_shown_above_it():
    wrong, folded = fold(table(40, 7, 30), "38 of 40")

    assert ([row[0] for row in wrong.rows], wrong.marks, wrong.folded) == (["7", "30"], ("bad", "bad"), "")
    assert len(folded.rows) == 40
