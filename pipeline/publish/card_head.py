"""YAML head of a card: what the Hub, its search and its viewer read of a data set.

`publish.card` of the job file gives further keys, or other values; what is of the version itself it cannot give.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from importlib.resources import files
from typing import Any

from pipeline.core.types import LabelColumn

# are of the card, no keys of its head
TEXTS = (
    "description",
    "uses",
    "limits",
    "personal_data",
    "citation",
    "authors",
)
_OURS = ("configs", "dataset_info", "license", "license_name", "size_categories")  # are of the version itself
_SIZES = ((1_000, "n<1K"), (10_000, "1K<n<10K"), (100_000, "10K<n<100K"), (1_000_000, "100K<n<1M"))
_NO_LANGUAGE = ("und", "mul", "zxx", "unknown")
_FEW = 0.01  # of the texts: a language of fewer is not one of the data set's
# Phrases are found in the text, or written by a model that has read it; a topic is written, a class chosen.
_TAGS = {"keyphrases": ["keyphrase-extraction", "keyphrase-generation"]}


def config_errors(options: Mapping[str, Any]) -> Iterator[str]:
    """Yield what is wrong with a job file's `publish.card`."""
    for name, value in options.items():
        if name in _OURS:
            yield f"publish.card.{name}: is of the version itself" + (
                "; see publish.licence" if "license" in name else ""
            )
        elif name in TEXTS and not isinstance(value, str | list):
            yield f"publish.card.{name}: is a text, found {type(value).__name__}"


def head(manifest: dict[str, Any]) -> dict[str, Any]:
    """Return what the head says of the data set; how its files are loaded is added by `render`."""
    given = {name: value for name, value in options_of(manifest).items() if name not in TEXTS}
    rows, languages, sources = manifest["rows"], _languages(manifest), manifest.get("source_datasets") or ["original"]
    by_people = any(manifest["label_sources"].get(kind) for kind in ("verified", "edited"))
    head = {
        "pretty_name": title_of(manifest),
        **_licence(manifest["licence"]),
        **({"language": languages} if languages else {}),
        **({"multilinguality": ["multilingual" if len(languages) > 1 else "monolingual"]} if languages else {}),
        "annotations_creators": ["machine-generated", *(["expert-generated"] if by_people else [])],
        "language_creators": ["found"],
        "source_datasets": sources,
        "task_categories": _task_categories(manifest),
        "size_categories": [next((name for limit, name in _SIZES if sum(rows.values()) < limit), "n>1M")],
    }
    if "language" in given:
        given["language"] = _codes(given["language"] if isinstance(given["language"], list) else [given["language"]])
    tags = ["labelmill", manifest["task"], *_TAGS.get(manifest["task"], []), *listed(given.pop("tags", []))]
    head |= {"tags": list(dict.fromkeys(tags))} | given
    return {name: value for name, value in head.items() if value not in (None, [], "")}


def _task_categories(manifest: dict[str, Any]) -> list[str]:
    if manifest["label"].get("schema") is not None:
        return ["text-generation"]
    if LabelColumn(**manifest["label"]).has_tiers:
        return ["token-classification", "text-generation"]
    return ["text-classification"] if manifest["task"] == "classes" else ["text-classification", "text-generation"]


def _languages(manifest: dict[str, Any]) -> list[str]:
    """Return the languages of the texts as ISO 639 has them: those that a filter found, else those of a sample."""
    named = [name for name in manifest["languages"] if name != "unknown"]
    sampled = manifest.get("languages_of_a_sample") or {}
    return _codes(named or [name for name, count in sampled.items() if count >= _FEW * sum(sampled.values())])


def _codes(names: list[Any]) -> list[str]:
    """Return names of languages as the Hub takes them: `zh` of zh-CN, `no` of what YAML reads as false."""
    codes = ("no" if name is False else re.split("[-_]", str(name))[0].lower() for name in names)
    return sorted({code for code in codes if re.fullmatch("[a-z]{2,3}", code) and code not in _NO_LANGUAGE})


def _licence(licence: str | None) -> dict[str, str]:
    """Return the licence as the Hub's cards name it: one of its own names, else `other` with the name beside it.

    `licences.txt` is the list of https://huggingface.co/docs/hub/repositories-licenses; the Hub refuses others.
    """
    names = (files("pipeline.publish") / "licences.txt").read_text("utf-8").split()
    name = "unknown" if licence is None else licence.strip().lower()
    return {"license": name} if name in names else {"license": "other", "license_name": str(licence)}


def options_of(manifest: dict[str, Any]) -> dict[str, Any]:
    """Return the job file's `publish.card`."""
    return dict(manifest.get("publish", {}).get("card") or {})


def title_of(manifest: dict[str, Any]) -> str:
    return str(options_of(manifest).get("pretty_name") or manifest["name"])


def listed(value: Any) -> list[str]:
    return [str(item) for item in value] if isinstance(value, list) else [str(value)]
