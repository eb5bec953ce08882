"""Several processes that train as one: joining, agreeing, one that writes, and ending together.

Process 0 alone touches the run directory, so that no other needs to see its disk: checkpoints are
gathered to it and read by it, and are the same whatever the number of processes.
"""

import contextlib
import ctypes
import os
import re
import signal
import traceback
from collections.abc import Callable, Iterator, Mapping
from typing import Any

import jax
import numpy as np
from jax.experimental import multihost_utils

from jaxconv.runs.roll_call import call_roll
from jaxconv.runs.roll_words import Facts, JobError
from jaxconv.runs.signals import end_at_once
from jaxconv.text import one_line
from jaxconv.training.checkpoint import Checkpoints
from jaxconv.training.parallel import OneDevice
from jaxconv.training.wish import Wish

LOST = 3  # exit code of a process that has lost another
LOST_ANOTHER = (
    "another process of this job is gone or out of reach; what the last checkpoint holds is kept: "
    "start them all again to go on, in any number"
)
HEARTBEAT_SECONDS = 100  # a host that falls silent without closing its connections is given up
JOIN_SECONDS = 60  # for JAX's own start, once all have said that they are there
SLURM_PORTS = 65536 - 4096  # the first of those from which a job's number picks one
SHUTDOWN_SECONDS = 1800  # how long the others wait for process 0 to write the report


def join(
    coordinator: str | None,
    processes: int | None,
    process: int | None,
    *,
    facts: Mapping[str, Any] | None = None,
    load: Callable[[], Mapping[str, Any]] = dict,
    start_seconds: int = 300,
) -> None:
    """Makes this process one of a job; to be called before JAX has looked at any device.

    Args:
        coordinator: HOST:PORT, where process 0 listens; with all three None, SLURM's variables say
            them, and a process of SLURM's takes one GPU.
        processes: how many they are.
        process: which of them this is, from 0.
        facts: what must not differ between them, flat; plain values.
        load: gives more of that, once they agree so far; as `call_roll`.
        start_seconds: how long to wait for the others.

    Raises:
        Disagreement, Absent, JobError: as `call_roll`; or SLURM's variables are not there.
    """
    local_devices = None
    if coordinator is None:
        coordinator, processes, process, local_devices = _slurm()
    elif processes is None or process is None:
        raise JobError("a coordinator needs the number of processes and which of them this is")
    own = Facts(process, processes, facts or {})
    call_roll(coordinator, own, load=load, start_seconds=start_seconds)
    jax.config.update("jax_cpu_collectives_implementation", "gloo")
    jax.config.update("jax_enable_preemption_service", False)  # it would take SIGTERM for itself
    _explain_aborts()
    try:
        jax.distributed.initialize(
            coordinator,
            processes,
            process,
            local_device_ids=local_devices,
            cluster_detection_method="deactivate",
            initialization_timeout=JOIN_SECONDS,
            heartbeat_timeout_seconds=HEARTBEAT_SECONDS,
            shutdown_timeout_seconds=SHUTDOWN_SECONDS,
        )
    except (RuntimeError, ValueError) as error:
        raise JobError(
            f"can't join the other processes ({one_line(error, longest=120)}); start all of them "
            "again, with the same --coordinator, or by srun with --slurm"
        ) from error


def _slurm() -> tuple[str, int, int, list[int]]:
    """Coordinator, processes, process and this process's devices, as `srun` tells them.

    `JAX_COORDINATOR_ADDRESS` names another coordinator.
    """
    try:
        processes, process, device, job = (
            int(os.environ[f"SLURM_{name}"]) for name in ("NTASKS", "PROCID", "LOCALID", "JOB_ID")
        )
        nodes = os.environ["SLURM_STEP_NODELIST"]
        first = re.match(r"([^\[,]+)(?:\[([^],-]+))?", nodes)  # of node[001-004],other
        if first is None:
            raise ValueError(f"SLURM_STEP_NODELIST={nodes!r}")
        host = first[1] + (first[2] or "")
    except (KeyError, TypeError, ValueError) as error:
        raise JobError(
            f"--slurm: SLURM's variables do not tell where the others are ({one_line(error)}); "
            "start all processes by srun"
        ) from error
    usual = f"{host}:{SLURM_PORTS + job % 4096}"
    coordinator = os.environ.get("JAX_COORDINATOR_ADDRESS") or usual
    return coordinator, processes, process, [device]


