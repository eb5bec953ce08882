"""Every number of a run: `jaxconv train --config NAME`. Installed as `jaxconv.configs`."""
