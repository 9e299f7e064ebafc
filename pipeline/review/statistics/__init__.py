"""Statistics of a review: `counting` (which verdicts count), `figures`, `summary` (for report and gates)."""
