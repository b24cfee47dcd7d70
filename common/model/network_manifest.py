"""The small networks shipped with Affectline: their folders and manifests.

Each has its own folder, with a model card. Networks of other authors are unchanged and have their
licence there (docs/models.md).
"""

from pathlib import Path
from typing import Annotated, Final, Literal

from pydantic import BaseModel, ConfigDict, Field

from affectline.common.model.artifact import ModelFile, read_manifest, verify
from affectline.common.model.shipped_digests import MODELS

NETWORKS: Final = MODELS
WAY_OUT: Final = "reinstall Affectline"

NetworkName = Literal[
    "face-detection-full-range", "face-detection-short-range", "face-mesh", "iris", "covered-face"
]
"""The folders below `NETWORKS`."""


class NetworkOutput(BaseModel):
    """One output of a network."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: str
    tensor: str
    """Its name in the LiteRT file."""
    shape: tuple[int, ...]
    """Shape of the result of `FaceNetwork.run`: the tensor without the batch, with one row per box
    or point."""
    meaning: str


class PackageFile(BaseModel):
    """The origin of a file: a file in a package of a registry."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    registry: Literal["npm", "PyPI"]
    package: str
    version: str
    archive_sha256: str = Field(pattern=r"^[0-9a-f]{64}$")
    """SHA-256 of the package's archive, in hexadecimal digits."""
    integrity: Annotated[str, Field(pattern=r"^sha512-[0-9A-Za-z+/]{86}==$")]
    """SHA-512 of the same archive in npm's format (Subresource Integrity)."""
    path: str
    """Path in the archive."""
    file_sha256: str = Field(pattern=r"^[0-9a-f]{64}$")
    """SHA-256 of the file at that path."""
    first_byte: int = Field(default=0, ge=0)
    """Position of the network in that file, which may contain several."""


class TrainingOrigin(BaseModel):
    """The origin of a network trained by this project."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    program: str
    """The module that trained it."""
    data: str
    data_sha256: str = Field(pattern=r"^[0-9a-f]{64}$")
    """SHA-256 of the pictures, labels and splits, as in the manifest of vgg16-48."""
    learnt_faces: int = Field(ge=1)
    held_out_faces: int = Field(ge=1)
    """Faces not used in training; `NetworkManifest.measured` is about these."""
    epochs: int = Field(ge=1)
    seed: int
    tensorflow: str
    """Version of TensorFlow that trained and converted it."""


class Measurement(BaseModel):
    """A measurement of a network by its authors, and its source."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    network: Literal["this", "predecessor", "successor"]
    """Whether it was measured on this file, or on an earlier or later version of it."""
    what: str
    result: str
    source: str


class ExtractedFile(ModelFile):
    """A file made from one of a package's files."""

    source: PackageFile


class NetworkManifest(BaseModel):
    """A network's inputs, outputs, origin and published measurements."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    manifest_version: Literal[1] = 1
    name: NetworkName
    file: ModelFile
    input_height: int = Field(ge=16, le=1024)
    input_width: int = Field(ge=16, le=1024)
    input_channels: Literal[1, 3] = 3
    """1 for gray, 3 for RGB; gray images become three equal channels."""
    input_range: tuple[float, float]
    """Input values of the gray values 0 and 255: (-1, 1), (0, 1) or (0, 255)."""
    outputs: Annotated[tuple[NetworkOutput, ...], Field(min_length=1)]
    extracted: dict[str, ExtractedFile] = {}
    """Further files in the folder, by name."""
    source: PackageFile | TrainingOrigin
    authors: str
    licence: Literal["Apache-2.0", "MIT"]
    """SPDX identifier. The licence of a network's training data is in its model card."""
    measured: tuple[Measurement, ...]


def load_manifest(name: NetworkName, folder: Path = NETWORKS) -> NetworkManifest:
    """Read the manifest of a network.

    Raises:
        AffectlineError: It is missing or invalid.
    """
    return read_manifest(folder / name, NetworkManifest, WAY_OUT, WAY_OUT)


def verify_file(name: NetworkName, entry: ModelFile, folder: Path = NETWORKS) -> Path:
    """Check the SHA-256 of one of a network's files, and return its path.

    Raises:
        AffectlineError: The file is missing, unreadable or not the one described.
    """
    return verify(folder / name, entry, WAY_OUT)
