"""What is installed without extras is enough for the library, and each verb says what it lacks."""

import os
import subprocess
import sys
import tomllib
from pathlib import Path

from jaxconv.cli.outcomes import EXTRAS

ROOT = Path(__file__).resolve().parents[1]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]


def test_the_core_works_where_what_extras_bring_is_blocked(tmp_path):
    done = subprocess.run(
        [sys.executable, str(ROOT / "tests" / "core_only.py"), "--block"],
        cwd=tmp_path,
        env=os.environ | {"PYTHONPATH": str(ROOT), "JAX_PLATFORMS": "cpu"},
        capture_output=True,
        text=True,
        timeout=300,
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.endswith("the core works alone\n")


def test_the_core_has_few_direct_dependencies():
    assert len(PROJECT["dependencies"]) <= 6
    names = {text.partition(">")[0].partition("=")[0] for text in PROJECT["dependencies"]}
    assert names == {"jax", "flax", "jaxtyping", "numpy", "safetensors"}


def test_a_missing_package_is_one_that_its_extra_brings():
    packages = {"PIL": "pillow", "cv2": "albumentations", "orbax": "orbax-checkpoint"}
    for module, extra in EXTRAS.items():
        package = packages.get(module, module).replace("_", "-").lower()
        brought = [
            text.replace("_", "-").lower() for text in PROJECT["optional-dependencies"][extra]
        ]
        assert any(text.startswith(package) for text in brought), (module, extra)
