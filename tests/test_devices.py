"""Compiled programs are kept for the next start, in real processes."""

import os
import subprocess
import sys
import tempfile
from pathlib import Path

import jax

from jaxconv.runs.devices import keep_compiled_programs

ROOT = Path(__file__).resolve().parents[1]
PROGRAM = """
import jax, jax.numpy as jnp
from jaxconv.runs.devices import require_devices
require_devices()
jax.config.update("jax_persistent_cache_min_compile_time_secs", 0)
print(jax.jit(lambda x: jnp.sin(x) @ x)(jnp.ones((8, 8))).sum())
"""


def start(home, **settings):
    """Runs `PROGRAM` with the folder of caches in `home`; what it printed."""
    env = {name: value for name, value in os.environ.items() if "COMPILATION_CACHE" not in name}
    env |= {"XDG_CACHE_HOME": str(home), "PYTHONPATH": str(ROOT)} | settings
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM], env=env, capture_output=True, text=True, check=True
    )
    assert done.stderr == ""
    return done.stdout


def kept(home):
    return {path.name for path in (home / "jaxconv" / "compiled").glob("*-cache")}


def test_a_second_start_finds_what_the_first_compiled(tmp_path):
    printed = start(tmp_path)
    first = kept(tmp_path)
    assert first
    assert start(tmp_path) == printed
    assert kept(tmp_path) == first


def test_a_folder_that_the_user_names_is_taken_instead(tmp_path):
    start(tmp_path / "home", JAX_COMPILATION_CACHE_DIR=str(tmp_path / "named"))
    assert list((tmp_path / "named").glob("*-cache"))
    assert not kept(tmp_path / "home")


def test_a_home_that_cannot_be_written_is_no_obstacle(tmp_path):
    (tmp_path / "jaxconv").write_text("a file, where the folder would be")
    assert start(tmp_path)


def test_a_home_whose_name_is_not_utf8_is_no_obstacle(tmp_path):
    assert start(Path(os.fsdecode(os.fsencode(tmp_path) + b"/\xff")))


def test_the_user_may_have_nothing_kept(tmp_path):
    start(tmp_path, JAX_ENABLE_COMPILATION_CACHE="0")
    assert not kept(tmp_path)


def test_a_folder_that_may_not_be_written_is_left_alone(tmp_path, monkeypatch):
    """JAX would warn of it for each program."""

    def forbidden(*_, **__):
        raise PermissionError(13, "Permission denied")

    before = jax.config.jax_compilation_cache_dir
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    monkeypatch.setattr(tempfile, "TemporaryFile", forbidden)
    jax.config.update("jax_compilation_cache_dir", None)
    try:
        keep_compiled_programs()
        assert jax.config.jax_compilation_cache_dir is None
    finally:
        jax.config.update("jax_compilation_cache_dir", before)
