"""The picture of a corpus: every article a point, topics by name, in one HTML file that needs no network."""
