"""The house rules that imports can break, read from the sources with ast, late imports too.

Arrows point one way:

    cli, train.py -> report, animation, explorer -> runs -> training, augment, data
        -> models, interop, weights -> linen, nnx -> ops -> ops.xla

Config objects stop at the door; heavy libraries load where they are used, and what is no dependency
of the core is imported where it is used.
"""

import ast
import graphlib
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import pytest

ROOT = Path(__file__).resolve().parents[1]

# Each part of the house, and the parts of the house that it may import.
FOUNDATION = {"jaxconv.errors", "jaxconv.files", "jaxconv.text"}  # for all but the convolutions
NETWORK = {*FOUNDATION, "jaxconv.ops", "jaxconv.linen", "jaxconv.models"}
RUNS = {*FOUNDATION, "jaxconv.training", "jaxconv.data"}
MAY_IMPORT = {
    "jaxconv": {*NETWORK, "jaxconv.memory", "jaxconv.weights"},
    "jaxconv.palette": set(),
    "jaxconv.text": set(),
    "jaxconv.errors": {"jaxconv.text"},
    "jaxconv.files": set(),
    "jaxconv.memory": set(),
    "jaxconv.ops": set(),
    "jaxconv.linen": {"jaxconv.ops"},
    "jaxconv.nnx": {"jaxconv.ops", "jaxconv.linen", "jaxconv.models"},
    "jaxconv.models": NETWORK - {"jaxconv.models"},
    "jaxconv.interop": NETWORK,
    "jaxconv.weights": {*NETWORK, "jaxconv.interop"},
    "jaxconv.data": FOUNDATION,
    "jaxconv.augment": FOUNDATION,
    "jaxconv.training": FOUNDATION,
    "jaxconv.runs": RUNS,
    "jaxconv.report": {*FOUNDATION, "jaxconv.palette", "jaxconv.runs"},
    "jaxconv.animation": {*FOUNDATION, "jaxconv.palette", "jaxconv.ops"},
    "jaxconv.explorer": FOUNDATION,
    "jaxconv.cli": None,  # all that is below it
    "jaxconv.__main__": {"jaxconv.cli"},
    "train": {"jaxconv.cli"},
    "configs": set(),
}
ABOVE = {"train", "configs", "jaxconv.cli", "jaxconv.__main__"}  # nobody below may import these
DOOR = {"jaxconv.cli", "configs"}  # these know config objects

# Finer arrows inside a part: each of these imports only those before it, of the whole project.
CHAINS = (
    (
        "ops.geometry",
        "ops.window",
        "ops.xla.types",
        "ops.xla.stored",
        "ops.xla.rewrites",
        "ops.xla.sums",
        "ops.xla.pointwise",
        "ops.xla.depthwise",
        "ops.xla.dense",
        "ops.xla.kernel_gradients",
        "ops.xla.lowering",
        "ops.xla.partition",
        "ops.xla.mapped_axes",
        "ops.xla.primitives",
    ),
    ("training.objective", "training.mixing", "training.step"),
)
WITHOUT_JAX = (*FOUNDATION, "jaxconv.data", "jaxconv.ops.geometry", "jaxconv.cli.config")
JAX = {"jax", "jaxlib", "flax", "optax", "chex", "orbax"}
NEVER = {"tensorflow", "torch", "torchvision", "keras", "clu"}
LATE = {  # heavy, and so imported inside functions, except in the modules that are about them
    "albumentations": (),
    "cv2": (),
    "ml_collections": (),
    "matplotlib": (
        "jaxconv.report.style",
        "jaxconv.report.figures",
        "jaxconv.report.comparison",
    ),
    "orbax": ("jaxconv.training.checkpoint",),
    "shtab": (),
    "tensorboardX": (),
    "tensorflow_datasets": ("jaxconv.data.tfds_builder",),
}


class Import(NamedTuple):
    module: str  # the one that imports
    line: int
    name: str  # what it imports
    at_top: bool  # runs when the module is imported


