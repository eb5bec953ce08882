"""Run directories, weights and tfds directories from anywhere, damaged, and every verb over them.

A target is made for a folder; called with a random source it damages an input, and gives the
command line of a verb that reads it. The verbs are the product's; only what they would compute for
long is stood in for by `cheap_networks`.
"""

import json
import os
import random
import shutil

import cifar_files
import jax
import numpy as np
from fuzz_targets import mutated, nested
from PIL import Image
from train_process import SMALL

from jaxconv.cli.build.network import Network, build_network, state_like
from jaxconv.cli.config.command_line import parse_command_line
from jaxconv.cli.config.json_form import to_json_dict
from jaxconv.cli.verbs.train import train_parser
from jaxconv.data.shapes10 import CLASS_NAMES
from jaxconv.runs import run_dir
from jaxconv.runs.environment import environment
from jaxconv.runs.facts import settings
from jaxconv.training.checkpoint import Checkpoints
from jaxconv.training.epochs import empty_tally
from jaxconv.training.loop import Course, Interrupted, Progress
from jaxconv.training.parallel import OneDevice
from jaxconv.weights.pretrained import PRETRAINED

STEPS, EPOCHS = 10, 3
FEW_DATA = ["--config.data.train_limit=20", "--config.data.test_limit=10"]
ODD = [
    *(None, True, False, -1, 0, 1, 2, 1.5, 1e308, -1e308, float("nan"), float("inf"), 10**30),
    *(10**400, "", "x", "\x1b[31m\n", "é" * 300, "9" * 5000, [], {}, [[[]]], {"a": {}}, ["a", 1]),
]


def damaged_json(value, source):
    """`value` with one of its parts replaced, removed, renamed or doubled."""
    value = json.loads(json.dumps(value))
    places = [(None, None)]

    def visit(inner):
        items = inner.items() if isinstance(inner, dict) else enumerate(inner)
        for key, item in list(items):
            places.append((inner, key))
            if isinstance(item, dict | list):
                visit(item)

    if isinstance(value, dict | list):  # a file damaged before may hold a number alone
        visit(value)
    owner, key = source.choice(places)
    if owner is None:
        return source.choice(ODD)
    match source.randrange(4):
        case 0:
            del owner[key]
        case 1 if isinstance(owner, dict):
            owner[source.choice(["data", "params", "\x1b]0;x\x07", "", "seed"])] = owner.pop(key)
        case 2 if isinstance(owner, list):
            owner *= 2
        case _:
            owner[key] = source.choice(ODD)
    return value


def _is_json(line):
    try:
        json.loads(line)
    except ValueError:
        return False
    return True


def damaged_text(content, source):
    """JSON, or lines of JSON, with a damage inside it or to its bytes."""
    if source.random() < 0.25:
        return mutated(content, source)
    if source.random() < 0.03:
        return nested(source).encode()
    try:
        return json.dumps(damaged_json(json.loads(content), source)).encode()
    except ValueError:
        lines = content.splitlines()
    if not lines or not all(map(_is_json, lines)):  # damaged before
        return mutated(content, source)
    number = source.randrange(len(lines))
    match source.randrange(4):
        case 0:
            lines.insert(number, lines[number])
        case 1:
            del lines[number]
        case _:
            lines[number] = json.dumps(damaged_json(json.loads(lines[number]), source)).encode()
    return b"\n".join([*lines, b""])


def replaced(file, outside, source):
    """What no program leaves where a file was."""
    file.unlink()
    match source.randrange(6):
        case 0:
            os.mkfifo(file)
        case 1:
            file.mkdir()
        case 2:
            file.symlink_to(outside)
        case 3:
            file.symlink_to(file.name)
        case 4:
            file.touch()
        case 5:
            pass


