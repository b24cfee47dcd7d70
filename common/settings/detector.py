"""Settings of the detector process.

Each detector extends `DetectorSettings` in its own file, see `affectline.common.registry`.
"""

from typing import Annotated, ClassVar, Self

from pydantic import Field, model_validator

from affectline.common.registry import FamilySettings, Registry


class DetectorSettings(FamilySettings):
    """How faces are detected and tracked: settings shared by all detectors.

    Validating with this model returns the model of the detector named by ``backend``. Times are
    counted in frames, so that runs are repeatable.
    """

    registry: ClassVar[Registry] = Registry(
        "backend",
        "affectline.services.detector.detectors",
        "affectline.detectors",
        default="haar+net",
        settings="affectline.services.detector.detector_settings",
    )

    backend: str
    """The detector that finds the faces."""
    scan_interval: Annotated[int, Field(ge=1)] = 8
    """Frames from one scan pass to the next while every known face is visible. A detector that
    does not scan in passes searches every frame."""
    search_interval: Annotated[int, Field(ge=1)] = 1
    """The same while a face is missing or none is known."""
    max_faces: Annotated[int, Field(ge=1)] = 8
    """Maximum number of faces tracked at a time; the largest come first."""
    max_misses: Annotated[int, Field(ge=0)] = 15
    """Frames for which a face may be out of sight without losing its track."""
    mesh: bool = True
    """Find the landmarks of every face in every frame; crops, head pose, eyes and mouth are based
    on them. Otherwise they only confirm new faces."""
    pose: bool = True
    """Estimate head pose from the landmarks."""
    eyes: bool = True
    """Estimate eye opening, blinks, PERCLOS and gaze from the landmarks and a close-up of each
    eye."""
    landmarks: bool = False
    """Publish the 468 landmarks of each face as a third part of `Faces`."""
    mirror: bool = True
    """Live delivery: mirror the crop of a steady face in every second frame, so that its smoothed
    distribution averages both views. On FER2013 that mean is right more often than either view
    (docs/models.md), and it takes no extra time."""
    margin: Annotated[float, Field(ge=-0.3, le=1)] = 0.01
    """Margin added to each side of the box, as a fraction of its side. The cascade's box is 0.979
    of a FER2013 image's side (median, docs/detection.md); this makes crops match FER2013's."""

    @model_validator(mode="after")
    def _landmarks_come_from_the_mesh(self) -> Self:
        if self.landmarks and not self.mesh:
            raise ValueError("landmarks: true needs mesh: true, which finds them")
        return self


def default_detector() -> DetectorSettings:
    """Settings of the default detector."""
    return DetectorSettings.model_validate({})
