"""Real runs of train.py, killed at drawn moments and gone on with: what is lost, and what is not.

pytest -m slow tests/test_kills.py
"""

import random
import signal
import time
from collections import defaultdict
from typing import NamedTuple

import pytest
from train_process import EPOCHS, STEPS, Train, final_digest, metrics

# Signals in the order of sending, and the exit codes that are documented for them.
FAULTS = {
    "SIGTERM": ([signal.SIGTERM], {143}),
    "SIGHUP": ([signal.SIGHUP], {129}),
    "SIGINT": ([signal.SIGINT], {130}),
    # The second one may find a process that is ending, where no handler is left.
    "SIGINT twice": ([signal.SIGINT, signal.SIGINT], {130, -signal.SIGINT}),
    "SIGKILL": ([signal.SIGKILL], {-signal.SIGKILL}),
}
LONGEST = {  # seconds after a phase has begun within which the signal is drawn
    "start-up": 1.5,
    "compilation": 8.0,
    "training": 0.05,
    "evaluation": 0.03,
    "save": 0.05,
    "report": 1.5,
}
# Python's own codes, in the first tenth of a second
NO_HANDLER_YET = {-signal.SIGTERM, -signal.SIGHUP, -signal.SIGINT, 1}


class Mark(NamedTuple):
    time: float
    phase: str
    step: int


class Kill(NamedTuple):
    fault: str
    phase: str  # that the signal found
    reached: int  # steps done when the process had ended
    saved: int  # the least step that going on may start from


def read_marks(file):
    """The whole lines of a file of marks; a last one may be torn."""
    text = file.read_text() if file.exists() else ""
    parts = [line.split() for line in text.split("\n")[:-1]]
    return [Mark(float(at), phase, int(step)) for at, phase, step in parts]


class Killer:
    """Starts runs in one workdir, and kills them by a plan drawn from `source`."""

    def __init__(self, place, cache, source, flags):
        self.place, self.cache, self.source, self.flags = place, cache, source, flags
        self.starts = 0
        self.last = None  # the kill whose loss the next start tells
        self.lost = defaultdict(list)  # (fault, phase) -> the steps that each kill lost

    def run(self, workdir, fault, phase):
        """One process, struck in `phase` unless it ends before: (whether struck, whether done)."""
        self.starts += 1
        marks = self.place / f"marks-{self.starts}"
        # An empty cache makes compilation long enough to be hit.
        cache = self.place / f"cache-{self.starts}" if phase == "compilation" else self.cache
        every = self.source.choice([1, 3, None])  # that many steps to a checkpoint
        flags = [*self.flags, f"--config.checkpoint.every_steps={every}"]
        process = Train(workdir, cache, *flags, program=("tests/phases.py", str(marks)))
        try:
            sent = fault and self.strike(process, marks, fault, phase)
            code = process.end()
        finally:
            process.kill()
        self.count_loss(process)
        if sent:
            self.judge(process, code, fault, sent, read_marks(marks))
        assert sent or code == 0, (code, process.errors)
        if code == 0 and self.last:  # the signal came when all was done
            self.lost[self.last.fault, self.last.phase].append(0)
            self.last = None
        return bool(sent), code == 0

    def strike(self, process, marks, fault, phase):
        """When the first signal was sent: at a drawn moment of a drawn visit to the phase."""
        visits = self.source.randint(1, {"training": 15, "save": 4, "evaluation": 2}.get(phase, 1))
        delay = self.source.uniform(0, LONGEST[phase])
        while sum(mark.phase == phase for mark in read_marks(marks)) < visits:
            if process.has_ended():
                return None
            time.sleep(0.002)
        if process.wait(delay):
            return None
        sent = time.monotonic()
        for number in FAULTS[fault][0]:
            process.send(number)
            process.wait(self.source.uniform(0, 0.1))
        return sent

    def judge(self, process, code, fault, sent, marks):
        """Holds the end of a process against what is documented, and notes what to lose of it."""
        phase = [mark.phase for mark in marks if mark.time <= sent][-1]
        started = self.started_at(process)
        reached = max([started or 0, *(mark.step for mark in marks)])
        allowed = set(FAULTS[fault][1])
        if reached == EPOCHS * STEPS:
            allowed.add(0)
        if started is None:
            allowed |= NO_HANDLER_YET
        assert code in allowed, (fault, phase, code, process.lines, process.errors)
        if code in FAULTS[fault][1] and code > 0:
            # Python says so where a callback of the garbage collector swallows an exception.
            assert "Traceback" not in process.errors or "Exception ignored in" in process.errors
        if started is None:
            self.lost[fault, phase].append(0)  # there was nothing to lose: what was saved, stays
            return
        # The last save may not have ended; the one before it had, else it would not have begun.
        saves = [started, *(mark.step for mark in marks if mark.phase == "save")]
        saved = reached if fault in ("SIGTERM", "SIGHUP", "SIGINT") else saves[-2:][0]
        self.last = Kill(fault, phase, reached, saved)

    @staticmethod
    def started_at(process):
        """The step at which a process said that it starts or goes on; None if it never did."""
        for line in process.lines:
            if line.startswith(("starts at step ", "resumes at step ")):
                return int(line.split(" step ")[1].split()[0])
        return None

    def count_loss(self, process):
        assert not any("damaged-" in line for line in process.lines), process.lines
        started = self.started_at(process)
        if self.last is None or started is None:
            return
        assert self.last.saved <= started <= self.last.reached, (self.last, process.lines)
        self.lost[self.last.fault, self.last.phase].append(self.last.reached - started)
        self.last = None

    def table(self):
        """What was done, and what it cost."""
        rows = ["fault         phase        injected  steps lost, each"]
        for (fault, phase), lost in sorted(self.lost.items()):
            rows.append(f"{fault:<13} {phase:<12} {len(lost):>8}  {', '.join(map(str, lost))}")
        total = sum(map(len, self.lost.values()))
        return "\n".join([*rows, f"{'all':<26} {total:>8}  in {self.starts} processes"])


@pytest.fixture(autouse=True)
def _sigint_is_heard():
    """A job in a shell's background ignores SIGINT, and so would the processes that it starts."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


@pytest.mark.slow
@pytest.mark.parametrize("engine", ["device", "albumentations"])
def test_killed_runs_end_as_the_unbroken_one(tmp_path, engine, record_property):
    """Bit for bit: parameters, statistics, optimizer and metrics, whatever hit them and when."""
    source, flags = random.Random(engine), (f"--config.augment.engine={engine}",)
    cache, unbroken = tmp_path / "cache", tmp_path / "unbroken"
    first = Train(unbroken, cache, *flags)
    assert first.end() == 0, first.errors
    plan = [(fault, phase) for fault in FAULTS for phase in LONGEST]
    plan += [(fault, phase) for fault in ("SIGTERM", "SIGKILL") for phase in ("training", "save")]
    source.shuffle(plan)
    killer, runs = Killer(tmp_path, cache, source, flags), 0
    while plan:
        workdir, done, runs = tmp_path / f"run-{runs}", False, runs + 1
        while not done:
            struck, done = killer.run(workdir, *(plan[-1] if plan else (None, None)))
            plan = plan[:-1] if struck else plan
        assert final_digest(workdir) == final_digest(unbroken)
        assert metrics(workdir) == metrics(unbroken)
    record_property(f"killed with the {engine} engine, in {runs} runs", killer.table())
