"""A report's page: one HTML file with its figures inside, readable without JavaScript and without a network."""

from __future__ import annotations

import base64
import html
import io
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from PIL import Image

STYLE = """
:root { color-scheme: light; }
body { font: 16px/1.5 system-ui, sans-serif; color: #222; max-width: 68rem; margin: 2rem auto; padding: 0 1rem; }
h1 { font-size: 1.7rem; margin-bottom: 0; } h2 { font-size: 1.25rem; margin-top: 2.5rem; }
p.lead { color: #555; margin-top: .3rem; }
table { border-collapse: collapse; font-variant-numeric: tabular-nums; font-size: .92rem; }
th, td { padding: .25rem .8rem; text-align: right; border-bottom: 1px solid #e4e4e4; }
th { border-bottom: 2px solid #999; } th:first-child, td:first-child { text-align: left; }
td.beyond { color: #a4243b; font-weight: 600; } td.within { color: #1b6e45; }
figure { margin: 1.2rem 0; } img { max-width: 100%; height: auto; } figcaption { color: #555; font-size: .92rem; }
"""


def page(
    title: str,
    lead: str,
    sections: Sequence[str],
    figures: Mapping[str, Figure | bytes],
    provenance: Mapping[str, str],
) -> str:
    """The whole page. figures: caption -> figure, or the bytes of a PNG. provenance: versions, files, date."""
    parts = [
        f"<h1>{html.escape(title)}</h1>",
        f'<p class="lead">{html.escape(lead)}</p>',
        *sections,
        "<h2>Figures</h2>",
        *(_figure(caption, figure) for caption, figure in figures.items()),
        "<h2>Provenance</h2>",
        table(("", ""), [(cell(k), cell(v)) for k, v in provenance.items()]),
    ]
    head = f'<meta charset="utf-8"><title>{html.escape(title)}</title><style>{STYLE}</style>'
    body = "\n".join(parts)
    return f'<!doctype html>\n<html lang="en"><head>{head}</head>\n<body>\n{body}\n</body></html>\n'


def section(title: str, text: str, content: str) -> str:
    """A heading, a line of HTML that says what is below, and that."""
    return f"<h2>{html.escape(title)}</h2>\n<p>{text}</p>\n{content}"


def notes(lines: Sequence[str]) -> str:
    """What to know before the numbers, a line each; nothing where there is none."""
    return f"<ul>{''.join(f'<li>{html.escape(line)}</li>' for line in lines)}</ul>" if lines else ""


def table(heads: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """An HTML table of ready cells."""
    head = "".join(f"<th>{html.escape(h)}</th>" for h in heads)
    body = "\n".join(f"<tr>{''.join(row)}</tr>" for row in rows)
    return f"<table>\n<tr>{head}</tr>\n{body}\n</table>"


def cell(text: Any) -> str:
    """A cell of a table."""
    return f"<td>{html.escape(str(text))}</td>"


def against(row: Mapping[str, float], metric: str, remark: str = "") -> str:
    """A metric in units of its floor (see `metrics.against`), marked where it lies beyond the 99 percent quantile.

    remark: what to add in the cell.
    """
    beyond = row[metric] > row[f"{metric}_floor_99"]
    mark = "&#10007;" if beyond else "&#10003;"
    return (
        f'<td class="{"beyond" if beyond else "within"}">{row[f"{metric}_ratio"]:.2f} {mark}{html.escape(remark)}</td>'
    )


def png(figure: Figure, colours: int | None = None) -> bytes:
    """The figure as a PNG; with few `colours`, as lines need, a third of the size."""
    buffer = io.BytesIO()
    if colours is None:
        figure.savefig(buffer, format="png")
    else:
        canvas = FigureCanvasAgg(figure)
        canvas.draw()
        drawn = Image.fromarray(np.asarray(canvas.buffer_rgba())).convert("RGB")
        drawn.quantize(colours, dither=Image.Dither.NONE).save(buffer, format="png", dpi=(figure.dpi, figure.dpi))
    return buffer.getvalue()


def _figure(caption: str, figure: Figure | bytes) -> str:
    data = figure if isinstance(figure, bytes) else png(figure)
    source = f"data:image/png;base64,{base64.b64encode(data).decode()}"
    caption = html.escape(caption)
    return f'<figure><img alt="{caption}" src="{source}"><figcaption>{caption}</figcaption></figure>'
