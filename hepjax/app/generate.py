"""What `hepjax generate` does: files in, files out."""

from __future__ import annotations

from hepjax.app import runs
from hepjax.app.options import Generate
from hepjax.training.progress import progress_bar


def zjets(options: Generate) -> None:
    """`hepjax generate zjets`: an HDF5 file of pairs of jets."""
    from hepjax.data import zjets  # its packages are an extra

    runs.require_new_file(options.out, options.overwrite)
    with progress_bar(f"zjets, {options.shower}", options.events) as show:
        simulation = zjets.generate(options.events, options.shower, options.seed, lambda done: show(done, ""))
    zjets.write(options.out, simulation, options.shower, options.seed)
