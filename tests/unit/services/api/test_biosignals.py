"""Signals are put on a grid at their own rate, and events stand at their samples."""

from datetime import UTC, datetime

import mne
import neurokit2
import numpy as np
import pandas as pd
import pytest

from affectline.services.api.biosignals import make_biosignals, to_raw
from affectline.services.api.data_frames import from_rows
from affectline.services.export.tables import make_tables
from affectline.services.sessions.columns import EMOTIONS, MARKERS, SAMPLES
from affectline.services.sessions.even_grid import UNEVEN_RATE
from tests.recordings import START, recording


def samples(signal: str, times: list[float], values: list[float], subject: str = "anna",
            unit: str = "uS") -> pd.DataFrame:  # fmt: skip
    return pd.DataFrame(
        {"time_s": times, "value": values, "subject": subject, "signal": signal, "unit": unit}
    )


def markers(*pairs: tuple[float, str]) -> pd.DataFrame:
    return pd.DataFrame(pairs, columns=["time_s", "label"])


NO_FACES = from_rows([], EMOTIONS)


def test_an_even_signal_keeps_its_values_and_its_rate() -> None:
    times = [round(2.5 + i / 4, 6) for i in range(40)]
    values = [3 + i / 100 for i in range(40)]
    (made,) = make_biosignals(
        samples("skin_conductance", times, values), NO_FACES, markers((5.0, "go"), (99, "late"))
    ).values()
    assert (made.sampling_rate, made.start_s, made.is_interpolated) == (4.0, 2.5, False)
    assert made.values.tolist() == values
    assert made.times_s == pytest.approx(times)
    assert made.events["onset"].tolist() == [10]
    assert made.events["condition"] == ["go"]


def test_a_gap_is_no_number() -> None:
    times = [*(i / 10 for i in range(10)), *(2 + i / 10 for i in range(10))]
    (made,) = make_biosignals(
        samples("skin_conductance", times, [1.0] * 20), NO_FACES, markers()
    ).values()
    assert made.sampling_rate == 10
    assert np.isnan(made.values[10:20]).all()
    assert np.isfinite(made.values[[*range(10), *range(20, 30)]]).all()


def test_beats_are_interpolated_but_not_over_long_gaps() -> None:
    times = [0.0, 0.8, 1.7, 2.5, 12.0, 12.9]
    (made,) = make_biosignals(
        samples("rr_interval", times, [800.0, 800, 900, 800, 850, 900], unit="ms"), NO_FACES,
        markers(),
    ).values()  # fmt: skip
    assert (made.sampling_rate, made.is_interpolated) == (UNEVEN_RATE, True)
    assert made.values[1] == 800
    assert 800 < made.values[5] < 900
    assert np.isnan(made.values[20])


def test_several_people_are_told_apart() -> None:
    both = pd.concat([
        samples("skin_conductance", [0, 1, 2], [1, 2, 3]),
        samples("skin_conductance", [0, 1, 2], [4, 5, 6], "ben"),
    ])  # fmt: skip
    assert set(make_biosignals(both, NO_FACES, markers())) == {
        "anna skin_conductance", "ben skin_conductance",
    }  # fmt: skip


def test_mne_has_the_same_in_its_units_with_the_markers_in_their_places() -> None:
    tables = make_tables(recording(), START)
    made = make_biosignals(*(from_rows(tables, one) for one in (SAMPLES, EMOTIONS, MARKERS)))
    raw = to_raw(made["heart_rate"], START)
    assert isinstance(raw, mne.io.RawArray)
    assert raw.info["sfreq"] == made["heart_rate"].sampling_rate
    assert raw.info["meas_date"] == datetime.fromtimestamp(START / 1e9, UTC)
    assert raw.annotations.onset.tolist() == [30.0]
    assert raw.annotations.description.tolist() == ["<hard> braking"]
    face = to_raw(made["face drive"], START)
    assert face.info["sfreq"] == 1
    assert face.get_data("happy")[0, 1] == pytest.approx(0.4)
    assert np.isnan(face.get_data("happy")[0, 3])
    skin = make_biosignals(samples("skin_conductance", [0, 1, 2], [1, 2, 3]), NO_FACES, markers())
    assert to_raw(skin["skin_conductance"], 0).get_data()[0] == pytest.approx([1e-6, 2e-6, 3e-6])


def test_mne_has_the_markers_at_their_own_times_not_at_those_of_samples() -> None:
    table = samples("skin_conductance", [2 + i / 4 for i in range(40)], [1.0] * 40)
    at = (1.9, 2.0, 3.12, 5.6049, 11.8)
    (made,) = make_biosignals(table, NO_FACES, markers(*((one, f"m{one}") for one in at))).values()
    annotations = to_raw(made, START).annotations
    assert annotations.onset.tolist() == pytest.approx([0, 0, 1.12, 3.6049, 9.8])
    assert annotations.description.tolist() == [f"m{one}" for one in at]
    assert (annotations.onset + annotations.duration).max() <= 10
    assert made.events["onset"].tolist() == [0, 0, 4, 14, 39]


def test_neurokit_takes_signal_and_events_as_they_are() -> None:
    times = [i / 50 for i in range(50 * 40)]
    values = neurokit2.eda_simulate(duration=40, sampling_rate=50, scr_number=4, random_state=1)
    (made,) = make_biosignals(
        samples("skin_conductance", times, list(values)), NO_FACES, markers((10, "a"), (25, "b"))
    ).values()
    table, _ = neurokit2.eda_process(made.values, sampling_rate=int(made.sampling_rate))
    epochs = neurokit2.epochs_create(
        table, made.events, sampling_rate=int(made.sampling_rate), epochs_start=-1, epochs_end=5
    )
    assert [epoch["Condition"].iloc[0] for epoch in epochs.values()] == ["a", "b"]
