"""The error of somebody who typed something."""

from jaxconv.errors import JaxconvError


class ConfigError(JaxconvError):
    """A mistake on the command line or in a config."""

    exit_code = 2
