"""The reader of tables: what a program wrote is read back exactly, or refused."""

import csv
import io
import math
from collections.abc import Iterator
from datetime import UTC
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest
from hypothesis import HealthCheck, given
from hypothesis import settings as property_settings
from hypothesis import strategies as st

from affectline.common.errors import AffectlineError
from affectline.services.biometrics.table import (
    FIRST_BYTES,
    Numbers,
    Omissions,
    Table,
    TimeReader,
    check_widths,
    find_column,
    read_table,
)

S = 1_000_000_000


def write(folder: Path, content: str | bytes) -> Path:
    file = folder / "table.csv"
    file.write_bytes(content if isinstance(content, bytes) else content.encode())
    return file


def cells(table: Table) -> list[list[str]]:
    return [table.header.cells, *(row.cells for row in table.rows)]


@pytest.mark.parametrize(
    "content",
    [
        "time,hr\n0,60\n",
        "time;hr\n0;60\n",
        "time\thr\r\n0\t60\r\n",
        "time;hr\r0;60\r",
        "\ufefftime, hr\n0 , 60\n",
        '"time","hr"\n"0","60"\n',
        '"time"; "hr"\n"0"; "60"',
        "sep=|\ntime|hr\n0|60\n",
        "\n\ntime,hr\n\n0,60\n\n",
        "time\thr\n0\t60\n".encode("utf-16"),
        b"\xfe\xff" + "time\thr\n0\t60\n".encode("utf-16-be"),
    ],
)
def test_whatever_writes_it_the_cells_are_the_same(tmp_path: Path, content: str | bytes) -> None:
    table = read_table(write(tmp_path, content), "--file", ["time", "hr"])
    assert cells(table) == [["time", "hr"], ["0", "60"]]


def test_a_name_that_is_not_utf8_is_read_all_the_same(tmp_path: Path) -> None:
    table = read_table(write(tmp_path, "time,Größe\n0,1\n".encode("cp1252")), "--file", ["time"])
    assert table.header.cells == ["time", "Größe"]


def test_the_delimiter_is_that_by_which_the_wanted_names_are_there(tmp_path: Path) -> None:
    file = write(tmp_path, "time;hr, in rest;eda, in rest\n0;1,5;2,5\n")
    assert read_table(file, "--file", ["time", "hr, in rest"]).delimiter == ";"


def test_only_the_beginning_of_a_long_table_is_read_where_that_is_enough(tmp_path: Path) -> None:
    rows = [f'{i},"a ""quoted"" remark, in row {i}"' for i in range(10_000)]
    file = write(tmp_path, "time,remark\n" + "\n".join(rows))
    table = read_table(file, "--file", ["time"], first_rows=True)
    assert 100 < len(table.rows) < FIRST_BYTES / 20
    assert all(len(row.cells) == 2 for row in table.rows)


@pytest.mark.parametrize(
    ("content", "words"),
    [
        ("", "is empty"),
        ("\n\n", "is empty"),
        ('time,hr\n0,"60\n1,61\n', "is not CSV \\(line 3: unexpected end of data"),
        ('time,hr\n0,"60\n1,"61\n', "is not CSV \\(line 3"),
        (b"time,hr\n0\0,60\n", "is not text"),
        (b"\xff\xfet", "no column 'time'"),
        ("time,hr,hr\n0,1,2\n", "columns 2 and 3 are both called 'hr'"),
        ("time,hr, hr \n0,1,2\n", "columns 2 and 3 are both called 'hr'"),
        ("time,pulse\n0,1\n", "no column 'hr': its columns are time, pulse"),
    ],
)
def test_what_cannot_be_read_is_refused_with_the_reason(
    tmp_path: Path, content: str | bytes, words: str
) -> None:
    file = write(tmp_path, content)

    def find(name: str) -> int:
        header = read_table(file, "--file", ["time", "hr"]).header
        return find_column(header, name, "--file", file)

    with pytest.raises(AffectlineError, match=words):
        sum(map(find, ("time", "hr")))


def test_two_unwanted_columns_may_have_one_name(tmp_path: Path) -> None:
    file = write(tmp_path, "time,note,hr,note\n0,a,60,b\n")
    assert find_column(read_table(file, "--file", ["hr"]).header, "hr", "--file", file) == 2


