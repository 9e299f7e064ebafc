"""Pictures of a card: SVG files beside it, drawn from the manifest."""

from __future__ import annotations

from typing import Any

from pipeline.core import charts
from pipeline.train import pictures as learning

# The card is read on white and on black: a ground of its own, and colours that do not depend on the page.
_STYLE = """<style>svg{background:#fff;font-family:system-ui,sans-serif}text{fill:#1b1f24;font-size:12px}
.value,.tick{fill:#57606a}.tick{font-size:11px}.lost{fill:#b3412f}.bar{fill:#3a6ea5}.gone{fill:#e0b4ab}.wait{fill:#d8dee4}
line{stroke:#8c959f}.rung{stroke:#eaeef2}.whole{stroke:#b3412f;stroke-dasharray:3 3}.span{stroke:#3a6ea5;stroke-width:2.5}
.dot{fill:#3a6ea5}.curve{fill:none;stroke:#3a6ea5;stroke-width:2}</style>"""


def draw(manifest: dict[str, Any]) -> dict[str, tuple[str, str]]:
    """Return path -> (what it shows, the SVG) of each picture."""
    pictures = {"pictures/funnel.svg": _funnel(manifest)}
    if manifest["label"]["many"]:
        pictures["pictures/phrases.svg"] = _phrases(manifest["figures"]["phrases_a_row"])
    if about := manifest.get("student"):
        pictures["pictures/student.svg"] = (learning.comparison_text(about), learning.draw_comparison(about))
    if about := manifest.get("learning_curve"):
        pictures["pictures/learning.svg"] = (learning.caption(about), learning.draw(about))
    return {
        path: (title, drawing.replace("<title>", f"{_STYLE}<title>", 1)) for path, (title, drawing) in pictures.items()
    }


def _funnel(manifest: dict[str, Any]) -> tuple[str, str]:
    title = "Rows that each stage kept and rejected"
    stages = manifest["funnel"]
    rows = [(stage["stage"], stage["kept"], sum(stage["rejected"].values()), 0) for stage in stages]
    return title, charts.funnel(title, rows)


def _phrases(counts: dict[str, int]) -> tuple[str, str]:
    title = "Rows by how many phrases their label has"
    return title, charts.histogram(
        title, list(counts), list(counts.values()), [f"{count:,}" for count in counts.values()]
    )
