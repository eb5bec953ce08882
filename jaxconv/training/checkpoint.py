"""Checkpoints by Orbax: the two latest and the best, each enough to go on exactly."""

from pathlib import Path
from typing import Any

import jax


class CheckpointError(Exception):
    """A checkpoint can't be used; the message says which and what to do."""


class Checkpoints:
    """The checkpoints of one run, in an absolute directory.

    A checkpoint is any pytree of arrays; the loop saves its state and the sums of the epoch under
    way. Writing goes on in the background; `close` waits for it. What is being written when the
    process is killed is not counted as a checkpoint, and the one before stays.
    """

    def __init__(self, directory: Path):
        from orbax import checkpoint as ocp
        from orbax.checkpoint import checkpoint_managers

        def test_accuracy(metrics):
            return metrics["test_accuracy"]

        keep = checkpoint_managers.AnyPreservationPolicy(
            [
                checkpoint_managers.LatestN(2),
                checkpoint_managers.BestN(get_metric_fn=test_accuracy, n=1),
            ]
        )
        options = ocp.CheckpointManagerOptions(
            preservation_policy=keep, best_fn=test_accuracy, cleanup_tmp_directories=True
        )
        self.directory = directory
        self._manager = ocp.CheckpointManager(directory, options=options)

    @property
    def latest_step(self) -> int | None:
        """The last step saved, or None."""
        return self._manager.latest_step()

    @property
    def best_step(self) -> int | None:
        """The step with the highest test accuracy, or None before the first evaluation."""
        return self._manager.best_step()

    def save(self, step: int, tree: Any, *, test_accuracy: float | None = None) -> None:
        """Saves `tree` under `step`, unless it is there; `test_accuracy` makes it a candidate for best."""
        from orbax import checkpoint as ocp

        if step == self.latest_step:
            return
        metrics = None if test_accuracy is None else {"test_accuracy": test_accuracy}
        self._manager.save(step, args=ocp.args.StandardSave(tree), metrics=metrics)

    def restore(self, step: int, like: Any) -> Any:
        """The tree saved under `step`, with the structure, shapes and dtypes of `like`.

        Raises:
            CheckpointError: it can't be read, or was written for another structure or other shapes.
        """
        from orbax import checkpoint as ocp

        abstract = jax.tree.map(ocp.utils.to_shape_dtype_struct, like)
        try:
            return self._manager.restore(step, args=ocp.args.StandardRestore(abstract))
        except Exception as error:  # Orbax raises many kinds
            reason = " ".join(str(error).split())[:200]
            raise CheckpointError(
                f"the checkpoint {self.directory / str(step)} can't be restored ({reason}); "
                "delete that folder to go on from the one before, or choose another --workdir"
            ) from error

    def close(self) -> None:
        """Waits until everything is written."""
        self._manager.wait_until_finished()
        self._manager.close()