def modules_in(root: Path) -> dict[str, Path]:
    files = [*root.glob("jaxconv/**/*.py"), *root.glob("configs/*.py"), *root.glob("train.py")]
    names = {file: ".".join(file.relative_to(root).with_suffix("").parts) for file in files}
    return {name.removesuffix(".__init__"): file for file, name in names.items()}


def imports_of(module: str, file: Path, modules: dict[str, Path]) -> Iterator[Import]:
    """Every import of a file; `from package import module` counts as importing the module."""

    def visit(node: ast.AST, at_top: bool) -> Iterator[Import]:
        if isinstance(node, ast.Import):
            for alias in node.names:
                yield Import(module, node.lineno, alias.name, at_top)
        elif isinstance(node, ast.ImportFrom):
            package = module if file.name == "__init__.py" else module.rpartition(".")[0]
            above = package.split(".")[: len(package.split(".")) - node.level + 1]
            base = ".".join([*above, *filter(None, [node.module])]) if node.level else node.module
            for alias in node.names:
                inner = f"{base}.{alias.name}"
                yield Import(module, node.lineno, inner if inner in modules else base, at_top)
        inside = isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda)
        for_types = isinstance(node, ast.If) and ast.unparse(node.test) == "TYPE_CHECKING"
        for child in ast.iter_child_nodes(node):
            yield from visit(child, at_top and not inside and not for_types)

    yield from visit(ast.parse(file.read_text(encoding="utf-8")), at_top=True)


def within(name: str, parts) -> bool:
    return any(name == part or name.startswith(f"{part}.") for part in parts)


def part_of(module: str) -> str:
    """The part of the house a module belongs to: jaxconv.ops.standard is in jaxconv.ops."""
    return (
        ".".join(module.split(".")[:2]) if module.startswith("jaxconv.") else module.split(".")[0]
    )


def objection(found: Import, modules: dict[str, Path]) -> str | None:
    """Why an import breaks the rules of the house; None if it does not."""
    module, name, library = found.module, found.name, found.name.split(".")[0]
    if name in modules:
        own, other = part_of(module), part_of(name)
        from_above = module in {"train", "jaxconv.__main__"} or own == other
        if within(name, ABOVE) and not from_above:
            return "nobody imports train.py, cli or configs"
        for chain in CHAINS:
            links = [f"jaxconv.{link}" for link in chain]
            if module in links and name not in links[: links.index(module)]:
                return f"may import only {links[: links.index(module)]} of the project"
        if own not in MAY_IMPORT:
            return f"{own} is a room that the table of arrows does not know"
        allowed = MAY_IMPORT[own]
        if allowed is not None and other not in {own, *allowed}:
            return f"{own} may import only {sorted(allowed)} of the project"
        return None
    if library in NEVER:
        return "is no dependency at run time"
    if library == "ml_collections" and not within(module, DOOR):
        return "config objects stop at the door"
    if library in JAX and within(module, WITHOUT_JAX):
        return "must work without JAX"
    if found.at_top and library in LATE and not within(module, (*LATE[library], "configs")):
        return "is heavy: import it inside the function that needs it"
    return None


def all_imports(root: Path) -> list[Import]:
    modules = modules_in(root)
    return [found for name, file in modules.items() for found in imports_of(name, file, modules)]


def wrong_arrows(root: Path) -> list[str]:
    modules = modules_in(root)
    return [
        f"{found.module}, line {found.line}: {found.name}: {why}"
        for found in all_imports(root)
        if (why := objection(found, modules))
    ]


def require_no_cycle(root: Path) -> None:
    """Of modules, nor of the folders below the package; imports inside functions count too."""
    modules = modules_in(root)
    graph = {name: set() for name in modules}
    folders = {folder_of(name): set() for name in modules}
    for found in all_imports(root):
        if found.name in modules:
            graph[found.module].add(found.name)
            folders[folder_of(found.module)].add(folder_of(found.name))
    tuple(graphlib.TopologicalSorter(graph).static_order())
    rooms = {room: others - {room} for room, others in folders.items()}
    tuple(graphlib.TopologicalSorter(rooms).static_order())


