"""Layers for training with the strong recipe: convolutions and batch normalisations."""

from typing import Any, Final

import keras
import tensorflow as tf

EPSILON: Final = 1e-3
"""Added to variances, as Keras does."""
OFFSETS: Final = tuple((y, x) for y in range(3) for x in range(3))
"""The nine positions of a kernel, row by row, in the order of its weights."""
TINY: Final = 9
"""Positions of a map up to which a convolution is faster as one matrix product: forward and
backward 14 ms a batch instead of 48 for 512 channels on 2x2 positions, 34 instead of 61 on 3x3, but
101 instead of 90 on 5x5 (batches of 128, two cores, bfloat16)."""
SMALL: Final = 64
"""Positions of a map up to which nine matrix products give a convolution's gradient faster than
TensorFlow's own operation: 0.33 ms a picture instead of 0.93 for 512 channels on 5x5 positions, but
0.63 instead of 0.36 for 64 channels on 40x40 (two cores, bfloat16)."""


@keras.saving.register_keras_serializable("affectline")
class Convolution(keras.layers.Layer):  # type: ignore[misc]
    """A 3x3 convolution without bias, which the normalisation that follows would cancel."""

    def __init__(self, filters: int, **options: Any) -> None:
        super().__init__(**options)
        self.filters = filters

    def build(self, shape: tuple[int | None, ...]) -> None:
        """Create the kernel ``(3, 3, I, O)``."""
        self.kernel = self.add_weight(
            (3, 3, shape[-1], self.filters), initializer="he_normal", name="kernel"
        )

    def call(self, pictures: Any) -> Any:
        """Convolve ``(N, H, W, I)`` to ``(N, H, W, O)``."""
        kernel = tf.cast(tf.convert_to_tensor(self.kernel), pictures.dtype)
        height, width = pictures.shape[1:3]
        if height and width and height * width <= TINY:
            return _convolve_tiny(pictures, kernel)
        if height and width and height * width <= SMALL:
            return _convolve_small(pictures, kernel)
        return tf.nn.conv2d(pictures, kernel, 1, "SAME")


@tf.custom_gradient  # type: ignore[untyped-decorator]
def _convolve_tiny(pictures: Any, kernel: Any) -> Any:
    height, width, channels = pictures.shape[1:]
    around = tf.reshape(tf.concat(_neighbours(pictures), axis=-1), (-1, 9 * channels))
    flat_kernel = tf.reshape(kernel, (9 * channels, -1))

    def slopes(slope: Any) -> tuple[Any, Any]:
        flat = tf.reshape(slope, (-1, kernel.shape[-1]))
        entries = tf.matmul(flat, flat_kernel, transpose_b=True)
        entries = tf.reshape(entries, (-1, height, width, 9, channels))
        # The gradient of a position is the sum over the neighbours that it contributed to.
        back = [
            tf.pad(
                entries[:, _inside(y, height), _inside(x, width), 3 * y + x],
                [[0, 0], _outside(y), _outside(x), [0, 0]],
            )
            for y, x in OFFSETS
        ]
        kernel_slope = tf.matmul(around, flat, transpose_a=True)
        return tf.add_n(back), tf.reshape(kernel_slope, kernel.shape)

    return tf.reshape(tf.matmul(around, flat_kernel), (-1, height, width, kernel.shape[-1])), slopes


def _neighbours(pictures: Any) -> list[Any]:
    """Maps ``(N, H, W, I)`` shifted by each of a kernel's nine offsets; zeros beyond the border."""
    height, width = pictures.shape[1:3]
    padded = tf.pad(pictures, [[0, 0], [1, 1], [1, 1], [0, 0]])
    return [padded[:, y : y + height, x : x + width] for y, x in OFFSETS]


def _inside(offset: int, size: int) -> slice:
    """Positions whose neighbour at ``offset - 1`` is on the map."""
    return slice(max(0, 1 - offset), size - max(0, offset - 1))


