from pathlib import Path

import pytest
from hypothesis import HealthCheck, given
from hypothesis import settings as property_settings
from hypothesis import strategies as st

from affectline.common.errors import AffectlineError
from affectline.services.biometrics.driver import Reading
from affectline.services.biometrics.drivers.csv import CsvDriver
from affectline.services.biometrics.validation import time_of
from tests.unit.services.biometrics.fakes import START, FakeTime, play, settings

S = 1_000_000_000
HR = {"hr": {"signal": "heart_rate", "unit": "/min"}}


def read(path: Path, text: str, **more: object) -> tuple[CsvDriver, list[Reading]]:
    file = path / "table.csv"
    file.write_text(text, encoding="utf-8")
    given = {"columns": HR, "keep_times": "rate" not in more} | more
    chosen = settings("csv", file=file, speed="max", **given)
    driver = CsvDriver(chosen, FakeTime().clock)
    return driver, play(driver)


def samples(readings: list[Reading]) -> list[tuple[float, float]]:
    """Seconds and value of every sample."""
    return [(time_of(r, i) / S, v) for r in readings for i, v in enumerate(r.values)]


def test_columns_become_signals_in_their_unit(tmp_path: Path) -> None:
    columns = {
        "hr": {"signal": "heart_rate", "unit": "bpm"},
        "rr": {"signal": "rr_interval", "unit": "s"},
        "t": {"signal": "temperature", "unit": "K"},
        "joy": {"signal": "joy", "unit": "points"},
    }
    text = "time,hr,rr,t,joy\n100,60,1.0,309.15,3\n101,61,0.98,,\n102.5,62,0.97,309.15,5\n"
    driver, readings = read(tmp_path, text, columns=columns)
    by = {s: [r for r in readings if r.signal == s] for s in {r.signal for r in readings}}
    assert samples(by["heart_rate"]) == [(100, 60), (101, 61), (102.5, 62)]
    assert [v for _, v in samples(by["rr_interval"])] == [1000, 980, 970]
    assert samples(by["temperature"]) == [(100, 36), (102.5, 36)]
    assert samples(by["joy"]) == [(100, 3), (102.5, 5)]
    units = {s: r[0].unit for s, r in by.items()}
    assert units == {
        "heart_rate": "/min", "rr_interval": "ms", "temperature": "Cel", "joy": "points",
    }  # fmt: skip
    assert not +driver.counters


def test_even_times_become_a_rate(tmp_path: Path) -> None:
    rows = "".join(f"{100 + i / 4},{60 + i}\n" for i in range(20))
    _, readings = read(tmp_path, "time,hr\n" + rows)
    assert {r.rate for r in readings} == {4.0}
    assert samples(readings)[19] == (104.75, 79)


def test_gaps_and_bad_cells_cost_themselves_alone(tmp_path: Path) -> None:
    text = "time,hr\n100,60\n101,\n102,off\nlater,63\n104,64\n105\n106,66\n"
    driver, readings = read(tmp_path, text)
    assert samples(readings) == [(100, 60), (104, 64), (106, 66)]
    assert driver.counters["invalid"] == 2


def test_a_rate_instead_of_times_keeps_gaps_in_place(tmp_path: Path) -> None:
    _, readings = read(tmp_path, "hr\n60\n-\n62\n", rate=2.0)
    values = [v for r in readings for v in r.values]
    assert [values[0], values[2]] == [60, 62]
    assert values[1] != values[1]
    assert readings[0].rate == 2.0


@pytest.mark.parametrize(
    ("unit", "cell"),
    [
        ("ns", "1600000000123456789"),
        ("us", "1600000000123456.789"),
        ("iso", "2020-09-13T14:26:40.123457+02:00"),
        ("iso", "2020-09-13 12:26:40.123457"),
    ],
)
def test_units_of_time(tmp_path: Path, unit: str, cell: str) -> None:
    _, readings = read(tmp_path, f"time,hr\n{cell},60\n", time_unit=unit)
    assert abs(readings[0].at - 1_600_000_000_123_456_789) < 1000
    assert unit != "ns" or readings[0].at == 1_600_000_000_123_456_789


def test_a_clock_that_jumps_back_loses_nothing(tmp_path: Path) -> None:
    times = [100, 101, 102, 50, 51, 52]
    text = "time,hr\n" + "".join(f"{t},{60 + i}\n" for i, t in enumerate(times))
    driver, readings = read(tmp_path, text)
    assert samples(readings) == [(100 + i, 60 + i) for i in range(6)]
    assert driver.counters["reanchored"] == 1


@pytest.mark.parametrize("times", [(0, 1.7e9, 1.7e9 + 1), (1.7e9, 1.7e9 + 1, 1.7e9 + 1e9)])
def test_two_times_that_no_session_can_have_are_named(
    tmp_path: Path, times: tuple[float, ...]
) -> None:
    text = "time,hr\n\n" + "".join(f"{t:.0f},60\n" for t in times)
    words = r"table\.csv: \d+ days lie between the times of line (3 and line 4|4 and line 5)"
    with pytest.raises(AffectlineError, match=words):
        read(tmp_path, text)


