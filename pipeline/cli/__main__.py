"""`python -m pipeline.cli`: the command line where the script `labelmill` is not installed."""

from __future__ import annotations

from pipeline.cli.main import process

if __name__ == "__main__":
    process()
