"""`python -m labelmill`: the command line, where the script `labelmill` is not on the path."""

from __future__ import annotations

from pipeline.cli.main import process

if __name__ == "__main__":
    process()
