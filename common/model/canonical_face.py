"""MediaPipe's canonical face: a metric mesh with the points of the network face-mesh."""

import json
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from affectline.common.model.network_manifest import NETWORKS, load_manifest, verify_file


@dataclass(frozen=True)
class CanonicalFace:
    """An average face that looks straight at the viewer.

    The axes are the viewer's: x to the right of the image, y up, z towards the viewer. The person's
    right eye is at negative x.
    """

    vertices: NDArray[np.float64]
    """``(468, 3)`` centimetres, in the order of the landmarks."""
    basis: NDArray[np.intp]
    """``(33,)`` indices of landmarks that move little with the expression, on which MediaPipe
    aligns this face and a measured one (Procrustes analysis)."""
    weights: NDArray[np.float64]
    """``(33,)`` weight of each of these landmarks."""


def load_canonical_face(folder: Path = NETWORKS) -> CanonicalFace:
    """Read the canonical face, after checking its SHA-256.

    Raises:
        AffectlineError: The file is missing or damaged.
    """
    entry = load_manifest("face-mesh", folder).extracted["canonical_face"]
    content = json.loads(verify_file("face-mesh", entry, folder).read_bytes())
    basis = content["procrustes_basis"]
    return CanonicalFace(
        np.array(content["vertices_cm"], dtype=np.float64),
        np.array([point["landmark"] for point in basis], dtype=np.intp),
        np.array([point["weight"] for point in basis], dtype=np.float64),
    )
