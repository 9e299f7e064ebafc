"""The command line as `python -m pipeline.cli`, where the script `labelmill` is not installed."""

from __future__ import annotations

from pipeline.cli.main import process

if __name__ == "__main__":
    process()
