"""TensorBoard event files: what is written is read back, and TensorFlow stays away."""

import subprocess
import sys
import time
from pathlib import Path

import pytest
from tensorboardX import proto, record_writer

from jaxconv.runs.events import TAGS, event_writer

ROOT = Path(__file__).resolve().parents[1]


def row(epoch):
    return {name: epoch + number / 8 for number, name in enumerate(TAGS)} | {"step": 10 * epoch}


def read_events(directory):
    """The events of each file: length and checksum of the length, event, checksum of it."""
    events = []
    for path in sorted(directory.iterdir()):
        data, place = path.read_bytes(), 0
        while place + 12 < len(data):
            header, length = (
                data[place : place + 8],
                int.from_bytes(data[place : place + 8], "little"),
            )
            body = data[place + 12 : place + 12 + length]
            for part, at in ((header, place + 8), (body, place + 12 + length)):
                checksum = record_writer.masked_crc32c(part)
                assert int.from_bytes(data[at : at + 4], "little") == checksum
            events.append(proto.event_pb2.Event.FromString(body))
            place += 16 + length
    return events


def scalars(events):
    return [
        (event.step, value.tag, value.simple_value)
        for event in events
        for value in event.summary.value
    ]


def test_each_row_is_on_disk_soon_under_its_tags(tmp_path):
    expected = [(10, tag, row(1)[name]) for name, tag in TAGS.items()]
    with event_writer(tmp_path / "tensorboard", after_step=0) as write:
        write(row(1))
        patience = time.monotonic() + 60
        while time.monotonic() < patience and scalars(read_events(tmp_path / "tensorboard")) == []:
            time.sleep(0.1)
        assert scalars(read_events(tmp_path / "tensorboard"))[0] == expected[0]
        write(row(2))
    expected += [(20, tag, row(2)[name]) for name, tag in TAGS.items()]
    assert scalars(read_events(tmp_path / "tensorboard")) == expected


def test_going_on_forgets_what_came_after_the_checkpoint(tmp_path):
    with event_writer(tmp_path, after_step=20) as write:
        write(row(3))
    starts = [e.step for e in read_events(tmp_path) if e.HasField("session_log")]
    assert starts == [21]


def test_no_tensorflow_and_no_torch_is_imported(tmp_path):
    code = (
        "import sys; from pathlib import Path; from jaxconv.runs.events import event_writer\n"
        f"with event_writer(Path({str(tmp_path)!r}), after_step=0): pass\n"
        "assert not {'tensorflow', 'torch', 'tensorboard'} & set(sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, timeout=120)
    assert done.returncode == 0, done.stderr


def test_without_the_extra_the_flag_says_what_to_install(monkeypatch, capsys):
    from jaxconv import cli
    from jaxconv.cli.verbs import train

    monkeypatch.setattr(train, "find_spec", lambda name: None)
    assert cli.main(["train", "--config", str(ROOT / "configs" / "s9.py"), "--tensorboard"]) == 2
    assert "pip install 'jaxconv[tensorboard]'" in capsys.readouterr().err


@pytest.mark.parametrize("name", ["seconds", "epoch"])
def test_what_is_no_curve_is_left_out(name):
    assert name not in TAGS