def widths(folder: Path, body: str, width: int = 2) -> tuple[list[list[str]], str]:
    """The rows that are left, and what is said of the others."""
    file = write(folder, "time,hr\n" + body)
    omissions = Omissions("table.csv")
    table = read_table(file, "--file", ["time", "hr"])
    rows = check_widths(table, width, omissions, "--file", file)
    return [row.cells for row in rows], omissions.describe(len(rows))


def test_rows_with_more_cells_are_left_out_and_said(tmp_path: Path) -> None:
    rows, said = widths(tmp_path, "0,1\n1,2,5\n2,3\n3,4\n4,5,\n")
    assert rows == [["0", "1"], [], ["2", "3"], ["3", "4"], []]
    assert said == ("table.csv: 2 of 5 rows were left out: more cells than columns (first: line 3)")


def test_empty_cells_behind_the_last_column_do_no_harm(tmp_path: Path) -> None:
    assert widths(tmp_path, "0,1,\n1,2,\n") == ([["0", "1", ""], ["1", "2", ""]], "")


def test_short_rows_are_read_as_far_as_they_go_but_for_one_that_was_cut_off(tmp_path: Path) -> None:
    rows, said = widths(tmp_path, "0,1\n1\n2,3\n4")
    assert rows == [["0", "1"], ["1"], ["2", "3"], []]
    assert "1 of 4 rows were read as far as they go: fewer cells than columns (line 3)" in said
    assert "1 of 4 rows were left out: cut off at the end of the file (line 5)" in said


def test_a_table_of_decimal_commas_between_commas_is_refused(tmp_path: Path) -> None:
    with pytest.raises(AffectlineError, match=r"2 of 3 rows have more cells .* line 3: 0,25,3,7"):
        widths(tmp_path, "0,3\n0,25,3,7\n0,5,3,71\n")


@pytest.mark.parametrize(
    ("cell", "comma", "semicolon"),
    [
        ("3.71", 3.71, 3.71),
        ("3,71", None, 3.71),
        ("-.5", -0.5, -0.5),
        ("5.", 5.0, 5.0),
        ("+1e5", 1e5, 1e5),
        ("1,5E-2", None, 0.015),
        ("1.234,5", None, None),
        ("1,234.5", None, None),
        ("1,234,567", None, None),
        ("1 234,5", None, None),
        ("1_000", None, None),
        ("12abc", None, None),
        ("0x10", None, None),
        ("1e", None, None),
        ("1e400", None, None),
        ("inf", None, None),
        ("-Infinity", None, None),
        ("٣", None, None),
        ("-", None, None),
        (".", None, None),
        ("12:30", None, None),
    ],
)
def test_a_number_is_read_whole_or_not_at_all(
    cell: str, comma: float | None, semicolon: float | None
) -> None:
    assert Numbers(",").read(cell) == comma
    assert Numbers(";").read(cell) == semicolon


@pytest.mark.parametrize("cell", ["", "nan", "NaN", "NA", "n/a", "null", "None", "<NA>"])
def test_gaps_are_no_mistakes(cell: str) -> None:
    value = Numbers(",").read(cell)
    assert value is not None
    assert math.isnan(value)


def test_decimal_points_beside_decimal_commas_are_refused_until_one_is_named() -> None:
    numbers = Numbers(";")
    assert (numbers.read("1,5"), numbers.read("1.234")) == (1.5, 1.234)
    with pytest.raises(AffectlineError, match=r"holds 1,5 and 1\.234: say which"):
        numbers.check("--file", Path("x.csv"), "say which")
    named = Numbers(";", ",")
    assert (named.read("1,5"), named.read("1.234")) == (1.5, None)
    named.check("--file", Path("x.csv"), "")


def times(unit: str, zone: str, found: list[str]) -> Iterator[float | None]:
    """Seconds since 2026-10-25T00:00Z, the night in which clocks are put back."""
    zero = 1_792_886_400
    info = UTC if zone == "UTC" else ZoneInfo(zone)
    reader = TimeReader(unit, info, Numbers(","))  # type: ignore[arg-type]
    for cell in found:
        time = reader.read(cell)
        yield None if time is None else time / S - zero


