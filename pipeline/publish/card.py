"""Data set card: what a stranger must know before using a version, in the Hub's format.

Our part stands between markers; whatever people write around it, and their own keys in the YAML head, survive
(`merged`).
"""

from __future__ import annotations

import re
from importlib.resources import files
from typing import Any

import yaml

from pipeline.publish import dataset_info

_SIZES = ((1_000, "n<1K"), (10_000, "1K<n<10K"), (100_000, "10K<n<100K"), (1_000_000, "100K<n<1M"))
_BEGIN, _END = (
    "<!-- labelmill: begin (what is between these two lines is written anew by each version) -->",
    "<!-- labelmill: end -->",
)
_OURS = re.compile(r"<!-- labelmill: begin(?:(?!<!-- labelmill: begin).)*?<!-- labelmill: end -->", re.DOTALL)
_HEAD = re.compile(r"\A\ufeff?---[ \t]*\r?\n(.*?)^---[ \t]*(?:\r?\n|\Z)", re.DOTALL | re.MULTILINE)
_OF_FILES = ("configs", "dataset_info")  # keys of the head that are about the files of one version


def render(manifest: dict[str, Any], written: dict[str, Any] | None = None) -> str:
    """Return the card (Markdown with a YAML head); `written` are `dataset_info.entries` of the files, once there are any."""
    head = _head(manifest) | (written or {"configs": dataset_info.configs(manifest["rows"])})
    return f"{_yaml(head)}\n{_BEGIN}\n{_body(manifest)}\n{_END}\n"


def merged(our_card: str, their_card: str | None) -> str:
    """Return our card in the place of the older one within `their_card`, at its end where there is none."""
    if not their_card or not their_card.strip():
        return our_card
    their_head, their_text = _parts(their_card)
    # what their card says of files is about an older version, whoever wrote it: `datasets` would refuse the files of this one
    their_head = {key: value for key, value in their_head.items() if key not in _OF_FILES}
    head, our_text = _parts(our_card)
    if head["license"] == "unknown":
        head["license"] = their_head.get("license", "unknown")  # somebody stated it on the Hub
    block = _OURS.search(our_text)
    assert block is not None
    old_block = _OURS.search(their_text)
    before, after = (
        (their_text[: old_block.start()], their_text[old_block.end() :])
        if old_block
        else (f"{their_text.rstrip()}\n\n", "\n")
    )
    kept = f"{before}{block[0]}{_OURS.sub('', after)}"  # where a person copied it the copies go
    return f"{_yaml({**their_head, **head})}{kept if kept.startswith(chr(10)) else chr(10) + kept}"


def _parts(card: str) -> tuple[dict[str, Any], str]:
    """Return the YAML head, empty where there is none that can be read, and the rest."""
    match = _HEAD.match(card)
    try:
        head = yaml.safe_load(match[1]) if match else None
    except yaml.YAMLError:
        head = None
    if not match or not isinstance(head, dict):
        return {}, card[match.end() :] if match else card
    return head, card[match.end() :]


def _yaml(head: dict[str, Any]) -> str:
    return f"---\n{yaml.safe_dump(head, sort_keys=False, allow_unicode=True)}---\n"


def _head(manifest: dict[str, Any]) -> dict[str, Any]:
    """Return what the head says of the data set; how its files are loaded is added by `render`."""
    rows = manifest["rows"]
    languages = sorted(language for language in manifest["languages"] if re.fullmatch("[a-z]{2,3}", language))
    return {
        **_licence(manifest["licence"]),
        **({"language": languages} if languages else {}),
        "task_categories": ["token-classification" if manifest["label"]["many"] else "text-classification"],
        "tags": ["labelmill", manifest["task"]],
        "size_categories": [next((name for limit, name in _SIZES if sum(rows.values()) < limit), "n>1M")],
    }


def _licence(licence: str | None) -> dict[str, str]:
    """Return the licence as the Hub's cards name it: one of its own names, else `other` with the name beside it.

    `licences.txt` is the list of https://huggingface.co/docs/hub/repositories-licenses; the Hub refuses others.
    """
    names = (files("pipeline.publish") / "licences.txt").read_text("utf-8").split()
    name = "unknown" if licence is None else licence.strip().lower()
    return {"license": name} if name in names else {"license": "other", "license_name": str(licence)}