def test_how_many_times_were_moved_and_how_far_is_said(tmp_path: Path) -> None:
    times = [1000, 101, 102, 103]
    driver, _ = read(tmp_path, "time,hr\n" + "".join(f"{t},60\n" for t in times))
    assert driver.remarks == [
        "table.csv: 3 of 4 times were moved, by up to 900 s, because times go back "
        "(first moved: line 3)"
    ]


@pytest.mark.parametrize("step", [1, 3])
def test_a_table_with_its_newest_row_first_is_refused(tmp_path: Path, step: int) -> None:
    times = [100 - i // step for i in range(40)]  # several rows may share a time
    with pytest.raises(AffectlineError, match="not in the order of their times: sort the table"):
        read(tmp_path, "time,hr\n" + "".join(f"{t},60\n" for t in times))


def test_a_clock_that_is_set_back_now_and_then_is_no_wrong_order(tmp_path: Path) -> None:
    times = [*range(100, 110), *range(50, 60), *range(20, 30)]
    driver, readings = read(tmp_path, "time,hr\n" + "".join(f"{t},60\n" for t in times))
    assert len(samples(readings)) == 30
    assert driver.counters["reanchored"] == 2


def test_a_table_that_lasts_many_times_as_long_as_the_films_is_asked_about(tmp_path: Path) -> None:
    rows = "".join(f"{1000 * i},60\n" for i in range(20))
    for films_s, unit, is_asked in ((2.4, "s", True), (200, "s", False), (2.4, "ms", False)):
        driver, _ = read(tmp_path, "time,hr\n" + rows, time_unit=unit, keep_times=False)
        for _ in range(2):
            driver.compare(round(films_s * S))
        assert (
            driver.remarks
            == [
                "table.csv lasts 19000 s, and the films beside it 2.4 s: is the time_unit of its "
                "times, s, right?"
            ]
            * is_asked
        )
    driver, _ = read(tmp_path, "hr\n" + "60\n" * 4000, rate=1.0)
    driver.compare(S)
    assert driver.remarks == []


def test_other_signs_between_cells_and_a_byte_order_mark(tmp_path: Path) -> None:
    _, readings = read(tmp_path, "\ufefftime; hr \n\n100;60\n", delimiter=";")
    assert samples(readings) == [(100, 60)]


def test_a_comma_is_a_point_between_other_signs(tmp_path: Path) -> None:
    _, readings = read(tmp_path, "time;hr\n100,25;60,5\n", delimiter=";")
    assert samples(readings) == [(100.25, 60.5)]


@pytest.mark.parametrize(
    ("text", "more", "words"),
    [
        ("", {}, "is empty"),
        (
            "time|hr\n1|60\n",
            {},
            "no column 'time'|no column 'hr'.*does it need another --delimiter",
        ),
        ("time,pulse\n1,2\n", {}, r"no column 'hr'.*its columns are time, pulse"),
        ("t,hr\n1,60\n", {}, "no column 'time'"),
        ("time,hr\nnoon,60\n", {}, "no row with a time.*should hold numbers in s"),
        ("time,hr\n1,high\n", {}, "no number in hr: name other columns"),
        ("time,hr\n1,1.1\n2,1.2\n", {}, r"heart_rate around 1.15 cannot be /min: it looks like Hz"),
        (
            "time,rr\n1,0.8\n2,0.9\n",
            {"columns": {"rr": {"signal": "rr_interval", "unit": "ms"}}},
            "rr_interval around 0.85 cannot be ms: it looks like s",
        ),
        ('time,hr\n1,"60\n' + "9" * 200_000, {}, "is not CSV"),
    ],
)
def test_a_wrong_table_is_one_clear_error(
    tmp_path: Path, text: str, more: dict[str, object], words: str
) -> None:
    with pytest.raises(AffectlineError, match=words):
        read(tmp_path, text, **more)


def test_a_missing_file_is_one_clear_error(tmp_path: Path) -> None:
    chosen = settings("csv", file=tmp_path / "none.csv", columns=HR)
    with pytest.raises(AffectlineError, match=r"none\.csv: cannot be read"):
        CsvDriver(chosen, FakeTime().clock).open()


cells = st.sampled_from(["", "1", "2.5", "60", "nan", "inf", "1e400", "x", "-3", "1e18", '"'])


@property_settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=100)
@given(
    st.lists(st.lists(cells, max_size=4).map(",".join), max_size=20).map("\n".join)
    | st.text(max_size=60),
    st.sampled_from(["s", "ns", "iso"]),
)
def test_any_table_is_read_or_refused(tmp_path: Path, body: str, unit: str) -> None:
    try:
        _, readings = read(tmp_path, "time,hr\n" + body.replace("\r", ""), time_unit=unit)
    except AffectlineError:
        return
    times = [time for time, _ in samples(readings)]
    assert times == sorted(times)
    assert readings


