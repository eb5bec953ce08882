"""Real processes of train.py on little data, to be watched and killed."""

import json
import os
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
EPOCHS, STEPS = 4, 10
CONFIG = ["--config", "configs/s9_quick.py"]
FEW_TRANSFORMS = (  # each costs time to compile, and to draw for the report
    ("HorizontalFlip", {"p": 0.5}),
    ("Normalize", {"mean": (0.5, 0.5, 0.5), "std": (0.25, 0.25, 0.25)}),
)
SMALL = [
    *CONFIG,
    "--config.data.sources=shapes10",
    "--config.data.train_limit=160",
    "--config.data.test_limit=32",
    "--config.batch_size=16",
    f"--config.epochs={EPOCHS}",
    f"--config.augment.transforms={FEW_TRANSFORMS}",
]


class Train:
    """One process of train.py in `workdir`; compiled programs are shared through `cache`."""

    def __init__(self, workdir, cache, *flags, program=("train.py",), env=None):
        self.lines = []
        self.errors = ""
        self._is_heard = True
        self._process = subprocess.Popen(
            [sys.executable, *program, *SMALL, "--workdir", str(workdir), *flags],
            cwd=ROOT,
            env=os.environ
            | {
                "JAX_PLATFORMS": "cpu",
                "JAX_COMPILATION_CACHE_DIR": str(cache),
                "JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS": "0",
                "PYTHONPATH": str(ROOT),
            }
            | (env or {}),
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )

    def until(self, text):
        """Waits for a line with `text`."""
        for line in self._process.stdout:
            self.lines.append(line.rstrip("\n"))
            if text in line:
                return self
        raise AssertionError(f"no line with {text!r}: {self.lines}, {self._process.stderr.read()}")

    def has_ended(self):
        return self._process.poll() is not None

    def send(self, number):
        self._process.send_signal(number)
        return self

    def hang_up(self):
        """Reads no more of what it prints."""
        self._process.stdout.close()
        self._is_heard = False

    def wait(self, seconds):
        """Whether the process ends within that time."""
        try:
            self._process.wait(seconds)
        except subprocess.TimeoutExpired:
            return False
        return True

    def end(self):
        """Its exit code; the rest of what it said is in `lines` and `errors`."""
        with self._process:
            if self._is_heard:
                self.lines += self._process.stdout.read().splitlines()
            self.errors = self._process.stderr.read()
        return self._process.returncode

    def kill(self):
        """Leaves nothing behind, whatever a test found."""
        if self._process.poll() is None:
            self._process.kill()
            self.end()


def metrics(workdir):
    """The rows of metrics.jsonl without what a clock measured."""
    rows = [json.loads(line) for line in (workdir / "metrics.jsonl").read_text().splitlines()]
    clock = ("seconds", "images_per_second")
    return [{name: row[name] for name in row if name not in clock} for row in rows]


def final_digest(workdir):
    """The SHA-256 of all arrays in the last checkpoint: parameters, statistics, optimizer."""
    last = workdir / "checkpoints" / str(EPOCHS * STEPS)
    return json.loads((last / "_CHECKPOINT_METADATA").read_text())["custom_metadata"]["sha256"]
