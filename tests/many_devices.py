"""What tests run in processes of their own, since JAX counts its devices only once.

    python tests/many_devices.py TASK [ARGUMENT ...]

prints what a task returns as one line of JSON.
"""

import contextlib
import json
import re
import sys
import tempfile
from functools import partial
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
from jax import export
from jax.sharding import AxisType, NamedSharding
from jax.sharding import PartitionSpec as P
from test_lowering import CASES, ROWS
from tiny import TRAIN, TinyRun, examples, stop_after, timeless
from variants import VARIANTS, difference

from jaxconv import load_pretrained
from jaxconv.models.inference import fold, infer
from jaxconv.models.s9 import S9Net
from jaxconv.ops.batch_norm import batch_norm
from jaxconv.ops.standard import conv
from jaxconv.ops.window import Window, output_space
from jaxconv.ops.xla.partition import partitioned_convolve, partitioned_kernel_gradient
from jaxconv.runs.job import Agreement, SharedCheckpoints, join
from jaxconv.training.checkpoint import Checkpoints
from jaxconv.training.loop import Interrupted
from jaxconv.training.optim import one_cycle_sgd
from jaxconv.training.parallel import AllDevices, OneDevice, make_layout
from jaxconv.training.step import identity_augment, init_train_state, make_train_step

COLLECTIVES = ("all-reduce", "all-gather", "all-to-all", "collective-permute", "reduce-scatter")
SIZES = {"f32": 4, "s32": 4, "pred": 1}


def curves(engine, *counts):
    """The rows and the state of a tiny run on so many devices; "4s": with its state split too."""
    results = {}
    for count in counts:
        devices = jax.devices()[: int(count.rstrip("s"))]
        layout = AllDevices(devices=devices, shard_state=count.endswith("s"))
        results[count] = run_of(TinyRun(engine, layout=layout))
    return results | {"plain": run_of(TinyRun(engine, layout=OneDevice()))}


def run_of(run):
    rows = []
    with tempfile.TemporaryDirectory() as directory:
        state = run.fit(Path(directory), rows=rows)
    leaves = jax.tree.leaves(state)
    return {
        "rows": timeless(rows),
        "state": np.concatenate([np.ravel(leaf) for leaf in leaves]).astype(float).tolist(),
        "split": sum(not leaf.sharding.is_fully_replicated for leaf in leaves),
    }


def lowerings(cases_each):
    """The largest error of value and gradient on 4 devices against one, for each row by name."""
    layout, errors = AllDevices(devices=jax.devices()[:4]), {}
    for name, cases in CASES.items():
        for number, (x_shape, kernel_shape, window) in enumerate(cases[: int(cases_each)]):
            for batch in (8, 3)[: number + 1]:  # the second does not divide, and stays whole
                x_shape = (batch, *x_shape[1:])
                error = lowering_error(layout, ROWS[name], x_shape, kernel_shape, window)
                errors[name] = max(error, errors.get(name, 0))
    return errors


def lowering_error(layout, row, x_shape, kernel_shape, window):
    rng = np.random.default_rng(0)
    space = output_space(window, x_shape[1:-1], kernel_shape[:-2])
    y_shape = (x_shape[0], *space, kernel_shape[-1])
    x, kernel, cotangent = (
        rng.normal(size=shape).astype(np.float32) for shape in (x_shape, kernel_shape, y_shape)
    )
    whole = partial(passes, row.forward, row.kernel_gradient)
    alone = jax.jit(whole, static_argnums=3)(x, kernel, cotangent, window)
    if x_shape[0] % 4 == 0:
        x, cotangent = layout.batch((x, cotangent))
    together = divided(row)(x, kernel, cotangent, window)
    return max(
        float(np.abs(np.asarray(ours) - np.asarray(theirs)).max() / (np.abs(theirs).max() or 1))
        for ours, theirs in zip(together, alone, strict=True)
    )


def passes(forward, kernel_gradient, x, kernel, cotangent, window):
    return forward(x, kernel, window, jnp.float32), kernel_gradient(
        x, cotangent, window, kernel.shape
    )