def test_dates_without_an_offset_are_local_time_of_the_zone() -> None:
    cells = ["2026-10-25T00:00:00Z", "2026-10-25 02:00:00", "2026-10-25T02:00:00.5+02:00", "soon"]
    assert list(times("iso", "UTC", cells)) == [0, 7200, 0.5, None]
    assert list(times("iso", "Europe/Berlin", cells)) == [0, 0, 0.5, None]


def test_time_goes_on_in_the_hour_that_comes_twice() -> None:
    night = ["01:59", "02:00", "02:59", "02:00", "02:30", "02:59", "03:00"]
    found = list(times("iso", "Europe/Berlin", [f"2026-10-25 {time}" for time in night]))
    assert found == [-60, 0, 3540, 3600, 5400, 7140, 7200]
    (first,) = times("iso", "Europe/Berlin", ["2026-10-25 02:30"])
    assert first == 1800  # nothing before it: the first of the two


def test_times_that_never_were_are_counted() -> None:
    reader = TimeReader("iso", ZoneInfo("Europe/Berlin"), Numbers(","))
    before = reader.read("2026-03-29 01:59:00")
    skipped = reader.read("2026-03-29 02:30:00")
    assert before is not None
    assert skipped is not None
    assert (skipped - before) // S == 31 * 60
    assert (reader.skipped_by_clocks, reader.without_offset) == (1, 2)


def test_times_in_numbers_are_exact_and_may_be_negative() -> None:
    reader = TimeReader("us", UTC, Numbers(";"))
    assert reader.read("1600000000123456.789") == 1_600_000_000_123_456_789
    assert reader.read("-5,5") == -5500
    for wrong in ("", "nan", "1e300", "1e400000", "-1e300", "1:30"):
        assert reader.read(wrong) is None


remarks = st.text(st.characters(exclude_characters="\r", exclude_categories=["Cs"]), max_size=8)
"""Python's writer leaves a lone carriage return unquoted, where every reader ends a row."""
numbers = st.floats(allow_nan=False, allow_infinity=False, width=64)


@property_settings(
    deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=100
)
@given(
    st.lists(st.tuples(numbers, st.none() | numbers, remarks), min_size=1, max_size=20),
    st.sampled_from([",", ";", "\t"]),
    st.booleans(),
    st.sampled_from([csv.QUOTE_MINIMAL, csv.QUOTE_ALL, csv.QUOTE_NONNUMERIC]),
    st.sampled_from(["utf-8", "utf-8-sig", "utf-16"]),
    st.sampled_from(["\n", "\r\n"]),
    st.sampled_from(["", "nan"]),
)
def test_what_programs_write_is_read_back_exactly_or_refused(
    tmp_path: Path,
    rows: list[tuple[float, float | None, str]],
    delimiter: str,
    has_commas: bool,
    quoting: int,
    encoding: str,
    end: str,
    gap: str,
) -> None:
    def text(value: float | None) -> str:
        if value is None:
            return gap
        return repr(value).replace(".", ",") if has_commas and delimiter != "," else repr(value)

    buffer = io.StringIO()
    writer = csv.writer(buffer, delimiter=delimiter, quoting=quoting, lineterminator=end)  # type: ignore[arg-type]
    writer.writerow(["x", "y", "remark, if; any"])
    writer.writerows([text(x), text(y), remark] for x, y, remark in rows)
    file = tmp_path / "table.csv"
    try:
        file.write_bytes(buffer.getvalue().encode(encoding))
        table = read_table(file, "--file", ["x", "y"])
    except (AffectlineError, UnicodeEncodeError):
        return
    reader = Numbers(table.delimiter)
    found = [[reader.read(cell) for cell in row.cells[:2]] for row in table.rows]
    expected = [[x, math.nan if y is None else y] for x, y, _ in rows]
    assert str(found) == str(expected)


@property_settings(
    deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=100
)
@given(st.lists(st.tuples(st.integers(0, 99), st.integers(-99, 99), st.integers(1, 9)), min_size=1))
def test_decimal_commas_between_commas_never_yield_half_a_number(
    tmp_path: Path, rows: list[tuple[int, int, int]]
) -> None:
    body = "".join(f"{time},{whole},{part}\n" for time, whole, part in rows)
    with pytest.raises(AffectlineError, match="more cells than columns"):
        widths(tmp_path, body)