def _body(manifest: dict[str, Any]) -> str:
    sections = {
        f"{manifest['name']} {manifest['version']}": _summary(manifest),
        "How it was made": _made(manifest),
        "Figures": _figures(manifest),
        "From articles to rows": _funnel(manifest),
        "Quality": _quality(manifest),
        "Limits": _limits(manifest),
        "Columns": _columns(manifest),
        "Prompt": _prompts(manifest),
        "Versions": _history(manifest),
    }
    parts = [
        f"{'#' if number == 0 else '##'} {name}\n\n{text}"
        for number, (name, text) in enumerate(sections.items())
        if text
    ]
    return "\n".join(parts)


def _summary(manifest: dict[str, Any]) -> str:
    rows = manifest["rows"]
    where = f'"{manifest["repo"]}", revision="{manifest["version"]}"' if manifest["repo"] else '"PATH/OF/THIS/FOLDER"'
    texts = "Articles" if manifest["text"] == "full" else "Addresses and digests of articles (without their texts)"
    languages = ", ".join(f"{language} {count:,}" for language, count in manifest["languages"].items())
    return f"""{texts} with {manifest["task"]}: {rows["train"]:,} rows to train with, {rows["eval"]:,} to evaluate with.
Languages: {languages}.

```python
from datasets import load_dataset

data = load_dataset({where})  # {", ".join(f'data["{name}"]' for name, count in rows.items() if count)}
runs = load_dataset({where}, name="provenance")["runs"]
```
"""


def _made(manifest: dict[str, Any]) -> str:
    rows = [
        [
            f"`{run['run_id']}`",
            f"{run['rows']:,}",
            run["provider"] or "not known",
            _models(run),
            run["prompt"] or "-",
            _days(run),
            _cost(run),
        ]
        for run in manifest["runs"]
    ]
    table = _table(["run", "rows", "provider", "model (served)", "prompt", "asked", "cost"], rows)
    return f"""The labels were given by the runs below, cleaned (separators, {_cap(manifest)}no repetitions), reviewed as far as
`label_source` says, and split by labelmill. Each row names its run; the configuration `provenance` has model, parameters,
prompt, tokens and cost of each, `manifest.json` the SHA-256 of every file, `croissant.json` the same for machines.

{table}"""


def _cap(manifest: dict[str, Any]) -> str:
    max_phrases = manifest["clean"].get("max_phrases")
    return f"at most {max_phrases} phrases, " if max_phrases and manifest["label"]["many"] else ""


def _models(run: dict[str, Any]) -> str:
    served = ", ".join(run["models_served"])
    return f"{run['model'] or '-'} ({served})" if served and served != run["model"] else run["model"] or "-"


def _days(run: dict[str, Any]) -> str:
    days = list(dict.fromkeys(day[:10] for day in (run["first_at"], run["last_at"]) if day))
    return " to ".join(days) or "not known"


def _cost(run: dict[str, Any]) -> str:
    return f"${run['cost_usd']:,.2f}" + (
        f" and {run['unpriced']:,} answers at an unknown price" if run["unpriced"] else ""
    )


def _figures(manifest: dict[str, Any]) -> str:
    figures, rows = manifest["figures"], sum(manifest["rows"].values())
    low, middle, high = figures["characters"]
    lines = [f"- Characters a text: median {middle:,}, 5% below {low:,}, 5% above {high:,}"]
    if manifest["label"]["many"]:
        counts = ", ".join(f"{number}: {count:,}" for number, count in figures["phrases_a_row"].items())
        share = figures["absent"] / figures["phrases"] if figures["phrases"] else 0
        lines.append(f"- Phrases a label (how many rows): {counts}")
        lines.append(f"- Phrases that are not in their text: {share:.1%}")
    sources = ", ".join(f"{source} {count:,}" for source, count in manifest["label_sources"].items())
    licences = ", ".join(f"{_cell(licence)} {count:,}" for licence, count in manifest["licences"].items())
    lines += [
        f"- Labels by source: {sources} (`llm`: as the labeller gave it, cleaned; `verified`: a person accepted all of it; "
        "`edited`: a person changed it)",
        f"- Licences of the articles: {licences}",
        f"- Groups of near-copies: {figures['groups']:,} for {rows:,} rows, the largest has {figures['largest_group']:,}",
    ]
    return "\n".join(lines) + "\n"


