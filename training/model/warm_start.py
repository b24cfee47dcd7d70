"""Reads trained layers from the served file of an artifact."""

import re
from typing import Final

import numpy as np
from ai_edge_litert.interpreter import Interpreter, OpResolverType
from numpy.typing import NDArray

from affectline.common.errors import AffectlineError
from affectline.common.model.artifact import Artifact
from affectline.training.silence_output import silence_output

LAYER: Final = re.compile(r"(?:block\d_conv\d|dense\d|logits)")
"""Names of the layers with weights in the strong recipe's network."""
IN_PATH: Final = re.compile(rf"(?<=/){LAYER.pattern}")
COUNT: Final = 13

Weights = dict[str, tuple[NDArray[np.float32], NDArray[np.float32]]]
"""Kernel and bias by layer name, in order: ``(3, 3, I, O)`` and ``(O,)`` of VGG16's convolutions,
and in trained models ``(I, O)`` and ``(O,)`` of the dense layers and ``logits``."""


def read_weights(artifact: Artifact) -> Weights:
    """Read all layers from the int8 file of an artifact.

    Each weight is recovered to within half a step of its channel's scale: 0.4 % of the channel's
    largest. Training continues from there as it would from the weights before rounding.

    Raises:
        AffectlineError: The artifact has no int8 file, or contains another network.
    """
    path = artifact.verified("litert-int8")
    with silence_output():
        # Without XNNPACK, which repacks the constants and makes them unreadable.
        reference = OpResolverType.BUILTIN_WITHOUT_DEFAULT_DELEGATES
        interpreter = Interpreter(model_path=str(path), experimental_op_resolver_type=reference)
        interpreter.allocate_tensors()
    kernels, biases = {}, {}
    for tensor in interpreter.get_tensor_details():
        found = IN_PATH.search(tensor["name"])
        scales = tensor["quantization_parameters"]["scales"]
        # Constants have a scale for each channel; activations have one for all.
        if not found or scales.size <= 1:
            continue
        values = interpreter.get_tensor(tensor["index"]).astype(np.float32)
        if values.ndim == 4:
            kernels[found[0]] = np.transpose(values * scales[:, None, None, None], (1, 2, 3, 0))
        elif values.ndim == 2:
            kernels[found[0]] = (values * scales[:, None]).T
        else:
            biases[found[0]] = values * scales
    known = sum(name.startswith("block") for name in kernels)
    if kernels.keys() != biases.keys() or known != COUNT:
        raise AffectlineError(
            f"model {artifact.folder} has {known} of VGG16's {COUNT} convolutions",
            "start from an artifact that affectline-train export wrote",
        )
    return {name: (kernels[name], biases[name]) for name in sorted(kernels)}
