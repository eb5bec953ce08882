"""The devices that JAX computes on, or one line that says why there are none."""

import jax

from jaxconv.config import ConfigError


def require_devices() -> list[jax.Device]:
    """The devices of the backend that JAX chose or `JAX_PLATFORMS` asks for; at least one.

    Raises:
        ConfigError: the backend asked for is not there.
    """
    try:
        return jax.devices()
    except (AssertionError, RuntimeError) as error:  # it asserts where a plugin is not installed
        reason = " ".join(str(error).split()) or "its plugin is not installed"
        raise ConfigError(
            f"JAX_PLATFORMS={jax.config.jax_platforms}: no such device here ({reason}); "
            "unset it, or install jaxconv[cuda12] on a machine with an NVIDIA GPU"
        ) from error