def divided(row):
    """The two passes by a row, divided over devices as the lowering of a convolution does it."""

    def forward(x, kernel, window, dtype):
        run = partial(row.forward, dtype=dtype)
        return partitioned_convolve(run, window)(x, kernel)

    def kernel_gradient(x, cotangent, window, kernel_shape):
        def run(x, cotangent, window):
            shape = (*kernel_shape[:-2], x.shape[-1] // window.groups, cotangent.shape[-1])
            return row.kernel_gradient(x, cotangent, window, shape)

        return partitioned_kernel_gradient(run, window)(x, cotangent)

    return jax.jit(partial(passes, forward, kernel_gradient), static_argnums=3)


def gradient_traffic():
    """What the gradients of one convolution, computed in 4 pieces, send between 2 devices."""
    layout = AllDevices(devices=jax.devices()[:2])
    window = Window((1, 1), ((1, 1), (1, 1)), (1, 1), (1, 1), 1)
    x, kernel = np.ones((64, 16, 16, 8), np.float32), np.ones((3, 3, 8, 8), np.float32)
    x = layout.batch(x)
    return traffic(divided(ROWS["canonical"]).lower(x, kernel, x, window))


def mapped_gradients():
    """How far kernel gradients of a mapped convolution are from those of one device, by name."""
    mesh = jax.make_mesh((4,), ("data",), axis_types=(AxisType.Auto,))
    rng, errors = np.random.default_rng(0), {}
    for groups in (1, 2):
        x = rng.normal(size=(4, 6, 7, 4)).astype(np.float32)
        kernel = rng.normal(size=(3, 3, 4 // groups, 6)).astype(np.float32)
        split = jax.device_put(x, jax.NamedSharding(mesh, jax.P("data")))

        def one(kernel, x, groups=groups):
            return (conv(x[None], kernel, padding=1, groups=groups) ** 2).sum()

        def all_of_them(kernel, x, one=one):
            return jax.vmap(one, (None, 0))(kernel, x).sum()

        gradients = {
            "grad of vmap": jax.jit(jax.grad(all_of_them)),
            "vmap of grad": jax.jit(jax.vmap(jax.grad(one), (None, 0))),
        }
        for name, gradient in gradients.items():
            alone, together = gradient(kernel, x), gradient(kernel, split)
            error = np.abs(np.asarray(together) - np.asarray(alone)).max()
            errors[f"{name}, groups {groups}"] = float(error / np.abs(alone).max())
    return errors


def placements(uses, name=""):
    """Errors of value, gradients and tangent of the first uses of each variant, by what was done.

    Against one device: the batch, the height or the channels divided, on Auto and on Explicit axes
    of names of their own; and inside shard_map, over all axes or some.
    """
    errors = {}
    for variant in VARIANTS:
        if name not in variant.name:
            continue
        for sample in (variant.samples[-1], variant.others[0], *variant.others[1:])[: int(uses)]:
            x, *kernels = sample.arrays(dtype=np.float32)
            arrays = (np.concatenate([x, 0.5 * x, x - 1, -x]), *kernels)
            function = partial(variant.function, **sample.options)
            expected = jax.jit(partial(curvature, function))(*arrays)
            for what, run in placed(function, arrays):
                given = jax.tree.leaves(run(*arrays))
                pairs = zip(given, jax.tree.leaves(expected), strict=True)
                errors[f"{variant.name} {sample.options}: {what}"] = max(
                    difference(ours, theirs) for ours, theirs in pairs
                )
    return errors


def curvature(function, *arrays):
    """The value, the gradients of a curved loss and a tangent."""
    gradient = jax.grad(lambda *arrays: jnp.sin(function(*arrays)).sum(), range(len(arrays)))
    return function(*arrays), gradient(*arrays), jax.jvp(function, arrays, arrays)[1]


def placed(function, arrays):
    """(what, a function of the arrays) for each way to lay them out on devices."""
    x, *kernels = arrays
    for kind in AxisType.Auto, AxisType.Explicit:
        for axis in sorted({0, 1, x.ndim - 1}):
            count = next(n for n in (8, 4, 2, 1) if x.shape[axis] % n == 0)
            mesh = jax.make_mesh((count,), ("some",), (kind,), devices=jax.devices()[:count])
            spec = jax.P(*[None] * axis, "some")

            def run(x, *kernels, mesh=mesh, spec=spec):
                with jax.set_mesh(mesh):
                    x = jax.device_put(x, jax.NamedSharding(mesh, spec))
                    whole = jax.NamedSharding(mesh, jax.P())
                    kernels = [jax.device_put(kernel, whole) for kernel in kernels]
                    return jax.jit(partial(curvature, function))(x, *kernels)

            yield f"axis {axis}, {kind}", run
    mesh = jax.make_mesh((4, 2), ("i", "j"), (AxisType.Auto,) * 2)
    for over in (("i", "j"), ("i",)):
        parts = jax.P(over)
        specs = (parts, *[jax.P()] * len(kernels))
        mapped = jax.shard_map(
            function, mesh=mesh, axis_names=set(over), in_specs=specs, out_specs=parts
        )
        yield f"shard_map over {over}", jax.jit(partial(curvature, mapped))


def step_traffic():
    """What one step of S9Net sends between 2 devices."""
    layout = AllDevices(devices=jax.devices()[:2])
    model, tx = S9Net(10, 0.1), one_cycle_sgd(100, max_lr=0.1, weight_decay=1e-4)
    step = layout.spread(make_train_step(model, tx, identity_augment))
    state = layout.state(init_train_state(model, tx, jax.random.key(0), (32, 32, 3)))
    batch = {
        "image": np.zeros((32, 32, 32, 3), np.float32),
        "label": np.zeros(32, np.int32),
        "mask": np.ones(32, bool),
    }
    return traffic(step.lower(state, layout.batch(batch), jax.random.key(0)))


def batch_norm_on_any_mesh():
    """The largest error of BatchNorm's training against one device, for each kind of placement."""
    rng = np.random.default_rng(0)
    x = rng.normal(3, 2, (8, 6, 4, 5)).astype(np.float32)
    mask, scale = np.array([1, 1, 0, 1, 1, 1, 1, 0], bool), rng.normal(size=5).astype(np.float32)
    plain, errors = jax.jit(batch_norm_passes)(x, scale, mask), {}
    for kind in AxisType.Auto, AxisType.Explicit:
        mesh = jax.make_mesh((4,), ("rows",), axis_types=(kind,))
        for axis, spec in enumerate((P("rows"), P(None, None, "rows"))):
            with jax.set_mesh(mesh):
                placed = jax.device_put(x, NamedSharding(mesh, spec))
                given = jax.jit(batch_norm_passes)(placed, scale, mask)
            errors[f"{kind.name} {axis}"] = worst(given, plain)
    mesh = jax.make_mesh((4,), ("rows",), axis_types=(AxisType.Auto,))
    own = jax.shard_map(
        lambda x, scale: batch_norm_passes(x, scale, None)[1],
        mesh=mesh,
        in_specs=(P("rows"), P()),
        out_specs=(P("rows"), P()),
    )
    parts = [batch_norm_passes(part, scale, None)[1] for part in np.split(x, 4)]
    gradients = [np.concatenate([part[0] for part in parts]), sum(part[1] for part in parts)]
    errors["shard_map"] = worst(jax.jit(own)(x, scale), gradients)
    return errors


def odd_meshes():
    """The largest errors against one device where a mesh or a placement is an unusual one."""
    rng = np.random.default_rng(0)
    shapes = ((8, 6, 6, 4), (3, 3, 4, 8), (8,))
    x, kernel, bias = (rng.normal(size=shape).astype(np.float32) for shape in shapes)
    channels = np.ones(4, np.float32)

    def passes(x, kernel, bias):
        def loss(*given):
            return jnp.sin(conv(*given[:2], bias=given[2])).sum()

        return conv(x, kernel), jax.grad(loss, (0, 1, 2))(x, kernel, bias)

    def norm(x, *given, train):
        return batch_norm(x, *given, train=train)[0]

    errors, expected = {}, passes(x, kernel, bias)
    # XLA of jax 0.10 ends the process at such a name, whatever the operation.
    names = ("β",) if jax.__version_info__ >= (0, 12) else ()
    for name in (*names, "GSPMD"):
        mesh = jax.make_mesh((4,), (name,), axis_types=(AxisType.Auto,))
        jax.config.update("jax_use_shardy_partitioner", name != "GSPMD")
        placed = jax.device_put(x, NamedSharding(mesh, P(name)))
        errors[name] = worst(jax.jit(passes)(placed, kernel, bias), expected)
    jax.config.update("jax_use_shardy_partitioner", True)
    mesh = jax.make_mesh((4,), ("rows",), axis_types=(AxisType.Explicit,))
    with jax.set_mesh(mesh):
        split = jax.device_put((x, bias, channels), NamedSharding(mesh, P("rows")))
        kernel = jax.device_put(kernel, NamedSharding(mesh, P()))
        errors["bias"] = worst(passes(split[0], kernel, split[1]), expected)
        tall = np.tile(x[:2], (1, 4, 1, 1))
        tall = jax.device_put(tall, NamedSharding(mesh, P(None, "rows")))
        for train in (True, False):
            for images in (split[0], tall):
                given = norm(images, *[split[2]] * 4, train=train)
                plain = norm(np.asarray(images), *[channels] * 4, train=train)
                errors[f"norm {train} {images.shape}"] = worst(given, plain)
        images = rng.normal(size=(68, 32, 32, 3)).astype(np.float32)
        folded = fold(load_pretrained()[0])
        placed = jax.device_put(images, NamedSharding(mesh, P("rows")))
        given = jax.jit(infer)(jax.device_put(folded, NamedSharding(mesh, P())), placed)
    errors["infer"] = worst(given, infer(folded, images))
    return errors


def batch_norm_passes(x, scale, mask):
    def loss(x, scale):
        zero, one = 0 * scale, 0 * scale + 1
        y, *running = batch_norm(x, scale, zero, zero, one, train=True, mask=mask)
        return (y**3).sum(), (y, *running)

    gradients, values = jax.grad(loss, argnums=(0, 1), has_aux=True)(x, scale)
    return values, gradients


def worst(given, expected):
    """The largest difference, relative to the largest number of each array."""
    pairs = zip(jax.tree.leaves(given), jax.tree.leaves(expected), strict=True)
    return max(float(np.abs(np.asarray(a) - b).max() / np.abs(b).max()) for a, b in pairs)


def traffic(lowered):
    """Operations and bytes of each kind of communication in the compiled program."""
    found = {}
    program = lowered.compile().as_text()
    for shapes, kind in re.findall(rf"= (\S.*?) ({'|'.join(COLLECTIVES)})\(", program):
        sent = sum(
            SIZES[dtype] * int(np.prod([int(size) for size in sizes.split(",") if size]))
            for dtype, sizes in re.findall(r"(\w+)\[([\d,]*)\]", shapes)
        )
        count, total = found.get(kind, (0, 0))
        found[kind] = (count + 1, total + sent)
    return found


class Watched:
    """Images that note which of them are read."""

    def __init__(self, images):
        self.images, self.read = images, []

    def __getitem__(self, places):
        self.read.append(np.asarray(places).tolist())
        return self.images[places]


def job(engine, directory, stop_after_calls, coordinator, processes, process):
    """A tiny run of several processes, this one of them; "0" calls: it asks for no stop."""
    join(coordinator, int(processes), int(process))
    layout, rows = make_layout(shard_state=True), []
    images = Watched(examples(TRAIN, 0)[0])
    run = TinyRun(engine, layout=layout, images=images)
    own = Checkpoints(Path(directory)) if process == "0" else None
    checkpoints = SharedCheckpoints(own, layout)
    calls = int(stop_after_calls)
    should_stop = stop_after(calls) if calls else lambda: False
    with contextlib.suppress(Interrupted):
        run.fit(checkpoints, rows=rows, should_stop=should_stop, agree=Agreement(layout))
    return {"rows": timeless(rows), "read": images.read, "step": checkpoints.latest_step}


def exported():
    """How far what an exported program gives on two devices is from the function, or its error."""
    mesh = jax.make_mesh((2,), ("half",), axis_types=(AxisType.Auto,))
    rng = np.random.default_rng(0)
    x, kernel = (
        jnp.asarray(rng.normal(size=shape), jnp.float32) for shape in ((4, 8, 8, 3), (3, 3, 3, 5))
    )

    def function(x):
        return conv(x, kernel, padding=1)

    split = P("half")
    programs = {
        "jit": function,
        "shard_map": jax.shard_map(function, mesh=mesh, in_specs=split, out_specs=split),
    }
    x, found, expected = jax.device_put(x, NamedSharding(mesh, split)), {}, function(x)
    for name, program in programs.items():
        try:
            jitted = jax.jit(program, in_shardings=x.sharding)
            written = export.export(jitted)(x).serialize()
            given = jax.jit(export.deserialize(written).call)(x)
            found[name] = float(jnp.abs(given - expected).max())
        except ValueError as error:
            found[name] = str(error)
    return found


TASKS = (
    exported,
    curves,
    job,
    lowerings,
    gradient_traffic,
    mapped_gradients,
    placements,
    step_traffic,
    batch_norm_on_any_mesh,
    odd_meshes,
)

if __name__ == "__main__":
    jax.config.update("jax_numpy_rank_promotion", "raise")
    task = next(task for task in TASKS if task.__name__ == sys.argv[1])
    print(json.dumps(task(*sys.argv[2:])))
