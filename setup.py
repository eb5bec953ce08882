"""What pyproject.toml cannot say: the folder `configs/` is installed as `jaxconv.configs`."""

from setuptools import find_packages, setup

setup(
    packages=[*find_packages(include=["jaxconv", "jaxconv.*"]), "jaxconv.configs"],
    package_dir={"jaxconv.configs": "configs"},
)
