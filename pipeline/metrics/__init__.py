"""How good labels are, against those that people chose: `keyphrases` (sets of phrases), `rouge`, `classes` (one label)."""

from __future__ import annotations
