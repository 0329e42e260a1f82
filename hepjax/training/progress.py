"""A progress bar on a terminal, of the first process; silence elsewhere."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from hepjax import devices


@contextlib.contextmanager
def progress_bar(name: str, epochs: int) -> Iterator[Callable[[float, str], None]]:
    """Give a function `(epochs done, text) -> None` that moves the bar on standard error."""
    console = Console(stderr=True)
    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeRemainingColumn(),
        TextColumn("{task.fields[text]}"),
    )
    shown = console.is_terminal and devices.is_first()
    with Progress(*columns, console=console, disable=not shown) as progress:
        task = progress.add_task(name, total=epochs, text="")
        yield lambda done, text: progress.update(task, completed=done, text=text)
