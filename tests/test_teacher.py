"""A teacher's logits: of the very images that the student sees, from a file that fits."""

import dataclasses
import functools
import json
import pickle

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from safetensors.numpy import save_file

from jaxconv import cli
from jaxconv.cli.build.distillation import make_teacher
from jaxconv.cli.build.engine import build_engine
from jaxconv.cli.build.network import build_network
from jaxconv.cli.build.teacher import view_facts, with_teacher
from jaxconv.cli.config.command_line import parse_command_line
from jaxconv.cli.config.error import ConfigError
from jaxconv.cli.verbs.train import train_parser
from jaxconv.data.dataset import describe, limit
from jaxconv.data.shapes10 import load_shapes10
from jaxconv.data.teacher import TeacherError, load_teacher, save_teacher
from jaxconv.training.epochs import empty_tally, make_streamed_epoch
from jaxconv.training.objective import cross_entropy, distillation, make_objective
from jaxconv.training.parallel import OneDevice
from jaxconv.training.step import TrainState

TRAIN, VIEWS, BATCH = 22, 3, 8
ROWS = "--config.model.rows=({'conv':'DilatedConv','features':4,'options':{'stride':4}},)"
NORMALIZE = "('Normalize',{'mean':(0.5,0.5,0.5),'std':(0.25,0.25,0.25)})"
PIPELINES = {
    "device": f"(('AlternatingFlip',{{}}),('Rotate',{{'limit':40,'p':0.5}}),{NORMALIZE})",
    "albumentations": f"(('HorizontalFlip',{{}}),('GaussNoise',{{'p':1.0}}),{NORMALIZE})",
}


@functools.cache
def data():
    return load_shapes10(seed=0, train_count=TRAIN, test_count=12)


def config_of(*flags, engine="device"):
    argv = ["--config", "s9", ROWS, f"--config.batch_size={BATCH}"]
    argv += [f"--config.augment.engine={engine}"]
    argv += [f"--config.augment.transforms={PIPELINES[engine]}", *flags]
    return parse_command_line(train_parser("train", "Trains."), argv)[0]


def teachers_of(config, *seeds):
    """Networks with weights drawn from the seeds, as what `make_teacher` takes of trained ones."""
    network = build_network(config, 10)
    shape = (1, *network.image_shape)
    states = [
        network.model.init(jax.random.key(seed), jnp.zeros(shape), train=False) for seed in seeds
    ]
    return [(network, TrainState(0, state["params"], state["batch_stats"], ())) for state in states]


def made(config, *seeds, views=VIEWS):
    student = build_network(config, 10)
    return make_teacher(config, data(), student, teachers_of(config, *seeds), views=views)


@pytest.mark.parametrize("engine", ["device", "albumentations", "streamed"])
def test_a_student_sees_the_images_that_its_teacher_saw(engine, tmp_path):
    """What the teacher says in a batch is what it says of the batch's images, in any epoch, of a
    student with another seed: through the file, and the epochs of either engine."""
    kind = "device" if engine == "streamed" else engine
    config, path = config_of("--config.seed=4", engine=kind), tmp_path / "teacher.safetensors"
    save_teacher(path, made(config, 0))
    student = config_of("--config.seed=9", f"--config.distill.teacher={path}", engine=kind)
    dataset = with_teacher(student, data())
    apart = np.diff(dataset.teacher.logits.astype(np.float32), axis=0)
    assert (np.abs(apart).max(axis=(1, 2)) > 0.02).all()  # another view would be noticed
    ((network, state),) = teachers_of(config, 0)
    engine_of = build_engine(student, dataset, build_network(student, 10), OneDevice())
    seen = []

    def note(state, batch, key):
        def tell(images, logits, labels, mask):
            seen.append((images[mask], logits[mask], labels[mask]))

        keys = batch.get("key")
        images = batch["image"] if keys is None else engine_of.augment(keys, batch["image"])
        jax.debug.callback(tell, images, batch["teacher"], batch["label"], batch["mask"])
        zero = jnp.int32(0)
        sums = {"loss_sum": jnp.float32(0), "correct": zero, "count": zero}
        return state._replace(step=state.step + 1), sums

    run_epoch = engine_of.make_epoch(note)
    if engine == "streamed":
        given = engine_of.make_epoch.keywords
        given = {name: given[name] for name in ("batch_size", "seed", "layout", "key_of")}
        logits = dataset.teacher.logits
        run_epoch = make_streamed_epoch(note, *dataset.train, teacher=logits, **given)
    shown = {}
    for epoch in (0, 2, 4, VIEWS + 2):
        seen.clear()
        [*_] = run_epoch(TrainState(jnp.int32(0), {}, {}, ()), empty_tally(), epoch, 0)
        jax.effects_barrier()
        images, logits, labels = (np.concatenate(parts) for parts in zip(*seen, strict=True))
        assert sorted(labels) == sorted(data().train.labels)
        expected = np.asarray(network.logits(state.variables, images))
        np.testing.assert_allclose(logits, expected, rtol=2e-3, atol=2e-3)
        shown[epoch] = {image.tobytes() for image in images}
    assert shown[2] == shown[VIEWS + 2]
    assert len(shown[0] & shown[4]) < TRAIN


