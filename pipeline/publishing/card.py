"""The data set card: what a stranger must know before using a version, in the Hub's format."""

from __future__ import annotations

from typing import Any

import yaml

_SIZES = ((1_000, "n<1K"), (10_000, "1K<n<10K"), (100_000, "10K<n<100K"), (1_000_000, "100K<n<1M"))


def render(manifest: dict[str, Any]) -> str:
    """The card (Markdown with a YAML head).  The splits are declared: a file named `eval-*` would else be taken for
    the split `test` by `datasets`, which cannot open a split without rows either."""
    rows = manifest["rows"]
    head = {
        "license": manifest["licence"] or "unknown",
        "language": sorted(language for language in manifest["languages"] if language != "unknown"),
        "task_categories": ["token-classification" if manifest["label"]["many"] else "text-classification"],
        "tags": ["labelmill", manifest["task"]],
        "size_categories": [next((name for limit, name in _SIZES if sum(rows.values()) < limit), "n>1M")],
        "configs": [
            {
                "config_name": "default",
                "default": True,
                "data_files": [
                    {"split": name, "path": f"data/{name}-*.parquet"} for name, count in rows.items() if count
                ],
            }
        ],
    }
    yaml_head = yaml.safe_dump(head, sort_keys=False, allow_unicode=True)
    return f"---\n{yaml_head}---\n\n{_body(manifest)}"


_TIERS = """- `tiers` says of each phrase whether the article has it: `exact`, `spacing`, `morphological`, `absent`, or `reviewer`
  where a person added it.
"""


def _told(gate: dict[str, Any]) -> str:
    return f"{gate['rows']:,} rows" + (f", waived: {gate['reason']}" if gate["state"] == "waived" else "")


def _body(manifest: dict[str, Any]) -> str:
    run = manifest["run"]
    who = f"`{run['provider']}`" + (f", model `{run['model']}`" if run.get("model") else "")
    counts = "\n".join(f"| {split} | {count:,} |" for split, count in manifest["rows"].items())
    languages = ", ".join(f"{language} {count:,}" for language, count in manifest["languages"].items())
    sources = ", ".join(f"{source} {count:,}" for source, count in manifest["label_sources"].items())
    licences = ", ".join(f"{licence} {count:,}" for licence, count in manifest["licences"].items())
    checks = "".join(f"- Check `{name}`: {_told(gate)}\n" for name, gate in manifest["gates"].items() if gate["rows"])
    tiers = _TIERS if manifest["label"]["many"] else ""
    return f"""# {manifest["name"]} {manifest["version"]}

Articles with {manifest["task"]}, labelled by {who}, cleaned and split by labelmill.

| split | rows |
|---|---|
{counts}

- Languages: {languages}
- Labels by source: {sources} (`llm`: as the labeller gave it, cleaned; `verified`: a person accepted every phrase;
  `edited`: a person changed it)
- Licences of the articles: {licences}
- Eval rows are drawn once by a hash of the text and never move to train in a later version.
{tiers}{checks}- Every row names its labelling run (`run_id`); `manifest.json` describes it: provider, model, prompt, parameters,
  tokens and cost, and the SHA-256 of every file.

```python
from datasets import load_dataset

data = load_dataset("PATH/OF/THIS/FOLDER")  # data["train"], data["eval"]
```
"""
