"""Language rules for single words: Korean particles and stems."""
