"""The small networks that come with Affectline: their folders, and their manifests.

Each lies in a folder of its own beside its model card, those of other authors unchanged and with
their licence (docs/models.md).
"""

from pathlib import Path
from typing import Annotated, Final, Literal

from pydantic import BaseModel, ConfigDict, Field

from affectline.common.model.artifact import ModelFile, read_manifest, verify
from affectline.common.model.shipped_digests import MODELS

NETWORKS: Final = MODELS
WAY_OUT: Final = "install Affectline again"

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
    """What `FaceNetwork.run` gives: the tensor's values without the batch, a row for each box or
    point."""
    meaning: str


class PackageFile(BaseModel):
    """Where a file came from: a file of a package, as its registry has it."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    registry: Literal["npm", "PyPI"]
    package: str
    version: str
    archive_sha256: str = Field(pattern=r"^[0-9a-f]{64}$")
    """SHA-256 of the package's archive, in hexadecimal digits."""
    integrity: Annotated[str, Field(pattern=r"^sha512-[0-9A-Za-z+/]{86}==$")]
    """The same archive's SHA-512 as npm writes it (Subresource Integrity)."""
    path: str
    """In the archive."""
    file_sha256: str = Field(pattern=r"^[0-9a-f]{64}$")
    """SHA-256 of the file at that path."""
    first_byte: int = Field(default=0, ge=0)
    """Where in that file ours begins; files that pack others hold it in the middle."""


class TrainingOrigin(BaseModel):
    """How a network that this project trained itself came to be."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    program: str
    """The module that trained it."""
    data: str
    data_sha256: str = Field(pattern=r"^[0-9a-f]{64}$")
    """SHA-256 of the pictures, labels and splits, as in the manifest of vgg16-48."""
    learnt_faces: int = Field(ge=1)
    held_out_faces: int = Field(ge=1)
    """Faces that it did not learn from; `NetworkManifest.measured` is of these."""
    epochs: int = Field(ge=1)
    seed: int
    tensorflow: str
    """Version that trained and converted it."""


class Measurement(BaseModel):
    """What authors measured of a network, and where that was read."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    network: Literal["this", "predecessor", "successor"]
    """Whether it was measured on this file, or on an earlier or a later one of its line."""
    what: str
    result: str
    source: str


class ExtractedFile(ModelFile):
    """A file that was made from one of a package's files."""

    source: PackageFile


class NetworkManifest(BaseModel):
    """What a network wants, what it gives, where it is from and what its authors measured."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    manifest_version: Literal[1] = 1
    name: NetworkName
    file: ModelFile
    input_height: int = Field(ge=16, le=1024)
    input_width: int = Field(ge=16, le=1024)
    input_channels: Literal[1, 3] = 3
    """1 for gray, 3 for RGB; gray images become three equal channels."""
    input_range: tuple[float, float]
    """What the gray values 0 and 255 become at the input: (-1, 1), (0, 1) or (0, 255)."""
    outputs: Annotated[tuple[NetworkOutput, ...], Field(min_length=1)]
    extracted: dict[str, ExtractedFile] = {}
    """Further files of the folder, by name."""
    source: PackageFile | TrainingOrigin
    authors: str
    licence: Literal["Apache-2.0", "MIT"]
    """SPDX identifier. That of the data from which a network learnt is in its model card."""
    measured: tuple[Measurement, ...]


def load_manifest(name: NetworkName, folder: Path = NETWORKS) -> NetworkManifest:
    """Read the manifest of a network.

    Raises:
        AffectlineError: There is none, or it does not parse.
    """
    return read_manifest(folder / name, NetworkManifest, WAY_OUT, WAY_OUT)


def verify_file(name: NetworkName, entry: ModelFile, folder: Path = NETWORKS) -> Path:
    """Path of one of a network's files, after its SHA-256 was found right.

    Raises:
        AffectlineError: The file is missing, unreadable or not the one that is described.
    """
    return verify(folder / name, entry, WAY_OUT)
