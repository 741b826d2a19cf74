"""Spectral normalisation: dense and convolutional layers whose kernel has a largest singular value of one."""

import keras
from keras import layers, ops


class SpectralNormalized:
    """Divide a layer's kernel by its largest singular value: W / sigma(W) (Miyato et al. 2018).

    One round of the power method each time the layer runs in training follows sigma as the kernel moves; gradients
    flow through the division. (Keras' own wrapper overwrites the kernel with the quotient, which leaves out the part
    of the gradient that passes through sigma.) The kernel is seen as a matrix (inputs of one output, outputs).
    """

    def build(self, input_shape: tuple[int | None, ...]) -> None:
        """Make the layer's weights, and the estimate u of the singular vector on the side of the outputs."""
        super().build(input_shape)
        start = keras.initializers.RandomNormal()
        self.u = self.add_weight(shape=(self._kernel.shape[-1],), initializer=start, trainable=False, name="u")

    @property
    def kernel(self) -> keras.KerasTensor:
        """The kernel over its largest singular value."""
        kernel = super().kernel
        matrix = ops.reshape(kernel, (-1, kernel.shape[-1]))
        fixed = ops.stop_gradient(matrix)
        u = ops.cast(self.u, kernel.dtype)
        v = ops.normalize(ops.matmul(fixed, u))
        sigma = ops.matmul(v, ops.matmul(matrix, ops.normalize(ops.matmul(v, fixed))))
        return kernel / sigma

    def call(self, x: keras.KerasTensor, training: bool = False) -> keras.KerasTensor:
        """Return what the layer makes of `x` with the normalised kernel."""
        if training:
            matrix = ops.reshape(ops.stop_gradient(super().kernel), (-1, self._kernel.shape[-1]))
            v = ops.normalize(ops.matmul(matrix, ops.cast(self.u, matrix.dtype)))
            self.u.assign(ops.cast(ops.normalize(ops.matmul(v, matrix)), self.u.dtype))
        return super().call(x)


class SpectralDense(SpectralNormalized, layers.Dense):
    """A dense layer with spectral normalisation."""


class SpectralConv2D(SpectralNormalized, layers.Conv2D):
    """A convolution with spectral normalisation."""
