"""What a review says of the labels: `counting` (which verdicts count), `figures`, `summary` (for report and gates)."""
