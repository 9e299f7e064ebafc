"""What people are shown: `population` (the labelled articles), `lanes` (in which order), `risks`, `labels` (whose), `cards` (one
article)."""
