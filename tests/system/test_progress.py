"""A bar in a notebook: what is saved of it is text."""

from __future__ import annotations

from nbclient import NotebookClient
from nbformat.v4 import new_code_cell, new_notebook

from workbench.widgets.live import VIEW

CELL = """
from workbench.system.progress import tqdm
for _ in tqdm(range(3), "kept", delay=1e-6, mininterval=0): pass
for _ in tqdm(range(3), "gone", delay=1e-6, mininterval=0, leave=False): pass
try:
    with tqdm(total=3, desc="cut", delay=1e-6, mininterval=0) as bar:
        bar.update(2)
        raise KeyError
except KeyError:
    pass
"""


def test_a_saved_bar_is_a_line_of_text() -> None:
    notebook = new_notebook(cells=[new_code_cell(CELL)])
    NotebookClient(notebook).execute()
    kept, gone, cut = [output.data for output in notebook.cells[0].outputs]
    assert all(VIEW not in data for data in (kept, gone, cut))
    assert kept["text/plain"].startswith("kept: 100%")
    assert gone["text/plain"] == ""
    assert "2/3" in cut["text/plain"]
