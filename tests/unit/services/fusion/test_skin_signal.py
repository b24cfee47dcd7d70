"""Skin conductance of one site and of two: which counts, and when contact is doubtful."""

import math

import pytest

from affectline.common.settings.fusion import FusionSettings
from affectline.common.wire.biometrics import Samples
from affectline.services.fusion.feature_settings import FeatureSettings
from affectline.services.fusion.signal_quality import SignalDeviation
from affectline.services.fusion.skin_signal import NO_RESPONSE, SkinSignal, is_skin_signal
from affectline.services.fusion.stage import convert_unit
from affectline.services.fusion.subject import SubjectState
from tests.unit.services.fusion.test_subject import SECOND, START


def samples(site: str, second: int, value: float, unit: str = "uS") -> Samples:
    return Samples(
        subject="driver", signal=f"skin_conductance{site}", unit=unit, epoch=1, seq=second,
        rate=4.0, at=START + second * SECOND, values=(value,) * 4,
    )  # fmt: skip


def level(second: int, stress_from: int = 600) -> float:
    return (8.0 if second >= stress_from else 3.0) * (1 + 0.03 * math.sin(second / 7))


def evaluate(skin: SkinSignal, now_s: float) -> SignalDeviation:
    found = skin.evaluate(now_s)
    assert isinstance(found, SignalDeviation)
    return found


def run(sites: dict[str, float], seconds: int = 700) -> SkinSignal:
    """Feed sites, each with the share of the person's changes that it shows."""
    skin = SkinSignal(FeatureSettings())
    for second in range(seconds):
        for site, share in sites.items():
            value = 3.0 + share * (level(second) - 3.0)
            times = [second + i / 4 for i in range(4)]
            skin.add_samples(samples(site, second, value), times)
        skin.close_second(second + 1.0)
    return skin


def test_names_of_sites() -> None:
    assert is_skin_signal("skin_conductance")
    assert is_skin_signal("skin_conductance_foot")
    assert not is_skin_signal("skin_temperature")


def test_a_loose_electrode_leaves_the_word_to_the_other() -> None:
    alone = evaluate(run({"": 1.0}), 700.0)
    both = evaluate(run({"_foot": 0.0, "_hand": 1.0}), 700.0)
    assert alone.deviation > 1.5
    assert both.deviation == pytest.approx(alone.deviation, rel=0.1)
    assert both.value == pytest.approx(alone.value)
    assert both.more["skin_slow"] == pytest.approx(alone.more["skin_slow"], rel=0.1)


def test_two_good_sites_are_averaged() -> None:
    both = evaluate(run({"_foot": 1.0, "_hand": 1.0}), 700.0)
    assert both.deviation == pytest.approx(evaluate(run({"": 1.0}), 700.0).deviation)


@pytest.mark.parametrize(
    ("site", "calibration_s", "counts"),
    [("_foot", 60, True), ("_hand", 60, True), ("", 60, False), ("_wrist", 60, False),
     ("_foot", 0, False), ("_foot", 20, False)],
)  # fmt: skip
def test_responses_count_at_palms_and_soles_after_a_calibration(
    site: str, calibration_s: int, counts: bool
) -> None:
    skin = SkinSignal(FeatureSettings())
    for second in range(120):
        skin.add_samples(samples(site, second, level(second)), [second + i / 4 for i in range(4)])
        skin.close_second(second + 1.0)
        if calibration_s and second + 1 == calibration_s:
            for baseline in skin.baselines:
                baseline.freeze()
    assert ("skin_responses" in evaluate(skin, 120.0).more) == counts


def test_a_lost_site_does_not_count() -> None:
    skin = run({"_foot": 1.0, "_hand": 1.0}, seconds=300)
    for second in range(300, 400):
        skin.add_samples(samples("_hand", second, 6.0), [second + i / 4 for i in range(4)])
        skin.close_second(second + 1.0)
    assert evaluate(skin, 400.0).value == pytest.approx(6.0, rel=0.05)


def test_contact_is_doubtful_after_ten_minutes_without_a_change() -> None:
    early, late = run({"": 0.0}, 500), run({"": 0.0}, 700)
    assert evaluate(early, 500.0).quality == 1
    found = evaluate(late, 700.0)
    assert found.quality == pytest.approx(0.5)
    assert found.reason == NO_RESPONSE
    assert evaluate(run({"": 1.0}), 700.0).reason == ""


def test_units_of_a_second_site_are_converted() -> None:
    found = convert_unit(samples("_foot", 0, 3000.0, "nS"))
    assert found
    assert found.values[0] == pytest.approx(3.0)
    assert convert_unit(samples("_foot", 0, 3.0, "V")) is None


def test_states_rest_on_both_sites_and_on_calibrations_of_them() -> None:
    person = SubjectState("driver", FusionSettings())
    person.calibrate(START, 60)
    state = None
    for second in range(100):
        for site in ("_foot", "_hand"):
            state = person.add_samples(samples(site, second, level(second))) or state
    assert state
    assert state.baseline == "calibrated"
    assert state.signals["skin"].quality == 1
    assert state.nervousness is not None
