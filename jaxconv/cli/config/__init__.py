"""A config: the file it comes from, the rules its fields keep, overrides, help, and JSON.

`--config NAME` names one that is installed, `--config FILE.py` a file; `--config.FIELD=VALUE`
overrides a field of it. Config objects stop at the door: only `jaxconv.cli` knows that they exist.
"""
