"""train.py as it is, but for a file into which it writes what it is doing, and when.

    python phases.py MARKS [FLAGS of train.py]

A line of MARKS is a time of the machine's monotonic clock, a phase, and the steps begun so far.
"""

import os
import sys
import time

from jaxconv import cli
from jaxconv.cli import training_run
from jaxconv.cli.build import training as build


def main(marks, *argv):
    file = os.open(marks, os.O_WRONLY | os.O_CREAT | os.O_APPEND)

    def mark(phase, step):
        os.write(file, f"{time.monotonic()} {phase} {step}\n".encode())

    fit_here = training_run.fit_here

    def marked_fit(*given, **options):
        mark_training(mark)
        state = fit_here(*given, **options)
        mark("report", 0 if state is None else int(state.step))
        return state

    training_run.fit_here = marked_fit
    mark("start-up", 0)
    cli.run_and_exit(["train", *argv])


def mark_training(mark):
    """Wraps what `fit` is given: the steps, the evaluation and the checkpoints."""
    from jaxconv.training.checkpoint import Checkpoints

    build_training, save = build.build_training, Checkpoints.save

    def marked_build(*given, **options):
        training = build_training(*given, **options)
        course = training.course
        phases = iter(["compilation"])  # what the first call of a process is

        def run_epoch(state, tally, epoch, done):
            begun = epoch * course.steps_per_epoch + done
            for now in course.run_epoch(state, tally, epoch, done):
                yield now
                begun += 1
                mark("training", begun)

        def first_marked(state, *rest):
            mark(next(phases, "training"), int(state.step))
            return run_epoch(state, *rest)

        def evaluate(state):
            mark("evaluation", int(state.step))
            return course.evaluate(state)

        return training._replace(course=course._replace(run_epoch=first_marked, evaluate=evaluate))

    def marked_save(self, step, *args, **kwargs):
        mark("save", step)
        save(self, step, *args, **kwargs)

    build.build_training, Checkpoints.save = marked_build, marked_save


if __name__ == "__main__":
    main(*sys.argv[1:])