def _outside(offset: int) -> list[int]:
    """Padding at both ends that moves values from those positions to their neighbours."""
    return [max(0, offset - 1), max(0, 1 - offset)]


@tf.custom_gradient  # type: ignore[untyped-decorator]
def _convolve_small(pictures: Any, kernel: Any) -> Any:
    def slopes(slope: Any) -> tuple[Any, Any]:
        entry = tf.raw_ops.Conv2DBackpropInput(
            input_sizes=tf.shape(pictures),
            filter=kernel,
            out_backprop=slope,
            strides=[1, 1, 1, 1],
            padding="SAME",
        )
        flat = tf.reshape(slope, (-1, kernel.shape[-1]))
        products = [
            tf.matmul(tf.reshape(part, (-1, pictures.shape[-1])), flat, transpose_a=True)
            for part in _neighbours(pictures)
        ]
        return entry, tf.reshape(tf.stack(products), kernel.shape)

    return tf.nn.conv2d(pictures, kernel, 1, "SAME"), slopes


@keras.saving.register_keras_serializable("affectline")
class BatchNorm(keras.layers.Layer):  # type: ignore[misc]
    """Batch normalisation (Ioffe & Szegedy 2015) with measured instead of running moments.

    In training a batch is normalised by its own moments, over all replicas. Running moments do not
    match any particular weights, least of all averaged ones, so the moments for inference are
    measured for the weights in use (see ``Network.measure_moments``).
    """

    def build(self, shape: tuple[int | None, ...]) -> None:
        """Create the scale, the shift and the moments ``(C,)``."""

        def make(name: str, first: str, trainable: bool) -> Any:
            return self.add_weight(
                (shape[-1],), first, name=name, trainable=trainable, autocast=False, dtype="float32"
            )

        self.gamma, self.beta = make("gamma", "ones", True), make("beta", "zeros", True)
        self.mean, self.variance = make("mean", "zeros", False), make("variance", "ones", False)

    def call(self, tensor: Any, training: bool = False) -> Any:
        """Normalise a tensor with channels last; the result has the same shape and dtype."""
        if not training:
            scale, shift = self.affine()
            return tensor * tf.cast(scale, tensor.dtype) + tf.cast(shift, tensor.dtype)
        gamma, beta = map(tf.convert_to_tensor, (self.gamma, self.beta))
        replicas = tf.distribute.get_replica_context().num_replicas_in_sync
        if replicas == 1 and len(tensor.shape) == 4:
            # TensorFlow's own operation takes one pass over the pictures.
            return tf.raw_ops.FusedBatchNormV3(
                x=tensor, scale=gamma, offset=beta, mean=[], variance=[], epsilon=EPSILON
            )[0]
        wide = tf.cast(tensor, tf.float32)
        mean, variance = _joint_moments(wide)
        scale = gamma * tf.math.rsqrt(variance + EPSILON)
        return tf.cast(wide * scale + (beta - mean * scale), tensor.dtype)

    def affine(self) -> tuple[Any, Any]:
        """The equivalent scale and shift ``(C,) float32`` in inference."""
        mean, variance, gamma, beta = map(
            tf.convert_to_tensor, (self.mean, self.variance, self.gamma, self.beta)
        )
        scale = gamma * tf.math.rsqrt(variance + EPSILON)
        return scale, beta - mean * scale


def _joint_moments(tensor: Any) -> tuple[Any, Any]:
    """Mean and variance ``(C,)`` of a batch that may be divided among replicas."""
    axes = list(range(len(tensor.shape) - 1))
    context = tf.distribute.get_replica_context()

    def mean(values: Any) -> Any:
        count = tf.cast(tf.size(values) // tf.shape(values)[-1], tf.float32)
        total = tf.reduce_sum(values, axes)
        if context.num_replicas_in_sync > 1:
            total, count = context.all_reduce("SUM", [total, count])
        return total / count

    middle = mean(tensor)
    return middle, mean(tf.square(tensor - middle))