def test_several_teachers_say_the_mean_of_their_logits():
    config = config_of()
    first, second, both = (made(config, *seeds, views=1) for seeds in ((0,), (1,), (0, 1)))
    mean = (first.logits.astype(np.float32) + second.logits) / 2
    np.testing.assert_allclose(both.logits, mean, rtol=2e-3, atol=2e-3)
    assert np.abs(first.logits - second.logits).max() > 0.01


def test_the_loss_of_distillation_is_that_of_hinton():
    rng = np.random.default_rng(0)
    logits, teacher = rng.normal(0, 3, (2, 7, 5)).astype(np.float32)
    labels = rng.integers(0, 5, 7)

    def softmax(x):
        e = np.exp(x - x.max(1, keepdims=True))
        return e / e.sum(1, keepdims=True)

    p, q = softmax(teacher / 4), softmax(logits / 4)
    expected = 16 * (p * np.log(p / q)).sum(1)
    found = distillation(logits, teacher.astype(np.float16), temperature=4)
    np.testing.assert_allclose(found, expected, rtol=5e-3)
    np.testing.assert_allclose(distillation(logits, logits, temperature=4), 0, atol=1e-5)
    batch = {"label": labels, "mask": np.ones(7, bool), "teacher": teacher}
    objective = make_objective(label_smoothing=0.1, teacher_weight=0.7, temperature=4)
    hard = np.asarray(cross_entropy(logits, labels, label_smoothing=0.1))
    assert objective(logits, batch)["loss_sum"] == pytest.approx(
        (0.3 * hard + 0.7 * expected).sum(), rel=1e-4
    )


def test_a_mixed_image_has_the_mixed_targets_of_its_teacher():
    rng = np.random.default_rng(1)
    logits, teacher, other = rng.normal(size=(3, 4, 5)).astype(np.float32)
    share = np.array([0, 0.25, 0.5, 1], np.float32)
    labels, mask = np.zeros(4, int), np.ones(4, bool)
    partner = {"label": labels, "teacher": other}
    batch = {"label": labels, "mask": mask, "teacher": teacher, "share": share, "partner": partner}
    found = make_objective(teacher_weight=1.0, temperature=2)(logits, batch)["loss_sum"]
    of = [np.asarray(distillation(logits, said, temperature=2)) for said in (teacher, other)]
    assert found == pytest.approx((share * of[0] + (1 - share) * of[1]).sum(), rel=1e-5)


# The file.


@pytest.fixture(scope="module")
def teacher():
    return made(config_of(), 0)


def test_what_is_saved_comes_back_in_the_same_bytes(teacher, tmp_path):
    first, second = tmp_path / "new" / "a.safetensors", tmp_path / "b.safetensors"
    for path in (first, second):
        save_teacher(path, teacher)
    assert first.read_bytes() == second.read_bytes()
    again = load_teacher(first)
    np.testing.assert_array_equal(again.logits, teacher.logits)
    assert (again.logits.dtype, again.logits.shape) == (np.float16, (VIEWS, TRAIN, 10))
    assert (again.seed, again.facts) == (teacher.seed, teacher.facts)
    assert len(again.digest) == 64
    assert list(first.parent.iterdir()) == [first]


def damaged(path, teacher, kind):
    told = {"teacher": json.dumps({"seed": 0, "facts": {}})}
    arrays = {"logits": teacher.logits}
    match kind:
        case "empty":
            path.write_bytes(b"")
        case "a pickle":
            path.write_bytes(pickle.dumps(teacher.logits))
        case "cut":
            save_teacher(path, teacher)
            path.write_bytes(path.read_bytes()[:-7])
        case "no metadata":
            save_file(arrays, path)
        case "no logits":
            save_file({"weights": teacher.logits}, path, told)
        case "float32":
            save_file({"logits": teacher.logits.astype(np.float32)}, path, told)
        case "flat":
            save_file({"logits": teacher.logits[0]}, path, told)
        case "NaN":
            save_file({"logits": teacher.logits * np.float16("nan")}, path, told)
        case "no seed":
            save_file(arrays, path, {"teacher": '{"facts": {}}'})
        case "a seed of text":
            save_file(arrays, path, {"teacher": '{"seed": "0", "facts": {}}'})
        case "facts of another kind":
            save_file(arrays, path, {"teacher": '{"seed": 0, "facts": 3}'})
        case "a folder":
            path.mkdir()