def folder_of(module: str) -> str:
    """A room is a folder; a file beside the rooms is one of its own."""
    return part_of(module)


def test_no_import_breaks_the_house():
    assert len(all_imports(ROOT)) > 100
    assert wrong_arrows(ROOT) == []


def test_imports_form_no_cycle():
    require_no_cycle(ROOT)


@pytest.mark.parametrize(
    ("file", "source", "why"),
    [
        ("jaxconv/ops/standard.py", "from jaxconv.models import s9", "may import only []"),
        ("jaxconv/ops/standard.py", "from ..models.s9 import S9Net", "may import only []"),
        ("jaxconv/ops/geometry.py", "from jaxconv.ops.xla import lowering", "may import only []"),
        ("jaxconv/ops/geometry.py", "import jax.numpy as jnp", "must work without JAX"),
        ("jaxconv/data/dataset.py", "def f():\n    from jax import jit", "must work without JAX"),
        ("jaxconv/data/dataset.py", "import jaxconv.training.step", "may import only ["),
        ("jaxconv/training/step.py", "from jaxconv.training import loop", "may import only"),
        ("jaxconv/training/loop.py", "from jaxconv import cli", "nobody imports train.py"),
        ("jaxconv/training/loop.py", "import ml_collections", "stop at the door"),
        ("jaxconv/models/s9.py", "import train", "nobody imports train.py"),
        ("jaxconv/training/loop.py", "def f():\n    from jaxconv.cli import main", "nobody imp"),
        ("jaxconv/runs/job.py", "def f():\n    import jaxconv.report", "may import only ["),
        ("jaxconv/attic/old.py", "import jaxconv.models.s9", "a room that the table of arrows"),
        ("jaxconv/cli/program.py", "from configs import s9", "nobody imports train.py"),
        ("jaxconv/cli/program.py", "import ml_collections", "is heavy"),
        ("jaxconv/cli/config/file.py", "def f():\n    import jax", "must work without JAX"),
        ("jaxconv/interop/torch.py", "def f():\n    import torch.nn", "no dependency at run time"),
        ("jaxconv/data/cifar10.py", "import tensorflow as tf", "no dependency at run time"),
        ("jaxconv/data/cifar10.py", "import tensorflow_datasets as tfds", "is heavy"),
        ("jaxconv/data/cifar10.py", "if True:\n    import tensorflow_datasets", "is heavy"),
        ("train.py", "from matplotlib import pyplot", "is heavy"),
    ],
)
def test_a_planted_import_is_found(tmp_path, file, source, why):
    house = ("ops/xla/lowering", "models/s9", "training/loop", "training/step", "report", "cli")
    for name in (*(f"jaxconv/{name}.py" for name in house), "train.py", "configs/s9.py", file):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text("")
    assert wrong_arrows(tmp_path) == []
    (tmp_path / file).write_text(source)
    (found,) = wrong_arrows(tmp_path)
    assert why in found
    assert f"line {source.count(chr(10)) + 1}" in found


def test_what_the_house_allows_is_not_found(tmp_path):
    allowed = {
        "jaxconv/ops/xla/lowering.py": "import jax\nfrom jaxconv.ops.geometry import pair",
        "jaxconv/ops/geometry.py": "import math",
        "jaxconv/augment/host.py": "def f():\n    import albumentations",
        "jaxconv/cli/verbs.py": "from jaxconv.cli import build",
        "jaxconv/cli/build.py": "def f():\n    import ml_collections",
        "jaxconv/cli/types.py": "if TYPE_CHECKING:\n    import ml_collections",
        "jaxconv/__main__.py": "from jaxconv.cli import main",
        "jaxconv/cli/__init__.py": "",
        "configs/s9_quick.py": "from configs import s9\nimport ml_collections",
        "configs/s9.py": "",
    }
    for name, source in allowed.items():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(source)
    assert wrong_arrows(tmp_path) == []
    require_no_cycle(tmp_path)
    (tmp_path / "jaxconv/ops/geometry.py").write_text("import jaxconv.ops.xla.lowering")
    with pytest.raises(graphlib.CycleError):
        require_no_cycle(tmp_path)