def in_job() -> bool:
    """Whether this process has joined others."""
    return jax.distributed.is_initialized()


def is_loss(error: Exception) -> bool:
    """Whether an error of JAX tells that another process is gone."""
    signs = ("Gloo", "NCCL", "oordination service", "heartbeat", "Socket closed")
    return in_job() and any(sign in str(error) for sign in signs)


def leave(code: int) -> None:
    """Ends a process of a job without waiting for the others, who wait for it; else does nothing.

    By itself Python would end only after JAX has met the others once more.
    """
    if in_job():
        end_at_once(code)


@contextlib.contextmanager
def leaving(code: int) -> Iterator[None]:
    """In a job, tells the exception that ends the block and leaves; else lets it pass."""
    try:
        yield
    except Exception:
        if in_job():
            traceback.print_exc()
        leave(code)
        raise


class Agreement:
    """`agree(wish)`: the highest `Wish` of all processes, in each of them at the same call.

    What it returns was wished at the call before: no process waits for a device.
    """

    def __init__(self, layout: OneDevice):
        self._layout = layout
        self._highest = jax.jit(lambda wishes: wishes.max())
        self._before: jax.Array | None = None

    def __call__(self, wish: Wish) -> Wish:
        wishes = np.full(jax.local_device_count(), wish, np.int32)
        before, self._before = self._before, self._highest(self._layout.batch(wishes))
        agreed = Wish.NOTHING if before is None else Wish(int(before))
        if agreed != Wish.NOTHING:
            self._before = None  # a wish that lasts is granted once, then asked for again
        return agreed


class SharedCheckpoints:
    """The checkpoints of a job: those of process 0, who gives `own`; the others give None."""

    def __init__(self, own: Checkpoints | None, layout: OneDevice):
        self._own = own
        self._layout = layout
        self.latest_step: int | None = None

    def save(self, step: int, tree: Any, *, test_accuracy: float | None = None) -> None:
        """As `Checkpoints.save`, of arrays that may be split over the processes."""
        whole = self._layout.fetch(tree)
        if self._own is not None:
            self._own.save(step, whole, test_accuracy=test_accuracy)
        self.latest_step = step

    def wait(self) -> None:
        """As `Checkpoints.wait`."""
        if self._own is not None:
            self._own.wait()

    def restore_latest(self, like: Any) -> Any | None:
        """As `Checkpoints.restore_latest`, sent from process 0 to the others byte by byte."""
        saved = None if self._own is None else self._own.restore_latest(like)
        step = None if self._own is None else self._own.latest_step
        found = multihost_utils.broadcast_one_to_all(np.int32(-1 if step is None else step))
        if found < 0:
            return None
        self.latest_step = int(found)
        like = jax.tree.map(np.asarray, like)
        sent = jax.tree.map(_to_bytes, like if saved is None else saved)
        return jax.tree.map(_from_bytes, multihost_utils.broadcast_one_to_all(sent), like)

    def close(self) -> None:
        """As `Checkpoints.close`."""
        if self._own is not None:
            self._own.close()


def _to_bytes(array: np.ndarray) -> np.ndarray:
    return np.frombuffer(np.asarray(array).tobytes(), np.uint8)


def _from_bytes(sent: np.ndarray, like: np.ndarray) -> np.ndarray:
    return np.frombuffer(np.asarray(sent).tobytes(), like.dtype).reshape(like.shape)


def _explain_aborts() -> None:
    """Makes of the abort by which JAX may end this process a line and the exit code `LOST`.

    JAX's coordination client calls abort(3) from a thread of its own when process 0 is gone; no
    handler of Python's would run then, since those wait for the main thread.
    """
    libc = ctypes.CDLL(None)
    libc.signal.argtypes = (ctypes.c_int, ctypes.c_void_p)
    libc.signal(signal.SIGABRT, ctypes.cast(_on_abort, ctypes.c_void_p))


@ctypes.CFUNCTYPE(None, ctypes.c_int)
def _on_abort(_: int) -> None:
    os.write(2, f"error: {LOST_ANOTHER}\n".encode())
    os._exit(LOST)
