"""What a quote says of `label.until`: its figures are those of the first round, and more follow for articles that become no row."""

from __future__ import annotations

from pipeline.label.selection import ArticleSelection

Dollars = tuple[float, float | None]
"""The least and the most, where that is known."""


def until_notes(selection: ArticleSelection, first_round: Dollars | None) -> list[str]:
    """Return what all rounds take, of which the first costs so many dollars; nothing where the rows are there."""
    if not selection.shortfall().count:
        return []
    if (expected := selection.expected()) is None:
        return [
            "label.until: others are asked about in place of those that become no row; how many, a quote tells once some "
            "are cleaned and reviewed"
        ]
    factor, usd = expected.in_all / expected.first_round, ""
    if first_round is not None:
        least, most = first_round[0], first_round[1] or first_round[0]
        usd = f", for ${least * factor:,.4f} to ${most * factor:,.4f}"
    return [
        f"label.until: this is the first round, of {expected.first_round:,} articles; about {expected.in_all:,} in all{usd}, for "
        f"{expected.rows:,} of {expected.judged:,} so far became rows"
    ]
