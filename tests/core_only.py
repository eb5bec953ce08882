"""Uses what `pip install jaxconv` brings without extras; run where the rest is missing or blocked.

python core_only.py [--block]
"""

import sys

OPTIONAL = (
    "albumentations",
    "array_record",
    "beartype",
    "chex",
    "cv2",
    "filelock",
    "flatbuffers",
    "importlib_resources",
    "jinja2",
    "matplotlib",
    "ml_collections",
    "PIL",
    "shtab",
    "tensorboardX",
    "tensorflow_datasets",
    "tqdm",
)


class Blocked:
    """As if these were not installed."""

    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in OPTIONAL:
            raise ModuleNotFoundError(f"No module named {name!r}", name=name)


def refused(*argv):
    """What the program says where a package is missing."""
    import contextlib
    import io

    from jaxconv import cli

    said = io.StringIO()
    with contextlib.redirect_stderr(said), contextlib.redirect_stdout(io.StringIO()):
        code = cli.main(argv)
    assert code == 2, (argv, code, said.getvalue())
    (line,) = said.getvalue().splitlines()
    return line


def main():
    if "--block" in sys.argv:
        sys.meta_path.insert(0, Blocked())
    for name in OPTIONAL:
        try:
            __import__(name)
        except ModuleNotFoundError:
            continue
        raise AssertionError(f"{name} is here: this proves nothing")

    import jax
    import numpy as np
    from flax import nnx

    import jaxconv.nnx
    from jaxconv import cli
    from jaxconv.models.inference import fold, infer

    x = jax.numpy.ones((2, 8, 8, 4))
    kernel = jax.numpy.ones((3, 3, 4, 6))
    depth, point = jax.numpy.ones((3, 3, 1, 4)), jax.numpy.ones((1, 1, 4, 6))
    column, row = jax.numpy.ones((3, 1, 4, 4)), jax.numpy.ones((1, 3, 4, 6))
    shapes = {
        jaxconv.conv(x, kernel, padding=1).shape,
        jaxconv.pointwise_conv(x, point).shape,
        jaxconv.depthwise_separable_conv(x, depth, point, padding=1).shape,
        jaxconv.dilated_conv(x, kernel, padding=2).shape,
        jaxconv.spatially_separable_conv(x, column, row, padding=1).shape,
        jaxconv.transpose_conv(x, jax.numpy.ones((3, 3, 6, 4)), padding=1).shape,
    }
    assert shapes == {(2, 8, 8, 6)}, shapes
    assert jaxconv.depthwise_conv(x, depth, padding=1).shape == (2, 8, 8, 4)
    for module in (
        jaxconv.Conv(6, padding=1),
        jaxconv.PointwiseConv(6),
        jaxconv.DepthwiseConv(4, padding=1),
        jaxconv.DepthwiseSeparableConv(6, padding=1),
        jaxconv.DilatedConv(6, padding=2),
        jaxconv.SpatiallySeparableConv(6, padding=1),
        jaxconv.TransposeConv(6, padding=1),
    ):
        y, _ = module.init_with_output(jax.random.key(0), x)
        assert y.shape[:3] == (2, 8, 8), module

    variables, card = jaxconv.load_pretrained()
    images = np.zeros((1, 32, 32, 3), np.float32)
    logits = jaxconv.S9Net().apply(variables, (images - card.mean) / card.std, train=False)
    assert logits.shape == (1, 10)
    inferred = infer(fold(variables), (images - card.mean) / card.std)
    np.testing.assert_allclose(inferred, logits, atol=1e-5)
    layer = jaxconv.nnx.Conv(4, 6, padding=1, rngs=nnx.Rngs(0))
    assert layer(x).shape == (2, 8, 8, 6)
    assert cli.main(["summary"]) == 0
    assert cli.main(["costs"]) == 0
    for words in ("stats", "train --config s9", "predict a.png", "animate standard", "export"):
        assert "is not installed; pip install 'jaxconv[train]'" in refused(*words.split()), words
    assert "pip install 'jaxconv[completion]'" in refused("completion", "bash")
    print("the core works alone")


if __name__ == "__main__":
    main()
