"""200,000 steps in one process: memory, files and step time stay where they were.

    pytest -m slow tests/test_soak.py

A small network takes steps one by one; after every thousandth it is evaluated, saved and noted, by
the loop, the checkpoints and the metrics file that train.py uses.
"""

import os
import statistics
import threading
from pathlib import Path
from typing import NamedTuple

import jax
import pytest
from tiny import PIPELINE, SHAPE, Net, examples

from jaxconv.augment.device import make_device_augment, make_device_normalize
from jaxconv.augment.pipeline import parse_pipeline
from jaxconv.runs import run_dir
from jaxconv.training.checkpoint import Checkpoints
from jaxconv.training.epochs import make_device_epoch
from jaxconv.training.evaluation import make_evaluate
from jaxconv.training.loop import Course, fit, go_on
from jaxconv.training.optim import one_cycle_sgd
from jaxconv.training.step import init_train_state, make_eval_step, make_train_step

EPOCHS, STEPS, BATCH = 200, 1000, 8
PARTS = 10  # rows of the table


class Sample(NamedTuple):
    memory_mib: float  # resident
    files: int
    threads: int
    step_ms: float  # mean over an epoch


def sample(row):
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    memory = pages * os.sysconf("SC_PAGE_SIZE") / 2**20
    files = len(os.listdir("/proc/self/fd"))
    return Sample(memory, files, threading.active_count(), 1000 * row["seconds"] / STEPS)


def train(run, samples):
    """The whole run; a sample is taken after each epoch."""
    model, tx = Net(4), one_cycle_sgd(EPOCHS * STEPS, max_lr=0.01, weight_decay=1e-4)
    pipeline = parse_pipeline(PIPELINE, engine="device")
    step = make_train_step(model, tx, make_device_augment(pipeline))
    eval_step = make_eval_step(model, make_device_normalize(pipeline))
    train_data, test_data = examples(STEPS * BATCH, 0), examples(64, 1)

    def on_row(row):
        run_dir.append_metrics(run, row)
        samples.append(sample(row))

    checkpoints = Checkpoints(run.checkpoints)
    state = init_train_state(model, tx, jax.random.key(0), SHAPE)
    run_epoch = make_device_epoch(step, *train_data, batch_size=BATCH, steps_per_call=1, seed=0)
    evaluate = make_evaluate(eval_step, *test_data, batch_size=BATCH)
    state = fit(
        go_on(state, checkpoints),
        Course(run_epoch, evaluate, STEPS, 1, STEPS * BATCH),
        epochs=EPOCHS,
        checkpoints=checkpoints,
        on_row=on_row,
        should_stop=lambda: False,
    )
    checkpoints.close()
    return state


def medians(samples):
    """One sample for each part of the run: the median of each column."""
    size = len(samples) // PARTS
    parts = [samples[part * size : (part + 1) * size] for part in range(PARTS)]
    columns = [zip(*part, strict=True) for part in parts]
    return [Sample(*map(statistics.median, column)) for column in columns]


@pytest.mark.slow
@pytest.mark.skipif(not Path("/proc/self/statm").exists(), reason="needs Linux's /proc")
def test_200_000_steps_leave_no_trace(tmp_path, record_property):
    run, samples = run_dir.create(tmp_path), []
    state = train(run, samples)
    parts = medians(samples)
    lines = ["steps up to  memory, MiB  open files  threads  ms a step"]
    for number, part in enumerate(parts, start=1):
        steps = number * EPOCHS * STEPS // PARTS
        memory, files, threads, step_ms = part
        lines.append(
            f"{steps:>11,}  {memory:>11.1f}  {files:>10.0f}  {threads:>7.0f}  {step_ms:9.3f}"
        )
    table = "\n".join(lines)
    record_property("soak: medians of each tenth of the run", table)

    rows = run_dir.read_metrics(run)
    assert int(state.step) == EPOCHS * STEPS
    assert [row["step"] for row in rows] == [STEPS * n for n in range(1, EPOCHS + 1)]
    early, late = parts[1], parts[-1]  # the first tenth warms up
    assert late.memory_mib - early.memory_mib < 10, table
    assert late.files <= early.files + 2, table
    assert late.threads <= early.threads + 2, table
    assert late.step_ms < 1.5 * early.step_ms, table
