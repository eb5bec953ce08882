"""What may come from anywhere, and how a fuzzer damages it.

A target is made for a folder; called with a random source it damages an input, and reads it as the
product would.
"""

import gzip
import json
import struct
import zipfile
import zlib
from pathlib import Path

import cifar_files
import numpy as np

from jaxconv.augment.pipeline import parse_pipeline
from jaxconv.cli.config.command_line import parse_command_line
from jaxconv.cli.config.error import ConfigError
from jaxconv.cli.config.json_form import from_json_dict, to_json_dict
from jaxconv.cli.verbs.train import train_parser
from jaxconv.data import archive
from jaxconv.data.archive import read_archive
from jaxconv.data.cache import FILES, MANIFEST, load_cache, save_cache
from jaxconv.data.dataset import Split
from jaxconv.data.python_batch import parse_python_batch
from jaxconv.data.teacher import Teacher, load_teacher, save_teacher
from jaxconv.interop.files import load_state_dict, save_state_dict
from jaxconv.interop.torch import s9_variables
from jaxconv.runs import run_dir

NUMBERS = (0, 1, 0x7F, 0x80, 0xFF, 0x7FFF, 0xFFFF, 0x7FFF_FFFF, 0x8000_0000, 0xFFFF_FFFF, 1 << 62)


def mutated(content, source):
    """`content` with one to four drawn damages."""
    data = bytearray(content)
    for _ in range(source.choice([1, 1, 2, 4])):
        at = source.randrange(len(data) + 1)
        length = source.choice([1, 2, 4, 16, 300])
        match source.randrange(7):
            case 0 if data:
                data[at % len(data)] ^= 1 << source.randrange(8)
            case 1:
                data[at : at + 1] = source.randbytes(1)
            case 2:
                del data[at : at + length]
            case 3:
                data[at:at] = source.randbytes(length)
            case 4:
                other = source.randrange(len(data) + 1)
                data[at : at + length] = data[other : other + length]
            case 5:
                layout = source.choice(["<I", ">I", "<Q", ">Q", "<H", "B"])
                number = source.choice(NUMBERS) % (1 << 8 * struct.calcsize(layout))
                data[at : at + struct.calcsize(layout)] = struct.pack(layout, number)
            case 6:
                del data[at:]
    return bytes(data)


def nested(source):
    """Brackets within brackets, which exhaust the stack of a careless reader."""
    return source.choice(["[", "(", "{", '{"a":', "-", "not "]) * source.choice([50, 2000, 100_000])


class PackedArchive:
    """A .tar.gz of either form: damaged as it is, or inside and packed anew."""

    def __init__(self, place):
        self.forms = []
        members = (cifar_files.binary_members(), cifar_files.python_members())
        for layout, files in zip(archive.LAYOUTS, members, strict=True):
            packed = cifar_files.write_archive(place / layout.archive, files).read_bytes()
            self.forms.append((place / layout.archive, packed, gzip.decompress(packed)))

    def __call__(self, source):
        path, packed, tar = source.choice(self.forms)
        if source.random() < 0.2:
            path.write_bytes(mutated(packed, source))
        else:
            headers = [at for at in range(0, len(tar), 512) if tar[at : at + 5] == b"cifar"]
            at = source.choice(headers)
            damaged = tar[:at] + self.header(tar[at : at + 512], source) + tar[at + 512 :]
            path.write_bytes(gzip.compress(damaged, 1))
        train, test = read_archive(path)
        assert train.images.shape == (5 * cifar_files.BATCH, 32, 32, 3)
        assert test.labels.shape == (cifar_files.BATCH,)

    @staticmethod
    def header(block, source):
        """A tar header with damage, and the checksum that goes with it."""
        block = bytearray(mutated(block, source)[:512].ljust(512, b"\0"))
        if source.random() < 0.3:
            block[156:157] = source.choice([*b"0123456789xgLKS"]).to_bytes()
        if source.random() < 0.3:
            block[124:136] = source.choice([b"77777777777\0", b"\x80" + b"\xff" * 11, b"-1" * 6])
        block[148:156] = b" " * 8
        block[148:156] = b"%06o\0 " % sum(block)
        return bytes(block)