def test_the_cases_of_spreadsheets(tmp_path: Path) -> None:
    skin = {"columns": {"eda_us": {"signal": "skin_conductance", "unit": "uS"}}}
    skin["time_column"] = "time_s"  # type: ignore[assignment]
    semicolons = "time_s;eda_us\n0,00;3,71\n0,25;3,72\n0,50;3,74\n"
    _, readings = read(tmp_path, semicolons, keep_times=False, **skin)
    assert [v for _, v in samples(readings)] == [3.71, 3.72, 3.74]
    with pytest.raises(AffectlineError, match="3 of 3 rows have more cells than columns"):
        read(tmp_path, semicolons.replace(",", ".").replace(";", ",").replace(".", ","), **skin)


def test_what_was_left_out_is_said(tmp_path: Path) -> None:
    rows = "".join(f"{100 + i},{60 + i}\n" for i in range(10))
    text = f"time,hr\n{rows}110,61,5\nlater,62\n112,62bpm\n113,1_0\n114,64\n"
    driver, readings = read(tmp_path, text)
    assert len(samples(readings)) == 11
    assert driver.remarks == [
        "table.csv: 1 of 15 rows were left out: more cells than columns (line 12); "
        "1 of 15 rows were left out: no time (line 13 has 'later'); "
        "2 cells of hr were left out: no number (first: line 14 has '62bpm')"
    ]
    assert driver.counters["invalid"] == 4


def test_a_row_that_is_left_out_keeps_its_place_where_there_is_a_rate(tmp_path: Path) -> None:
    rows = "60,1\n" * 5
    text = f"hr,x\n{rows}61,1,2\n62,1\n"
    _, readings = read(tmp_path, text, rate=4.0)
    values = [v for _, v in samples(readings)]
    assert values[:5] == [60] * 5
    assert values[5] != values[5]
    assert values[6] == 62


def test_all_columns_begin_with_the_first_row_that_has_a_time(tmp_path: Path) -> None:
    columns = HR | {"eda": {"signal": "skin_conductance", "unit": "uS"}}
    text = "time,hr,eda\nnever,1,1\n12.5,,\n12.75,,3.1\n13.0,60,3.2\n"
    driver, readings = read(tmp_path, text, columns=columns, keep_times=False)
    places = {r.signal: (r.at - START) / S for r in readings if r.values != (3.2,)}
    assert places == {"heart_rate": 0.5, "skin_conductance": 0.25}
    assert driver.counters["invalid"] == 1


def find_start(path: Path, **more: object) -> int:
    return CsvDriver.find_start(settings("csv", file=path, columns=HR, **more))


def test_the_date_of_a_table_is_that_of_its_first_row(tmp_path: Path) -> None:
    file = tmp_path / "table.csv"
    file.write_text("time;hr\nlater;60\n100,5;60\n101;61\n" + "102;61\n" * 100_000)
    assert find_start(file) == 100_500_000_000
    file.write_text("time,hr\n2026-07-01 12:00:00,60\n")
    noon_utc = 1_782_907_200 * S
    assert find_start(file, time_unit="iso") == noon_utc
    assert find_start(file, time_unit="iso", time_zone="Europe/Berlin") == noon_utc - 7200 * S
    file.write_text("time,hr\nlater,60\n")
    with pytest.raises(AffectlineError, match="no row with a time"):
        find_start(file)


def test_dates_that_name_no_zone_are_said_where_they_matter(tmp_path: Path) -> None:
    text = "time,hr\n2026-07-01 12:00:00,60\n2026-07-01 12:00:01,60\n"
    driver, _ = read(tmp_path, text, time_unit="iso", time_zone="Europe/Berlin")
    assert driver.remarks == [
        "table.csv: times without an offset from UTC are taken as Europe/Berlin"
    ]
    assert read(tmp_path, text, time_unit="iso", keep_times=False)[0].remarks == []


def test_times_that_are_no_dates_are_not_published_as_dates(tmp_path: Path) -> None:
    with pytest.raises(AffectlineError, match="has times before 1970"):
        read(tmp_path, "time,hr\n-5,60\n-4,60\n")
    _, readings = read(tmp_path, "time,hr\n-5,60\n-4,61\n", keep_times=False)
    assert [at - START / S for at, _ in samples(readings)] == [0, 1]


def test_a_decimal_sign_that_is_named_settles_it(tmp_path: Path) -> None:
    text = "time;hr\n0,25;60.5\n"
    with pytest.raises(AffectlineError, match="choose the decimal sign with --decimal"):
        read(tmp_path, text)
    driver, readings = read(tmp_path, 'time,hr\n"0,25","60,5"\n', decimal=",")
    assert samples(readings) == [(0.25, 60.5)]
    assert not driver.remarks
