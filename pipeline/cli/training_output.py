"""What `train` prints for people."""

from __future__ import annotations

import shlex
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from pathlib import Path

_SHOWN = 8  # parts of the articles


def trained(folder: Path, manifest: dict[str, Any]) -> None:
    """Print what a student reaches, beside what needs no training."""
    data, figures = manifest["data"], manifest["figures"]
    held_out = f", {data['validation']:,} to stop by" if data["validation"] else ""
    print(f"{manifest['student']} on version {data['version']}: {data['train']:,} rows to learn from{held_out}")
    if data["left_out"]:
        print(f"  {data['left_out']:,} rows of train are in eval, too, or like one of it, and were left out")
    if data.get("unlabelled"):
        print(f"  {data['unlabelled']:,} rows of train have an empty label, and were left out")
    for name, value in manifest["learned"].items():
        if text := _plain(value):
            print(f"  {name.replace('_', ' ')}: {text}")
    measure = figures["measure"]
    print(f"judged on {figures['articles']:,} rows of eval, {measure} in points of 100 (95% interval):")
    print(f"  {manifest['student']:<12} {_figure(figures['student'][measure])}")
    for name, baseline in figures["baselines"].items():
        gap = figures["differences"][name]
        print(f"  {name:<12} {_figure(baseline[measure])}   {manifest['student']} against it: {_figure(gap, '+')}")
    if teacher := figures.get("teacher"):
        times = "articles that it was asked about again" if teacher["by"] == "asked again" else "pairs of near-copies"
        print(f"  {'teacher':<12} {_figure(teacher)}   against itself, by {teacher['articles']:,} {times}")
    others = [f"{name} {100 * of['mean']:.1f}" for name, of in figures["student"].items() if name != measure]
    if others:
        print(f"  {', '.join(others)}")
    for part, values in figures["by"].items():
        for name, of in list(values.items())[:_SHOWN]:
            print(f"  {part} {name}: {_figure(of)}, {of['articles']:,} articles")
    if curve := manifest.get("curve"):
        for point in curve["points"]:
            print(f"  with {point['rows']:,} label{'s' if point['rows'] != 1 else ''}: {_figure(point)}")
        print(f"  {curve['sentence']}")
    print(f"the student is in {folder}")


def predicted(file: Path, counts: dict[str, int], job: str) -> None:
    """Print how many labels were written, why others were not, and what is next."""
    left_out = f"{counts['of_train']:,} articles that it was trained on are left out"
    left_out += f", and {counts['like_train']:,} near-copies of such" if counts["like_train"] else ""
    none = f", {counts['without_a_label']:,} in which it finds nothing" if counts["without_a_label"] else ""
    print(f"{counts['written']:,} labels written to {file}; {left_out}{none}. People may judge them:")
    print(f"  labelmill review {job} --predictions {shlex.quote(str(file))}")


def _figure(of: dict[str, Any], sign: str = "") -> str:
    low, high = (f"{100 * of[name]:{sign}.1f}" for name in ("low", "high"))
    return f"{100 * of['mean']:{sign}.1f} ({low} to {high})".replace("-", "\N{MINUS SIGN}")


def _plain(value: Any) -> str:
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, dict):
        shown = {name.replace("_", " "): _plain(one) for name, one in value.items() if one != 0}
        parts = [f"{name} {text}" for name, text in shown.items() if text]
        return ("; " if any(isinstance(one, dict) for one in value.values()) else ", ").join(parts)
    return f"{value:,}" if isinstance(value, int) else str(value)
