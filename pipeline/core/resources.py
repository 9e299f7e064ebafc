"""Files that ship with labelmill (prompts, the quickstart): beside the package in a checkout, inside it in a wheel."""

from __future__ import annotations

from pathlib import Path

_PACKAGE = Path(__file__).resolve().parents[1]
_ROOT = _PACKAGE / "shipped" if (_PACKAGE / "shipped").is_dir() else _PACKAGE.parent

PROMPTS = _ROOT / "prompts"
QUICKSTART = _ROOT / "data" / "quickstart"
