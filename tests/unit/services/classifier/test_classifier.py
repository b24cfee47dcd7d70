"""The classifier's stage, with the real model."""

import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from affectline.common.errors import AffectlineError
from affectline.common.model.artifact import load
from affectline.common.model.calibration import Calibration
from affectline.common.runtime.stage import StageContext
from affectline.common.settings.hub import Delivery
from affectline.common.settings.pipeline import ClassifierSettings, PipelineSettings
from affectline.common.vision.preprocessing import prepare_faces, to_three_channels, to_vgg16
from affectline.common.wire.messages import Face, Packet, Scores
from affectline.services.classifier.backends import open_model
from affectline.services.classifier.spec import ClassifierProcess, configure
from affectline.services.classifier.stage import Classifier
from tests.calibrations import OFF, SHIFT, calibration
from tests.samples import FACES, QUALITY


def packet(count: int, received_at: int | None = None) -> Packet:
    """Faces of noise, each another."""
    face = Face(track=1, box=(0, 0, 60, 60), quality=QUALITY, crop_side=60)
    rng = np.random.default_rng(count)
    parts: list[bytes] = []
    for _ in range(count):
        parts += [rng.bytes(60 * 60), rng.bytes(48 * 48)]
    update = {"faces": (face,) * count, "received_at": received_at or time.time_ns()}
    return Packet(FACES.model_copy(update=update), tuple(parts))


def start(delivery: Delivery) -> Classifier:
    stage = Classifier(ClassifierProcess(name="1"))
    stage.context = StageContext("classifier/1", delivery)
    stage.setup()
    return stage


@pytest.fixture(scope="module")
def classifier() -> Classifier:
    return start("lossless")


def answer(stage: Classifier, question: Packet) -> Scores:
    (reply,) = stage.handle(question)
    assert isinstance(reply.message, Scores)
    return reply.message


@pytest.mark.parametrize("count", [1, 2, 5, 40])
def test_all_faces_of_a_message_are_judged(classifier: Classifier, count: int) -> None:
    scores = answer(classifier, packet(count))
    assert len(scores.distributions) == count
    for distribution in scores.distributions:
        assert sum(distribution) == pytest.approx(1, abs=1e-5)


def test_a_face_gets_the_same_answer_in_any_company(classifier: Classifier) -> None:
    many = packet(5)
    together = answer(classifier, many).distributions
    for i in range(5):
        alone = many.message.model_copy(update={"faces": many.message.faces[:1]})  # type: ignore[attr-defined]
        one = answer(classifier, Packet(alone, many.parts[2 * i : 2 * i + 2]))
        assert one.distributions == (together[i],)


def test_live_declines_crops_that_are_too_old_or_overtaken() -> None:
    stage = start("live")
    old = answer(stage, packet(1, received_at=time.time_ns() - 300_000_000))
    assert (old.missing, old.distributions) == ("stale", ())
    (reply,) = stage.on_superseded(packet(1))
    assert getattr(reply.message, "missing", "") == "behind"
    assert stage.context.counters["skipped"] == 2


def test_lossless_judges_the_oldest_crop(classifier: Classifier) -> None:
    assert answer(classifier, packet(1, received_at=1)).missing is None


def test_the_look_up_table_is_the_preprocessing() -> None:
    manifest = load().manifest
    faces = np.arange(256, dtype=np.uint8).reshape(1, 16, 16)
    expected = to_vgg16(to_three_channels(faces))
    assert np.array_equal(prepare_faces(faces, manifest.preprocessing), expected)
    model = open_model(load(), "litert")
    table = model._input_table  # type: ignore[attr-defined]
    details = model._interpreter.get_input_details()[0]  # type: ignore[attr-defined]
    scale, zero = details["quantization"]
    restored = (table[faces].astype(np.float32) - zero) * scale
    assert np.abs(restored - expected).max() <= scale  # a rounding step and the clipped ends


def test_by_default_it_gives_the_mean_of_both_answers(classifier: Classifier) -> None:
    question = packet(3)
    both = answer(classifier, question)
    alone = {}
    for name in ("labels", "votes"):
        settings = ClassifierSettings(answer=name)
        stage = Classifier(ClassifierProcess(name="1", settings=settings))
        stage.context = StageContext("classifier/1", "lossless")
        stage.setup()
        alone[name] = answer(stage, question)
    assert alone["labels"].model == load().model_id
    assert alone["votes"].model == f"{load().model_id}+votes"
    assert both.model == f"{load().model_id}+consensus"
    labels, votes = (np.array(found.distributions) for found in alone.values())
    assert labels.sum(axis=1) == pytest.approx(1, abs=1e-5)
    assert not np.allclose(labels, votes, atol=0.01)
    assert np.array(both.distributions) == pytest.approx((labels + votes) / 2, abs=2e-6)


def start_calibrated(calibration: Calibration, **settings: Any) -> Classifier:
    chosen = ClassifierSettings(calibration=calibration, **settings)
    stage = Classifier(ClassifierProcess(name="1", settings=chosen))
    stage.context = StageContext("classifier/1", "lossless")
    stage.setup()
    return stage


def test_a_calibration_shifts_every_distribution_and_the_model_says_so(
    classifier: Classifier,
) -> None:
    plain = answer(classifier, packet(3))
    shifted = answer(start_calibrated(calibration()), packet(3))
    assert shifted.model == f"{plain.model}+calibrated"
    for one, other in zip(plain.distributions, shifted.distributions, strict=True):
        expected = np.array(one) * np.exp(SHIFT)
        assert other == pytest.approx(expected / expected.sum(), abs=1e-5)


def test_a_calibration_that_is_off_changes_nothing(classifier: Classifier) -> None:
    plain = answer(classifier, packet(3))
    off = answer(start_calibrated(calibration(shift=OFF)), packet(3))
    assert (off.model, off.distributions) == (plain.model, plain.distributions)


def test_a_calibration_of_another_model_or_answer_is_refused() -> None:
    with pytest.raises(AffectlineError, match="made with the model other@12345678, not vgg16"):
        start_calibrated(calibration(model="other@12345678"))
    with pytest.raises(AffectlineError, match="made with --answer consensus, not votes"):
        start_calibrated(calibration(), answer="votes")


def test_its_own_command_takes_a_calibration(tmp_path: Path) -> None:
    (tmp_path / "calibration.json").write_text(calibration().model_dump_json())
    process = configure(PipelineSettings(), "live", calibration=tmp_path)
    assert process.settings.calibration == calibration()
    again = ClassifierProcess.model_validate_json(process.model_dump_json())
    assert again.settings == process.settings, "as it is sent to the process"
    assert configure(PipelineSettings(), "live").settings.calibration is None
