"""Pictures of a student: what it reaches, and what more labels would be worth."""

from __future__ import annotations

from pipeline.report.pictures import Facts, Picture, picture
from pipeline.train import pictures as drawn


def learning(facts: Facts) -> list[Picture]:
    """Return what a student reaches, and what it learned from parts of the labels."""
    return [*_reached(facts["student"]), *_curve(facts["learning"])]


def _reached(about: Facts | None) -> list[Picture]:
    if not about:
        return []
    rows = [
        [name, f"{100 * of['mean']:.1f}", f"{100 * of['low']:.1f} to {100 * of['high']:.1f}"]
        for name, of in drawn.comparison(about)
    ]
    head, text = ["", about["measure"], "95%"], f"{drawn.comparison_text(about)}."
    return [picture(drawn.COMPARED, text, drawn.draw_comparison(about), head, rows)]


def _curve(about: Facts | None) -> list[Picture]:
    if not about:
        return []
    head, rows = ["labels", about["measure"], "95%"], [list(row) for row in drawn.rows(about)]
    caption = f"{drawn.caption(about)}."
    return [picture(drawn.TITLE, caption, drawn.draw(about), head, rows, wide=True)]
