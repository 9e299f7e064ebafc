"""One request for a group of near-copies (`label.share`): who is asked, who shares the answer, and what of it each member keeps."""