class Pickle:
    """A batch of the Python archive."""

    def __init__(self, place):
        batch = {b"labels": [*range(10)], b"data": np.zeros((10, 3072), np.uint8)}
        self.whole = cifar_files.python_2_pickle(batch)
        self.pixels = self.whole.index(bytes(3072))

    def __call__(self, source):
        whole, at = self.whole, self.pixels
        if source.random() < 0.5:  # not in the pixels, where nothing can go wrong
            whole = mutated(whole[:at], source) + whole[at:]
        else:
            whole = whole[: at + 30720] + mutated(whole[at + 30720 :], source)
        if source.random() < 0.02:
            whole = source.choice([b"\x85", b"]", b"(", b"}"]) * 100_000 + whole
        pixels, labels = parse_python_batch(whole)
        assert (pixels.dtype, labels.dtype) == (np.uint8, np.int32)


class Cache:
    """The decoded cache, its checksums made anew for half of the inputs."""

    def __init__(self, place):
        self.place = place
        split = Split(np.zeros((3, 32, 32, 3), np.uint8), np.arange(3, dtype=np.int32))
        save_cache(place, split, split, origin="a test")
        self.files = {name: (place / name).read_bytes() for name in (*FILES, MANIFEST)}

    def __call__(self, source):
        files = dict(self.files)
        name = source.choice(list(files))
        # A .npy file may err in its first 128 bytes; the rest are numbers.
        head = len(files[name]) if name == MANIFEST else source.choice([128, len(files[name])])
        files[name] = mutated(files[name][:head], source) + files[name][head:]
        if name == MANIFEST:
            files[name] = nested(source).encode() if source.random() < 0.02 else files[name]
        elif source.random() < 0.7:
            manifest = json.loads(files[MANIFEST])
            size, crc32 = len(files[name]), zlib.crc32(files[name])
            manifest["files"][name] = {"bytes": size, "crc32": crc32}
            files[MANIFEST] = json.dumps(manifest).encode()
        for each in {name, MANIFEST}:
            (self.place / each).write_bytes(files[each])
        try:
            if (cached := load_cache(self.place)) is not None:
                for split in cached[:2]:
                    assert split.images.sum() >= 0
                    assert len(split.labels) == len(split.images)
        finally:
            (self.place / name).write_bytes(self.files[name])


class Safetensors:
    """A file of weights."""

    def __init__(self, place):
        self.path = place / "weights.safetensors"
        arrays = {"a": np.ones((2, 3), np.float32), "b": np.zeros(4, np.int64)}
        save_state_dict(self.path, arrays)
        self.whole = self.path.read_bytes()

    def __call__(self, source):
        content = self.whole
        if source.random() < 0.3:  # another header, whole
            header = json.loads(content[8 : 8 + struct.unpack("<Q", content[:8])[0]])
            entry = header[source.choice(["a", "b"])]
            kinds = ["F64", "F16", "BF16", "F8_E4M3", "F4", "BOOL", "C64", "U16", "X", 3, None]
            entry["dtype"] = source.choice(kinds)
            entry["shape"] = source.choice(
                [[6], [], [2**62, 4], [-1], [0], [1.5], "x", entry["shape"]]
            )
            text = json.dumps(header).encode()
            content = struct.pack("<Q", len(text)) + text + content[-56:]
        self.path.write_bytes(mutated(content, source) if source.random() < 0.8 else content)
        for array in load_state_dict(self.path).values():
            assert isinstance(array, np.ndarray)


class TorchZip:
    """A .pt file of PyTorch's: damaged as it is, or its pickle in a whole zip."""

    def __init__(self, place):
        stored = Path(__file__).parent / "torch_results" / "weights.pt"
        self.path, self.whole = place / "weights.pt", stored.read_bytes()
        with zipfile.ZipFile(stored) as archive:
            self.entries = {name: archive.read(name) for name in archive.namelist()}

    def __call__(self, source):
        if source.random() < 0.3:
            self.path.write_bytes(mutated(self.whole, source))
        else:
            name = source.choice(["weights/data.pkl"] * 9 + [*self.entries])
            damaged = self.entries | {name: mutated(self.entries[name], source)}
            with zipfile.ZipFile(self.path, "w") as archive:
                for name, content in damaged.items():
                    archive.writestr(name, content)
        for array in load_state_dict(self.path).values():
            assert isinstance(array, np.ndarray)
            assert array.nbytes <= len(self.whole)


