"""Checkpoints by Orbax: the two latest and the best, each enough to go on exactly.

A checkpoint carries a digest of what was saved: one that was truncated or has a flipped bit is not
believed. Reading falls back to the one before, and the damaged one is set aside, not deleted.
"""

import contextlib
import hashlib
import json
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import jax
import numpy as np

from jaxconv.files import require_inside
from jaxconv.text import one_line, printable
from jaxconv.training.checkpoint_files import (
    CheckpointDamaged,
    CheckpointError,
    places,
    strange_checkpoints,
)
from jaxconv.training.orbax_noise import hushed

MOST_ATTEMPTS = 20


def _print(line: str) -> None:
    print(line, flush=True)


class Checkpoints:
    """The checkpoints of one run, in an absolute directory.

    A checkpoint is any pytree of arrays. It is copied when `save` returns and written in the
    background; `close` waits for that. What is being written when the process is killed is not
    counted as a checkpoint, and the one before stays. With `read_only` nothing in the directory
    is touched, so that a run may be looked at while it trains. `say` is told of what was set aside.

    Raises:
        CheckpointDamaged: of opening, as `restore_latest`.
        OSError: the directory can't be made, or is a link that leads out of the run.
    """

    def __init__(
        self, directory: Path, *, read_only: bool = False, say: Callable[[str], None] = _print
    ):
        self.directory = directory
        self.read_only = read_only
        self._is_writing = False
        self._say = say
        if not read_only:
            require_inside(directory, directory.parent)
            directory.mkdir(parents=True, exist_ok=True)
        self._manager: Any = None
        self._set_aside(strange_checkpoints(directory))
        with hushed():
            self._manager = _make_manager(directory, read_only)
        self._set_aside_unlisted()

    @property
    def latest_step(self) -> int | None:
        """The last step saved, or None."""
        return self._manager.latest_step()

    @property
    def best_step(self) -> int | None:
        """The step with the highest test accuracy, or None before the first evaluation."""
        return self._manager.best_step()

    def save(self, step: int, tree: Any, *, test_accuracy: float | None = None) -> None:
        """Saves `tree` under `step`, unless it is there; `test_accuracy` lets it be the best.

        Raises:
            CheckpointError: it, or the one before, can't be written.
        """
        from orbax import checkpoint as ocp

        if step == self.latest_step:
            return
        copy = jax.tree.map(np.array, tree)  # the next step overwrites the buffers of `tree`
        metrics = None if test_accuracy is None else {"test_accuracy": test_accuracy}
        with self._writing():
            self._is_writing = True
            self._manager.save(
                step,
                args=ocp.args.StandardSave(copy),
                metrics=metrics,
                custom_metadata={"sha256": _digest(_leaves(copy), metrics)},
            )

    def wait(self) -> None:
        """Waits until the checkpoint saved last is written; costs nothing where it is.

        Raises:
            CheckpointError: it can't be written.
        """
        if self._is_writing:
            with self._writing():
                self._manager.wait_until_finished()
            self._is_writing = False

    def restore(self, step: int, like: Any) -> Any:
        """The tree saved under `step`: NumPy arrays in the structure of `like`.

        Raises:
            CheckpointDamaged: it can't be read, or is not what was saved.
            CheckpointError: it was written for another structure, other shapes or dtypes.
        """
        with hushed():
            leaves = self._read(step)
        expected, place = _leaves(like), self.directory / str(step)
        for path in sorted({*leaves, *expected}):
            found, wanted = _describe(leaves.get(path)), _describe(expected.get(path))
            if found != wanted:
                raise CheckpointError(
                    f"{place} is of another network or optimizer: {path} is {found} there and "
                    f"{wanted} in this program; give a new --workdir, or the program that wrote it"
                )
        return jax.tree.unflatten(jax.tree.structure(like), [leaves[path] for path in expected])

    def _read(self, step: int) -> dict[str, np.ndarray]:
        """The arrays saved under `step` by path; raises `CheckpointDamaged` as `restore`."""
        from orbax import checkpoint as ocp

        place = self.directory / str(step)
        try:
            digest = (self._manager.metadata(step).custom_metadata or {}).get("sha256")
            leaves = _leaves(self._manager.restore(step, args=ocp.args.StandardRestore()))
            metrics = self._manager.metrics(step)
        except Exception as error:  # of many kinds: Orbax's, TensorStore's, those of json
            raise CheckpointDamaged(f"{place} can't be read ({one_line(error)})") from error
        if digest != _digest(leaves, metrics):
            raise CheckpointDamaged(f"{place} does not hold what was saved there")
        return leaves

    def restore_chosen(self, like: Any, *, best: bool = False) -> tuple[int, Any]:
        """(step, tree) of the latest or the best checkpoint, for who only looks at a run.

        A run that trains meanwhile may remove it in this moment: then it is another one.

        Raises:
            CheckpointError: there is none; or as `restore`.
        """
        for _ in range(MOST_ATTEMPTS):
            step = self.best_step if best else self.latest_step
            if step is None:
                raise CheckpointError(
                    f"{self.directory} holds no whole checkpoint; train there first"
                )
            try:
                return step, self.restore(step, like)
            except CheckpointDamaged:
                if (self.directory / str(step)).exists():
                    raise
                self._manager.reload()
        raise CheckpointDamaged(f"{self.directory} changes too fast to be read; try again")

    def restore_latest(self, like: Any) -> Any | None:
        """The newest checkpoint that holds what was saved, as `restore` gives it; None without any.

        Newer ones that are damaged are set aside, and a line says so.

        Raises:
            CheckpointDamaged: all checkpoints are damaged.
            CheckpointError: as `restore`.
        """
        damaged, tree = {}, None
        with hushed():
            for step in sorted(self._manager.all_steps(), reverse=True):
                try:
                    tree = self.restore(step, like)
                    break
                except CheckpointDamaged as error:
                    damaged[step] = str(error)
        self._set_aside(damaged)
        return tree

    def close(self) -> None:
        """Waits until everything is written.

        Raises:
            CheckpointError: the last one can't be written.
        """
        with self._writing():
            self._manager.wait_until_finished()
            self._manager.close()

    def _set_aside_unlisted(self) -> None:
        """Sets aside what Orbax can't even list: one such would keep it from starting."""
        damaged = {}
        for step in self._manager.all_steps():
            place = self.directory / str(step)
            try:
                with hushed():
                    self._manager.metadata(step)
            except Exception as error:  # of many kinds, as in restore
                if place.exists() or not self.read_only:  # else the run itself has removed it
                    damaged[step] = f"{place} can't be read ({one_line(error)})"
        self._set_aside(damaged)

    def _set_aside(self, damaged: dict[int, str]) -> None:
        """Renames the checkpoints of these steps, unless no other is left; says why."""
        if damaged and self.read_only:
            raise CheckpointDamaged(
                f"{damaged[max(damaged)]}; going on with training sets it aside"
            )
        if damaged and len(damaged) == len(places(self.directory)):
            reason = damaged[max(damaged)]
            raise CheckpointDamaged(
                f"{reason}; no other is left to go on from: give a new --workdir"
            )
        for step, reason in damaged.items():
            aside = self.directory / f"damaged-{step}"
            shutil.rmtree(aside, ignore_errors=True)
            aside.unlink(missing_ok=True)  # where it was a link or a file
            (self.directory / str(step)).rename(aside)
            line = f"{reason}; it is now {aside.name}, and the one before it is used"
            self._say(printable(line))
        if self._manager is not None:
            self._manager.reload()

    @contextlib.contextmanager
    def _writing(self) -> Iterator[None]:
        try:
            with hushed():
                yield
        except Exception as error:  # of many kinds, as in restore
            raise CheckpointError(
                f"can't save a checkpoint in {self.directory} ({one_line(error)}); those before "
                "it are kept: make room, or mend what is said, and run the same command again"
            ) from error