@pytest.mark.parametrize(
    "imports",
    [
        {
            "data/a.py": "def f():\n    from jaxconv.data import b",
            "data/b.py": "import jaxconv.data.a",
        },
        {"runs/a.py": "import jaxconv.data.a", "data/b.py": "import jaxconv.runs.b"},
    ],
    ids=["of two modules, one late", "of two rooms"],
)
def test_a_planted_circle_is_found(tmp_path, imports):
    names = {f"{room}/{file}.py": "" for room in ("data", "runs") for file in ("a", "b")}
    for name, source in (names | imports).items():
        path = tmp_path / "jaxconv" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(source)
    with pytest.raises(graphlib.CycleError):
        require_no_cycle(tmp_path)


IMPORT_AND_TELL = """
import importlib, sys
work = []
def watch(event, args):
    if event in ("socket.connect", "socket.getaddrinfo", "subprocess.Popen", "os.mkdir"):
        work.append((event, str(args)))
    if event == "open" and isinstance(args[1], str) and set(args[1]) & set("wax+"):
        work.append((event, str(args)))
import jax, flax.linen, optax, numpy  # their own start-up is not ours
sys.addaudithook(watch)
for name in sys.argv[1:]:
    importlib.import_module(name)
sys.stdout.write("\\n".join([f"work: {item}" for item in work]))
sys.stdout.write("".join(f"\\nloaded: {name}" for name in sys.modules if "." not in name))
sys.stdout.write(f"\\narrays: {len(jax.live_arrays())}")
"""


def run_python(*arguments: str) -> list[str]:
    command = [sys.executable, "-B", *arguments]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr
    return done.stdout.splitlines()


def test_importing_every_module_does_no_work_and_loads_nothing_heavy():
    heavy_ones = {module for owners in LATE.values() for module in owners}
    others = {*heavy_ones, "jaxconv.__main__"}
    light = [n for n in modules_in(ROOT) if n not in others and not n.startswith("configs.")]
    users = {
        found.module for found in all_imports(ROOT) if found.name in heavy_ones and found.at_top
    }
    lines = run_python("-c", IMPORT_AND_TELL, *(name for name in light if name not in users))
    assert [line for line in lines if line.startswith("work: ")] == []
    loaded = {line.removeprefix("loaded: ") for line in lines}
    assert {"jaxconv", "train", "configs"} <= loaded
    assert loaded & (NEVER | set(LATE)) == set()
    assert "arrays: 0" in lines


def test_the_watch_sees_work_and_weight(tmp_path, monkeypatch):
    (tmp_path / "planted.py").write_text(
        "import matplotlib\nimport jax.numpy as jnp\n"
        "open(__file__ + '.txt', 'w').close()\nx = jnp.ones(2)"
    )
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    lines = run_python("-c", IMPORT_AND_TELL, "planted")
    assert any(line.startswith("work: ('open'") and "planted.py.txt" in line for line in lines)
    assert "loaded: matplotlib" in lines
    assert "arrays: 1" in lines


def test_config_and_data_run_without_jax():
    """Data, sizes and configs are of use to programs that have no JAX at all."""
    names = sorted(
        name for name in modules_in(ROOT) if within(name, ("jaxconv.data", "jaxconv.cli.config"))
    )
    block = "import sys; sys.modules['jax'] = sys.modules['flax'] = None\n"
    package = "import types; sys.modules['jaxconv'] = m = types.ModuleType('jaxconv')\n"
    package += "m.__path__ = ['jaxconv']\n"
    for room in ("ops", "cli", "augment"):  # without what their __init__.py imports
        package += f"sys.modules['jaxconv.{room}'] = m = types.ModuleType('m')\n"
        package += f"m.__path__ = ['jaxconv/{room}']\n"
    modules = [*names, *FOUNDATION, "jaxconv.ops.geometry"]
    run_python("-c", block + package + "\n".join(f"import {name}" for name in modules))