class Runs:
    """A run directory, as going on and the verbs on runs read it."""

    def __init__(self, place):
        self.place, self.outside = place, place / "outside"
        self.outside.write_text("not of the run")
        self.whole, self.image = place / "whole", place / "image.png"
        Image.new("RGB", (32, 32)).save(self.image)
        make_run(self.whole)

    def __call__(self, source):
        run = self.place / "run"
        shutil.rmtree(run, ignore_errors=True)
        shutil.copytree(self.whole, run)
        for _ in range(source.choice([1, 1, 2])):
            self.damage(run, source)
        out = self.place / "out"
        image = ["--out", f"{out}.png"]
        match source.choice(["train", "compare", "export", "evaluate", "predict", "misclassified"]):
            case "train":
                return [
                    "train",
                    *SMALL,
                    *FEW_DATA,
                    f"--config.epochs={EPOCHS}",
                    "--workdir",
                    str(run),
                ]
            case "compare":
                return ["compare", *source.sample([str(run), str(self.whole)], 2), *image]
            case "export":
                kind = source.choice(["safetensors", "torch"])
                return ["export", "--workdir", str(run), f"--{kind}", f"{out}.safetensors"]
            case "predict":
                return ["predict", "--workdir", str(run), str(self.image), "--json"]
            case verb:
                best = ["--checkpoint", source.choice(["last", "best"])]
                return [verb, "--workdir", str(run), *best, *image[: 2 * (verb != "evaluate")]]

    def damage(self, run, source):
        # Orbax's files are many, and damage to the older checkpoint's is harmless: half and half.
        named = [run / name for name in ("config.json", "environment.json", "metrics.jsonl")]
        saved = sorted(path for path in (run / "checkpoints").rglob("*") if path.is_file())
        files = source.choice([named, saved])
        file = source.choice([path for path in files if path.is_file() and not path.is_symlink()])
        if source.random() < 0.1:
            replaced(file, self.outside, source)
        elif file.suffix in (".json", ".jsonl") or file.name in ("_CHECKPOINT_METADATA", "metrics"):
            file.write_bytes(damaged_text(file.read_bytes() or b"{}", source))
        else:
            file.write_bytes(mutated(file.read_bytes(), source))


def whole_config():
    argv = [*SMALL, *FEW_DATA, f"--config.epochs={EPOCHS}"]
    return parse_command_line(train_parser("train", "doc"), argv)[0]


def make_run(place):
    """A run directory like that of a training, of a network that nobody has trained."""
    run, config = run_dir.create(place), whole_config()
    run_dir.claim(run, to_json_dict(config))
    data = {"name": "shapes10", "reason": "a test", "origin": "drawn", "train": 20, "test": 10}
    data |= {"class_names": list(CLASS_NAMES)}
    device = {"backend": "cpu", "kind": "cpu", "count": 1, "processes": 1}
    made = environment(device) | {"settings": settings(), "data": data}
    run_dir.write_json(run.environment_json, made)
    names = "lr momentum train_loss train_accuracy test_loss test_accuracy seconds"
    for epoch in range(1, EPOCHS + 1):
        row = {"epoch": epoch, "step": epoch * STEPS} | dict.fromkeys(names.split(), 1.5 * epoch)
        run_dir.append_metrics(run, row | {"images_per_second": 100.0})
    checkpoints = Checkpoints(run.checkpoints)
    for epoch in (EPOCHS - 1, EPOCHS):
        step = epoch * STEPS
        checkpoints.save(step, fresh(config, step), test_accuracy=1.5 * epoch)
    checkpoints.close()


def fresh(config, step=0):
    like = Progress(state_like(build_network(config, len(CLASS_NAMES))), empty_tally())
    progress = jax.tree.map(lambda leaf: np.ones(leaf.shape, leaf.dtype), like)
    return progress._replace(state=progress.state._replace(step=np.int32(step)))