class TeacherFile:
    """A file of a teacher's logits."""

    def __init__(self, place):
        self.path = place / "teacher.safetensors"
        logits = np.ones((2, 3, 4), np.float16)
        save_teacher(self.path, Teacher(logits, 1, {"data.name": "cifar10"}))
        self.whole = self.path.read_bytes()

    def __call__(self, source):
        self.path.write_bytes(mutated(self.whole, source))
        teacher = load_teacher(self.path)
        assert teacher.logits.dtype == np.float16
        assert teacher.logits.ndim == 3
        assert teacher.first(1).logits.shape[1] == 1


class StateDict:
    """The names and shapes of an S9's weights, one of them changed."""

    def __init__(self, place):
        from torch_results.drawn import s9_state_dict

        self.whole = s9_state_dict()

    def __call__(self, source):
        arrays = dict(self.whole)
        name = source.choice(list(arrays))
        value = arrays.pop(name)
        match source.randrange(5):
            case 0:
                arrays[mutated(name.encode(), source).decode(errors="replace")] = value
            case 1:
                arrays[name] = np.zeros([source.randrange(4) for _ in range(source.randrange(6))])
            case 2:
                arrays[name] = value[:1] if value.ndim else value[None, None]
            case 3:
                arrays[name] = source.choice([None, "text", 3, [1, [2]], {}, b"x", np.array(None)])
            case 4:
                arrays[name] = np.moveaxis(value, 0, -1) if value.ndim else value[None]
        s9_variables(arrays)


def whole_config(*flags):
    argv = ["--config", "configs/s9.py", *flags]
    return parse_command_line(train_parser("train", "doc"), argv)[0]


class CommandLine:
    """Flags of train.py: names and values damaged, and values of other fields."""

    def __init__(self, place):
        config = whole_config()
        self.fields = {
            name: str(group[name])
            for group in (config, config.data, config.augment)
            for name in group
        }
        self.names = ["--config", "--workdir", *(f"--config.{name}" for name in self.fields)]
        self.names += [f"--config.data.{name}" for name in config.data]
        self.names += [f"--config.augment.{name}" for name in config.augment]

    def __call__(self, source):
        argv = []
        for _ in range(source.randint(1, 3)):
            name, value = source.choice(self.names), source.choice([*self.fields.values()])
            if source.random() < 0.4:
                name = mutated(name.encode(), source).decode(errors="replace")
            if source.random() < 0.6:
                value = mutated(value.encode(), source).decode(errors="replace")
            if source.random() < 0.02:
                value = nested(source) + value
            argv += [f"{name}={value}"] if source.random() < 0.8 else [name, value]
        config = whole_config(*argv)
        try:
            parse_pipeline(config.augment.transforms, engine=config.augment.engine)
        except ValueError as error:
            raise ConfigError(str(error)) from error


class ConfigJson:
    """The config.json of a run, as going on and the verbs read it."""

    def __init__(self, place):
        self.fields, self.run = to_json_dict(whole_config()), run_dir.create(place)

    def __call__(self, source):
        fields = json.loads(json.dumps(self.fields))
        group = source.choice([fields, fields, fields["data"], fields["augment"]])
        name = source.choice(list(group))
        values = [None, True, -1, 0, 1.5, 1e308, "", "x", [], {}, [[[]]], {"a": {}}, 10**30]
        group[name] = source.choice(values)
        if source.random() < 0.3:
            group[mutated(name.encode(), source).decode(errors="replace")] = source.choice(values)
        text = json.dumps(source.choice([fields] * 50 + values)).encode()
        text = mutated(text, source) if source.random() < 0.3 else text
        text = nested(source).encode() if source.random() < 0.02 else text
        self.run.config_json.write_bytes(text)
        if source.random() < 0.5:
            run_dir.claim(self.run, self.fields)
        else:
            from_json_dict(run_dir.read_json(self.run.config_json))


class Metrics:
    """The metrics.jsonl of a run, which going on reads and cuts."""

    def __init__(self, place):
        self.run = run_dir.create(place)
        rows = [{"epoch": epoch, "loss": 1 / epoch} for epoch in range(1, 6)]
        self.whole = "".join(json.dumps(row) + "\n" for row in rows).encode()

    def __call__(self, source):
        text = mutated(self.whole, source)
        text += source.choice([b"", b"[]\n", b'{"epoch": null}\n', nested(source).encode() + b"\n"])
        self.run.metrics_jsonl.write_bytes(text)
        run_dir.truncate_metrics(self.run, after_epoch=4)
