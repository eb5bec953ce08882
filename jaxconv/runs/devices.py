"""The devices that JAX computes on, or one line that says why there are none."""

import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import jax

from jaxconv.data.cache import default_cache_dir
from jaxconv.errors import JaxconvError

MOST_COMPILED_BYTES = 2**30  # of programs kept; those unused for longest go first


class DeviceError(JaxconvError):
    """The devices that were asked for are not there."""

    exit_code = 2


def require_devices() -> list[Any]:
    """The `jax.Device`s of the backend that JAX chose or `JAX_PLATFORMS` asks for; at least one.

    What is compiled for them from now on is kept for the next start; see `keep_compiled_programs`.

    Raises:
        DeviceError: the backend asked for is not there.
    """
    keep_compiled_programs()
    try:
        return jax.devices()
    except (AssertionError, RuntimeError) as error:  # it asserts where a plugin is not installed
        reason = " ".join(str(error).split()) or "its plugin is not installed"
        raise DeviceError(
            f"JAX_PLATFORMS={_setting('jax_platforms')}: no such device here ({reason}); "
            "unset it, or install jaxconv[cuda12] on a machine with an NVIDIA GPU"
        ) from error


def keep_compiled_programs() -> None:
    """Lets JAX keep compiled programs in `~/.cache/jaxconv/compiled`, where no folder is set yet.

    `JAX_COMPILATION_CACHE_DIR` names another folder, `JAX_ENABLE_COMPILATION_CACHE=0` keeps none.
    """
    folder = default_cache_dir("compiled")
    if _setting("jax_compilation_cache_dir") is not None or folder is None:
        return
    try:
        str(folder).encode()  # XLA takes no other name
        folder.mkdir(parents=True, exist_ok=True)
        tempfile.TemporaryFile(dir=folder).close()
    except (OSError, UnicodeEncodeError):  # such a home, or one that can't be written to:
        return  # each start compiles, and JAX need not say so
    jax.config.update("jax_compilation_cache_max_size", MOST_COMPILED_BYTES)
    jax.config.update("jax_persistent_cache_min_compile_time_secs", 0.1)
    jax.config.update("jax_compilation_cache_dir", str(folder))


def _setting(name: str) -> Any:
    return getattr(jax.config, name)  # whose type does not list them


def is_first_process() -> bool:
    """Whether this process is alone, or the first of those that train together."""
    require_devices()
    return jax.process_index() == 0


def describe_devices(say: Callable[[str], None]) -> dict[str, object]:
    """Says what JAX computes on, in the first line of a run; for its `environment.json`."""
    devices, processes = require_devices(), jax.process_count()
    kind, platform = devices[0].device_kind, devices[0].platform
    where = f" in {processes} processes" if processes > 1 else ""
    say(f"device: {len(devices)} x {kind} ({platform}){where}, JAX {jax.__version__}")
    if platform == "cpu" and Path("/dev/nvidiactl").exists():
        say("an NVIDIA GPU is here, but this JAX can't use it: install jaxconv[cuda12]")
    return {"backend": platform, "kind": kind, "count": len(devices), "processes": processes}