class WeightsFiles:
    """A weights file, as the verbs on a network read it."""

    def __init__(self, place):
        self.place, self.path, self.image = place, place / "w.safetensors", place / "image.png"
        self.outside = place / "outside"
        self.outside.write_text("not of the run")
        Image.new("RGB", (32, 32)).save(self.image)
        content = PRETRAINED.read_bytes()
        length = int.from_bytes(content[:8], "little")
        self.header, self.body = json.loads(content[8 : 8 + length]), content[8 + length :]

    def __call__(self, source):
        header, body = self.header, self.body
        if source.random() < 0.5:
            told = json.loads(header["__metadata__"]["card"])
            card = damaged_text(json.dumps(told).encode(), source).decode(errors="replace")
            header = header | {"__metadata__": {"card": card}}
        elif source.random() < 0.7:
            header = damaged_json(header, source)
        else:
            place = source.randrange(0, len(body), 4)
            value = source.choice([np.nan, np.inf, 1e38, -1e-40])
            body = body[:place] + np.float32(value).tobytes() + body[place + 4 :]
        text = json.dumps(header).encode()
        if source.random() < 0.1:
            text = mutated(text, source)
        if self.path.is_dir():
            self.path.rmdir()
        self.path.unlink(missing_ok=True)
        self.path.write_bytes(len(text).to_bytes(8, "little") + text + body)
        if source.random() < 0.02:
            replaced(self.path, self.outside, source)
        weights, out = ["--weights", str(self.path)], self.place / "out"
        shapes = ["--config.data.sources=shapes10", *FEW_DATA]
        match source.choice(["evaluate", "predict", "export", "misclassified"]):
            case "predict":
                return ["predict", *weights, str(self.image), "--json"]
            case "export":
                kind = source.choice(["safetensors", "torch"])
                return ["export", *weights, f"--{kind}", f"{out}.safetensors"]
            case "misclassified":
                return ["misclassified", *weights, *shapes, "--out", f"{out}.png"]
        return ["evaluate", *weights, *shapes]


class TfdsDirectories:
    """A tfds directory, as the verbs on data read it."""

    def __init__(self, place):
        self.place, self.outside = place, place / "outside"
        self.outside.write_text("not of the run")
        (place / "whole").mkdir()
        cifar_files.tfds_in(place / "whole")
        (place / "evil.py").write_text(
            f"import pathlib\npathlib.Path({str(self.outside)!r}).write_text('run')\nX = dict\n"
        )

    def __call__(self, source):
        data = self.place / "data"
        shutil.rmtree(data, ignore_errors=True)
        shutil.copytree(self.place / "whole" / "cifar10", data / "cifar10")
        shutil.rmtree(os.environ["XDG_CACHE_HOME"], ignore_errors=True)
        files = [path for path in data.rglob("*") if path.is_file()]
        file = source.choice(files)
        if source.random() < 0.1:
            replaced(file, self.outside, source)
        elif file.suffix == ".json":
            text = damaged_text(file.read_bytes(), source)
            if source.random() < 0.5:
                text = text.replace(b"tensorflow_datasets.core.features", b"evil")
            file.write_bytes(text)
        else:
            file.write_bytes(mutated(file.read_bytes(), source))
        given = ["--config.data.sources=cifar10", f"--config.data.dir={data}"]
        given += ["--config.data.download=false"]
        if source.random() < 0.8:
            return ["stats", *given]
        return ["samples", *given, "--out", str(self.place / "out.png")]


def cheap_networks(monkeypatch):
    """What takes long, and is no reading of files, is stood in for: steps, evaluation, drawing."""
    from jaxconv.cli import terminal
    from jaxconv.cli.build import training as build
    from jaxconv.models import summary

    def evaluate(self, dataset, layout=None, *, flips=False):
        return lambda state: {"test_loss": 1.0, "test_accuracy": 50.0}

    def predict(self, state, images, *, flips=False):
        classes = np.shape(jax.tree.leaves(state.params["head"])[0])[-1]
        return np.full((len(images), classes), 1 / classes, np.float32)

    def build_training(config, dataset, network):
        course = Course(None, None, STEPS, 1, 20)
        state = jax.device_put(fresh(whole_config()).state)
        return build.Training(OneDevice(), state, course)

    def build_fit(config, training):
        def fit(progress, **_):
            raise Interrupted

        return fit

    def save_picture(figure, out):
        if random.random() < 0.1:
            picture(figure, out)

    picture = terminal.save_picture
    monkeypatch.setattr(Network, "evaluate", evaluate)
    monkeypatch.setattr(Network, "predict", predict)
    monkeypatch.setattr(build, "build_training", build_training)
    monkeypatch.setattr(build, "build_fit", build_fit)
    monkeypatch.setattr(summary, "summarize", lambda *_: [])
    monkeypatch.setattr(summary, "format_summary", lambda *_: "")
    for verbs in ("data", "runs"):
        monkeypatch.setattr(f"jaxconv.cli.verbs.{verbs}.save_picture", save_picture)
