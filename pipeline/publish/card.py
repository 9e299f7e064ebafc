"""Data set card: what a stranger must know before using a version, in the Hub's format.

Our part stands between markers; whatever people write around it, and what they change or add in the YAML head, survives (`merged`).
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from typing import Any

import yaml

from pipeline.publish import card_head, card_text, dataset_info

_BEGIN, _END = (
    "<!-- labelmill: begin (what is between these two lines is written anew by each version) -->",
    "<!-- labelmill: end -->",
)
_OURS = re.compile(r"<!-- labelmill: begin(?:(?!<!-- labelmill: begin).)*?<!-- labelmill: end -->", re.DOTALL)
_HEAD = re.compile(r"\A\ufeff?---[ \t]*\r?\n(.*?)^---[ \t]*(?:\r?\n|\Z)", re.DOTALL | re.MULTILINE)
# The head as we wrote it: what differs from it later is somebody's.
_WRITTEN = re.compile(r"<!-- labelmill: head (.*?) -->")
_OF_FILES = ("configs", "dataset_info")  # keys of the head that are about the files of one version
_OF_VERSION = (*_OF_FILES, "license", "license_name", "size_categories")


def render(
    manifest: dict[str, Any],
    written: dict[str, Any] | None = None,
    sample: dict[str, Any] | None = None,
    pictures: Mapping[str, str] | None = None,
) -> str:
    """Return the card (Markdown with a YAML head).

    Once there are files: `written` are their `dataset_info.entries`, `sample` is a row of them, `pictures` has what each shows by
    its path.
    """
    ours = card_head.head(manifest)
    head = ours | (written or {"configs": dataset_info.configs(manifest["rows"])})
    note = json.dumps({name: value for name, value in ours.items() if name not in _OF_VERSION}, ensure_ascii=False)
    note = note.replace("--", "-\\u002d")  # would end a comment
    body = card_text.body(manifest, sample, pictures or {})
    return f"{_yaml(head)}\n{_BEGIN}\n<!-- labelmill: head {note} -->\n{body}\n{_END}\n"


def merged(our_card: str, their_card: str | None) -> str:
    """Return our card in the place of the older one within `their_card`, at its end where there is none."""
    if not their_card or not their_card.strip():
        return our_card
    their_head, their_text = _parts(their_card)
    head, our_text = _parts(our_card)
    block = _OURS.search(our_text)
    assert block is not None
    old_block = _OURS.search(their_text)
    before, after = (
        (their_text[: old_block.start()], their_text[old_block.end() :])
        if old_block
        else (f"{their_text.rstrip()}\n\n", "\n")
    )
    kept = f"{before}{block[0]}{_OURS.sub('', after)}"  # where a person copied it the copies go
    head = _merged_head(head, their_head, _written_head(old_block[0] if old_block else ""))
    return f"{_yaml(head)}{kept if kept.startswith(chr(10)) else chr(10) + kept}"


def _merged_head(ours: dict[str, Any], theirs: dict[str, Any], written: dict[str, Any]) -> dict[str, Any]:
    """Return our head with what people changed, added or took out in theirs; `written` is ours as it stood there first."""
    # what their card says of our files is about an older version: `datasets` would refuse the files of this one
    merged = {name: value for name, value in theirs.items() if name not in _OF_FILES} | ours
    if ours.get("license") == "unknown":
        merged["license"] = theirs.get("license", "unknown")  # somebody stated it on the Hub
    for name in (theirs.keys() & ours.keys()) - set(_OF_VERSION):
        if _is_changed(name, theirs[name], written.get(name), ours[name]):
            merged[name] = theirs[name]
            if name == "tags" and isinstance(theirs[name], list):
                merged[name] = [
                    *theirs[name],
                    *(tag for tag in ours[name] if tag not in [*theirs[name], *written.get(name, [])]),
                ]
    removed = {name for name in written if name not in theirs} if theirs else set()
    return {name: value for name, value in merged.items() if name not in removed} | _merged_configs(ours, theirs)


def _is_changed(name: str, theirs: Any, written: Any, ours: Any) -> bool:
    """Tell whether somebody changed a value of the head: it is not what we wrote there.

    Cards of before do not say what that was: of the keys that they had, values that are no part of ours are somebody's.
    """
    if written is not None:
        return bool(theirs != written)
    if name == "language":
        return False
    if name in ("tags", "task_categories") and isinstance(theirs, list):
        return not all(value in ours for value in theirs)
    return bool(theirs != ours)


def _merged_configs(ours: dict[str, Any], theirs: dict[str, Any]) -> dict[str, Any]:
    """Return our `configs` and `dataset_info` with those that people added for further configurations."""
    of_ours = {name: ours[name] for name in _OF_FILES if isinstance(ours.get(name), list)}
    names = {config["config_name"] for config in _entries(ours.get("configs"))}
    added = [config for config in _entries(theirs.get("configs")) if config.get("config_name", "default") not in names]
    of_others = [config["config_name"] for config in added if not _reads_our_files(config)]
    info = [one for one in _entries(theirs.get("dataset_info")) if one.get("config_name") in of_others]
    # ours is the default: `datasets` refuses two
    added = [{name: value for name, value in config.items() if name != "default"} for config in added]
    further = {"configs": added, "dataset_info": info}
    return {name: [*of_ours.get(name, []), *entries] for name, entries in further.items() if entries}


def _entries(value: Any) -> list[dict[str, Any]]:
    return [one for one in value if isinstance(one, dict)] if isinstance(value, list) else []


def _reads_our_files(config: dict[str, Any]) -> bool:
    return bool(
        re.search(r"[\"'](?:\./)?(?:data|provenance)/", json.dumps(config.get("data_files") or config.get("data_dir")))
    )


def _written_head(block: str) -> dict[str, Any]:
    match = _WRITTEN.search(block)
    try:
        head = json.loads(match[1]) if match else {}
    except ValueError:
        head = {}
    return head if isinstance(head, dict) else {}


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
