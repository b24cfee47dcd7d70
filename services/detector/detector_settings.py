"""Settings of the built-in detectors, apart from their code, which imports numpy and OpenCV.

Every process that reads a pipeline's settings needs these, and only one of them detects faces.
"""

from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import AliasChoices, Field, model_validator

from affectline.common.settings.detector import DetectorSettings


class HaarSettings(DetectorSettings):
    """OpenCV's Haar cascade, which is included."""

    backend: Literal["haar"] = "haar"
    scan_size: Annotated[int, Field(ge=64, le=4096)] = 320
    """Longer side of the reduced image that a full scan searches, in pixels."""
    scale_factor: Annotated[float, Field(gt=1.01, le=2)] = 1.2
    """Ratio of successive face sizes in a full scan."""
    min_neighbours: Annotated[int, Field(ge=1)] = 2
    """Windows that must agree in a full scan; a closer search confirms each find."""
    min_face: Annotated[float, Field(gt=0, le=1)] = 0.15
    """Smallest face that a full scan finds, as a fraction of the image's height. In single
    pictures it finds faces of half that size."""

    @model_validator(mode="before")
    @classmethod
    def _ignore_settings_of_yunet(cls, values: dict[str, Any]) -> dict[str, Any]:
        # Older settings files list the settings of both detectors
        return {name: value for name, value in values.items() if name != "yunet_model"}


class NetSettings(DetectorSettings):
    """Two small networks by MediaPipe, which are included: best recall."""

    backend: Literal["net"] = "net"
    min_face: Annotated[float, Field(gt=0, le=1)] = 0.06
    """Smallest face to report, as a fraction of the image's height. In single pictures it finds
    faces of half that size."""


class HaarNetSettings(HaarSettings):
    """The cascade first; a network follows faces that it loses, and scans if it finds none."""

    backend: Literal["haar+net"] = "haar+net"  # type: ignore[assignment]
    min_face: Annotated[float, Field(gt=0, le=1)] = 0.06
    """Smallest face to report, as a fraction of the image's height; the cascade searches for none
    smaller than 0.15. In single pictures, half of both."""


class YuNetSettings(DetectorSettings):
    """YuNet, through ``cv2.FaceDetectorYN``; its model file is not included."""

    backend: Literal["yunet"] = "yunet"
    model: Annotated[Path, Field(validation_alias=AliasChoices("model", "yunet_model"))]
    """The ONNX file: ``face_detection_yunet`` of the OpenCV zoo."""
    scan_size: Annotated[int, Field(ge=64, le=4096)] = 320
    """Longer side of the reduced image that is searched, in pixels."""
    min_face: Annotated[float, Field(gt=0, le=1)] = 0.15
    """Smallest face to report, as a fraction of the image's height. In single pictures it finds
    faces of half that size."""

    @model_validator(mode="before")
    @classmethod
    def _ignore_settings_of_haar(cls, values: dict[str, Any]) -> dict[str, Any]:
        # Older settings files list the settings of both detectors
        others = {"scale_factor", "min_neighbours"}
        return {name: value for name, value in values.items() if name not in others}