@pytest.mark.parametrize(
    "kind",
    ["empty", "a pickle", "cut", "no metadata", "no logits", "float32", "flat", "NaN", "no seed",
     "a seed of text", "facts of another kind", "a folder"],
)  # fmt: skip
def test_a_file_that_is_none_is_one_line(teacher, tmp_path, kind):
    path = tmp_path / "t.safetensors"
    damaged(path, teacher, kind)
    with pytest.raises(TeacherError, match=r"holds no teacher's logits \(.+\); make it by") as no:
        load_teacher(path)
    assert "\n" not in str(no.value)


OTHER_VIEWS = [
    (("--config.augment.transforms=(('HorizontalFlip',{}),)",), "augment.transforms was"),
    (("--config.data.image_size=40",), "data.image_size was 32 and is 40 now"),
]


@pytest.mark.parametrize(("flags", "message"), OTHER_VIEWS)
def test_a_student_of_other_views_is_refused(teacher, tmp_path, flags, message):
    save_teacher(tmp_path / "t.safetensors", teacher)
    config = config_of(f"--config.distill.teacher={tmp_path / 't.safetensors'}", *flags)
    with pytest.raises(ConfigError, match=r"t.safetensors: made for other views, as ") as no:
        with_teacher(config, data())
    assert message in str(no.value)
    assert "\n" not in str(no.value)


def test_a_student_of_other_data_or_draws_is_refused(teacher, tmp_path):
    save_teacher(tmp_path / "t.safetensors", teacher)
    config = config_of(f"--config.distill.teacher={tmp_path / 't.safetensors'}")
    turned = data().train._replace(labels=data().train.labels[::-1])
    for other, name in (
        (limit(data(), 20, None), "data.train was 22 and is 20"),
        (dataclasses.replace(data(), train=turned), "data.labels_crc32 was"),
        (dataclasses.replace(data(), name="cifar10"), 'data.name was "shapes10" and is "cifar10"'),
    ):
        with pytest.raises(ConfigError, match=name):
            with_teacher(config, other)
    with jax.threefry_partitionable(False), pytest.raises(ConfigError, match="jax_threefry_part"):
        with_teacher(config, data())
    exact = dataclasses.replace(data(), exact=True)
    with pytest.raises(ConfigError, match=r"data\.images_crc32 was null"):
        with_teacher(config, exact)
    assert view_facts(config, exact)["data.images_crc32"]
    assert not view_facts(config, data()).get("data.images_crc32")


def test_a_data_set_with_a_teacher_says_so_and_can_be_cut(teacher, tmp_path):
    save_teacher(tmp_path / "t.safetensors", teacher)
    config = config_of(f"--config.distill.teacher={tmp_path / 't.safetensors'}")
    dataset = with_teacher(config, data())
    assert describe(dataset)["teacher"] == load_teacher(tmp_path / "t.safetensors").digest
    assert describe(data())["teacher"] is None
    np.testing.assert_array_equal(limit(dataset, 5, None).teacher.logits, teacher.logits[:, :5])
    assert with_teacher(config_of(), data()).teacher is None


def test_logits_that_float16_does_not_hold_are_refused():
    config = config_of()
    ((network, state),) = teachers_of(config, 0)
    head = state.params["head"]["kernel"] * 1e9
    state = state._replace(params=state.params | {"head": {"kernel": head}})
    with pytest.raises(ValueError, match="logits that are not finite in float16"):
        make_teacher(config, data(), network, [(network, state)], views=1)


# The verb.


@pytest.mark.parametrize(
    ("argv", "message"),
    [
        (["--out", "t.safetensors"], "no teacher given; name the workdirs of runs, or weights"),
        (["runs/a"], "--out: not given; name the file to write"),
        (["runs/a", "--out", "t.npz"], "--out t.npz: expected a name that ends in .safetensors"),
        (["runs/a", "--views", "0"], "argument --views: expected a whole number of at least 1"),
        (["runs/a", "--config.sed=1"], "did you mean --config.seed?"),
    ],
)
def test_a_wrong_command_line_is_one_line(argv, message, capsys):
    assert cli.main(["distill", *argv]) == 2
    assert message in capsys.readouterr().err