def _make_manager(directory: Path, read_only: bool) -> Any:
    """Orbax's manager of the checkpoints in a directory."""
    from orbax import checkpoint as ocp
    from orbax.checkpoint import checkpoint_managers

    def test_accuracy(metrics):
        return metrics["test_accuracy"]

    best = checkpoint_managers.BestN(
        get_metric_fn=test_accuracy, n=1, keep_checkpoints_without_metrics=False
    )
    options = ocp.CheckpointManagerOptions(
        preservation_policy=checkpoint_managers.AnyPreservationPolicy(
            [checkpoint_managers.LatestN(2), best]
        ),
        best_fn=test_accuracy,
        cleanup_tmp_directories=True,  # unless read_only
        create=False,
        read_only=read_only,
        # Else the threads of a save that can't make its directory wait for minutes at exit.
        async_options=ocp.AsyncOptions(create_directories_asynchronously=False),
        lightweight_initialize=True,  # what is damaged is found one by one
        # Of several processes one writes, and Orbax shall not wait for the others.
        multiprocessing_options=ocp.options.MultiprocessingOptions(active_processes={0}),
    )
    return ocp.CheckpointManager(directory, options=options)


def _leaves(tree: Any) -> dict[str, Any]:
    """The arrays of a pytree by path, such as "state/params/head/kernel"."""
    pairs = jax.tree_util.tree_leaves_with_path(tree)
    return {jax.tree_util.keystr(path, simple=True, separator="/"): leaf for path, leaf in pairs}


def _describe(leaf: Any | None) -> str:
    return "absent" if leaf is None else f"{leaf.dtype}{list(leaf.shape)}"


def _digest(leaves: dict[str, np.ndarray], metrics: dict[str, float] | None) -> str:
    digest = hashlib.sha256(json.dumps(metrics).encode())
    for path, leaf in sorted(leaves.items()):
        digest.update(f"{path} {_describe(leaf)}\n".encode())
        digest.update(np.ascontiguousarray(leaf).tobytes())
    return digest.hexdigest()
