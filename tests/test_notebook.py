"""notebooks/s9.ipynb runs from top to bottom, offline, and is stored as it ran."""

from pathlib import Path

import nbformat
from nbclient import NotebookClient

ROOT = Path(__file__).resolve().parents[1]
PATH = ROOT / "notebooks" / "s9.ipynb"
SMALL = 'SOURCES, EPOCHS, TRAIN_IMAGES, TEST_IMAGES = ("shapes10",), 1, 48, 40'


def code_cells(notebook):
    return [cell for cell in notebook.cells if cell.cell_type == "code"]


def outputs(notebook):
    return [output for cell in code_cells(notebook) for output in cell.outputs]


def pictures(notebook):
    return [output for output in outputs(notebook) if "image/png" in output.get("data", {})]


def test_it_runs_from_top_to_bottom(monkeypatch):
    """As it is stored, but for a cell behind the settings that makes them small."""
    monkeypatch.setenv("PYTHONPATH", str(ROOT))
    monkeypatch.setenv("JAX_PLATFORMS", "cpu")
    notebook = nbformat.read(PATH, as_version=4)
    (place,) = (
        number
        for number, cell in enumerate(notebook.cells)
        if "parameters" in cell.metadata.get("tags", ())
    )
    notebook.cells.insert(place + 1, nbformat.v4.new_code_cell(SMALL))
    stored = len(pictures(notebook))
    for cell in code_cells(notebook):
        cell.outputs = []
    resources = {"metadata": {"path": str(PATH.parent)}}
    NotebookClient(notebook, timeout=600, resources=resources).execute()
    told = "".join(output.text for output in outputs(notebook) if output.output_type == "stream")
    assert "shapes10: shapes10 is the only source asked for" in told
    assert "Total params: 193,376" in told
    assert "test images" in told
    assert len(pictures(notebook)) >= stored - 1  # none, where nothing at all is right


def test_its_stored_outputs_are_those_of_one_whole_run():
    notebook = nbformat.read(PATH, as_version=4)
    nbformat.validate(notebook)
    counts = [cell.execution_count for cell in code_cells(notebook)]
    assert counts == list(range(1, len(counts) + 1))
    assert not [output for output in outputs(notebook) if output.output_type == "error"]
    assert not [output for output in outputs(notebook) if output.get("name") == "stderr"]
    shown = pictures(notebook)
    assert len(shown) > 10
    assert all(len(picture.metadata["image/png"]["alt"]) > 20 for picture in shown)
    assert PATH.stat().st_size < 1_000_000