def _funnel(manifest: dict[str, Any]) -> str:
    rows = []
    for step in manifest["funnel"]:
        reasons = ", ".join(f"{reason} {count:,}" for reason, count in step["rejected"].items())
        rows.append([step["stage"], f"{step['rows']:,}", f"{step['kept']:,}", reasons or "-"])
    return _table(["stage", "in", "kept", "rejected"], rows)


def _quality(manifest: dict[str, Any]) -> str:
    rows = [
        [f"`{name}`", gate["state"], gate["figure"] + (f"; waived: {gate['reason']}" if "reason" in gate else "")]
        for name, gate in manifest["gates"].items()
    ]
    return _table(["check", "", "found"], rows)


def _limits(manifest: dict[str, Any]) -> str:
    reviewed = manifest["reviewed"]
    lines = [
        "- Labels of source `llm` are a model's: "
        + (
            f"people judged {reviewed['total']:,} phrases of {reviewed['clusters']:,} articles."
            if reviewed["total"]
            else "nobody has judged any of them."
        ),
        "- Near-copies are found by shared pieces of text (MinHash, "
        f"Jaccard of {manifest['split']['similarity']:g} and more): articles that tell the same in other words are not.",
        "- Eval rows never move to train in a later version, and articles like them are kept out of train.",
    ]
    if manifest["licence"] is None:
        lines.append("- No licence was stated for this data set: ask before you use it.")
    if manifest["licences"].get("unknown"):
        lines.append(f"- {manifest['licences']['unknown']:,} articles come from a source without a stated licence.")
    return "\n".join(lines) + "\n"


_COLUMNS = {
    "id": "unique, the same in every version",
    "group_id": "near-copies have the same group and are in the same split",
    "text_sha256": "of `text`",
    "source, licence, url, published_at": "where the article is from",
    "title, text": "`text` begins with the title; white space is folded",
    "tiers": "of each phrase: `exact`, `spacing`, `morphological` (inflected), `absent`, or `reviewer` (added by a person)",
    "offsets": "of each phrase `[start, end]` in code points of the text, where it stands first; empty where it does not",
    "status, label_source, run_id": "how the label came about",
    "added_in, changed_in": "the version in which the row appeared, and the last that changed it",
}


def _columns(manifest: dict[str, Any]) -> str:
    left_out = set() if manifest["label"]["many"] else {"tiers", "offsets"}
    left_out |= set() if manifest["text"] == "full" else {"title, text"}
    rows = [
        [", ".join(f"`{part}`" for part in name.split(", ")), text]
        for name, text in _COLUMNS.items()
        if name not in left_out
    ]
    rows.insert(-2 - 2 * manifest["label"]["many"], [f"`{manifest['label']['name']}`", "the label"])
    return _table(["column", ""], rows)


def _prompts(manifest: dict[str, Any]) -> str:
    sections = []
    for run in (run for run in manifest["runs"] if run["prompt_text"]):
        text = yaml.safe_dump(
            {k: v for k, v in run["prompt_text"].items() if v}, sort_keys=False, allow_unicode=True, width=10_000
        )
        fence = "`" * (max(map(len, re.findall(r"`{3,}", text)), default=2) + 1)
        sections.append(
            f"`{run['prompt']}` of run `{run['run_id']}` (SHA-256 `{run['prompt_sha256']}`):\n\n{fence}yaml\n{text}{fence}\n"
        )
    return "\n".join(sections)


def _history(manifest: dict[str, Any]) -> str:
    kinds = ("added", "removed", "edited", "relabelled", "moved")
    rows = [
        [entry["version"], entry["date"], *(f"{entry[kind]:,}" for kind in kinds)]
        for entry in reversed(manifest["history"])
    ]
    return _table(["version", "date", *kinds], rows)


def _table(head: list[str], rows: list[list[str]]) -> str:
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join(f"| {' | '.join(_cell(cell) for cell in line)} |" for line in lines) + "\n"


def _cell(text: str) -> str:
    return " ".join(text.replace("|", "\\|").split())
