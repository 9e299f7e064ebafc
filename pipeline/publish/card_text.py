"""Text of a card: what the template `templates/card.md` is filled with, by the manifest of a version.

The texts that `publish.card` of the job file gives stand in place of ours, its `limits` behind them.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from functools import cache
from importlib.resources import files
from typing import Any

import jinja2
import yaml

from pipeline.core.types import LabelColumn
from pipeline.publish.card_head import listed, options_of, title_of
from pipeline.versions import diff, map_topics


@cache
def _template() -> jinja2.Template:
    # Markdown, so nothing is escaped but cells of tables
    environment = jinja2.Environment(
        undefined=jinja2.StrictUndefined, trim_blocks=True, lstrip_blocks=True, keep_trailing_newline=False
    )
    environment.filters["number"] = "{:,}".format
    environment.globals["table"] = _table
    return environment.from_string((files("pipeline.publish") / "templates" / "card.md").read_text("utf-8"))


def body(manifest: dict[str, Any], sample: dict[str, Any] | None, pictures: Mapping[str, str]) -> str:
    """Return our part of the card: `sample` is one row, `pictures` has what each shows by its path."""
    rows, figures, many = manifest["rows"], manifest["figures"], manifest["label"]["many"]
    options, repo = options_of(manifest), manifest["repo"]
    low, middle, high = figures["characters"]
    return _template().render(
        title=title_of(manifest),
        version=manifest["version"],
        description=_given(options.get("description")) or _description(manifest),
        rows=rows,
        with_text=manifest["text"] == "full",
        languages=_language_counts(manifest),
        where=f'"{repo}", revision="{manifest["version"]}"' if repo else '"PATH/OF/THIS/FOLDER"',
        splits=", ".join(f'data["{name}"]' for name, count in rows.items() if count),
        sample=sample and _sample(sample),
        columns=_columns(manifest),
        uses=_given(options.get("uses")) or _uses(manifest),
        cap=_cap(manifest),
        runs=[_run(run) for run in manifest["runs"]],
        characters=(low, middle, high),
        many=many,
        phrases_a_row=_counts(figures["phrases_a_row"], ": "),
        has_tiers=LabelColumn(**manifest["label"]).has_tiers,
        absent=f"{figures['absent'] / (figures['phrases'] or 1):.1%}",
        label_sources=_counts(manifest["label_sources"]),
        shared_labels=f"{manifest['shared_labels']:,}" if "shared_labels" in manifest else "",
        map_topics=map_topics.in_words(manifest["map_topics"]) if "map_topics" in manifest else "",
        licences=_counts({_cell(name): count for name, count in manifest["licences"].items()}),
        groups={"count": figures["groups"], "rows": sum(rows.values()), "largest": figures["largest_group"]},
        pictures=pictures,
        funnel=[
            [s["stage"], f"{s['rows']:,}", f"{s['kept']:,}", _counts(s["rejected"]) or "-"] for s in manifest["funnel"]
        ],
        gates=[[f"`{name}`", gate["state"], _gate(gate)] for name, gate in manifest["gates"].items()],
        limits=list(_limits(manifest)),
        more_limits=_given(options.get("limits")),
        personal_data=_given(options.get("personal_data")) or _personal_data(manifest),
        prompts=list(_prompts(manifest)),
        citation=_given(options.get("citation")) or _citation(manifest),
        history=[
            [entry["version"], entry["date"], *(f"{entry[kind]:,}" for kind in diff.KINDS)]
            for entry in reversed(manifest["history"])
        ],
        broken=", ".join(manifest.get("broken", {})),
    )


def _sample(row: Mapping[str, Any]) -> str:
    """Return a row as JSON, a line for each column."""
    lines = ",\n".join(f"  {json.dumps(name)}: {json.dumps(value, ensure_ascii=False)}" for name, value in row.items())
    return f"{{\n{lines}\n}}"


def _given(value: Any) -> str:
    return "\n".join(map(str, value)) if isinstance(value, list) else str(value or "").strip()


def _counts(counts: Mapping[str, int], between: str = " ") -> str:
    return ", ".join(f"{name}{between}{count:,}" for name, count in counts.items())


def _description(manifest: dict[str, Any]) -> str:
    texts = "Articles" if manifest["text"] == "full" else "Addresses and digests of articles (without their texts)"
    source = "by people and " if manifest["label_sources"].keys() & {"verified", "edited"} else ""
    extracted = manifest["runs"] and all(run["prompt"] is None for run in manifest["runs"])
    by_student = "student" in manifest["label_sources"]
    labeller = "a model that was trained on labels" if by_student else "an extractor" if extracted else "a model"
    return f"{texts} with {manifest['task']}, given {source}by {labeller}, each with the run that it is from."


def _language_counts(manifest: dict[str, Any]) -> str:
    sampled = manifest.get("languages_of_a_sample")
    if sampled:
        return f"{_counts(sampled)} (of a sample of {sum(sampled.values()):,} texts)"
    return _counts(manifest["languages"])


def _uses(manifest: dict[str, Any]) -> str:
    label = manifest["label"]["name"]
    if LabelColumn(**manifest["label"]).has_tiers:
        how = f"To train models that find {label} in a text (`offsets`: token classification) or write them for it (generation)"
    else:
        how = f"To train models that give a text its {label} (classification, generation)"
    return f"""{how}, and to compare models on `eval`, which stays what it is: a row of `eval` is in `train` in no version.

Not made for decisions about persons who are named in the articles, nor as facts about the world: a label says what an article is
about, not whether that is true."""


def _cap(manifest: dict[str, Any]) -> str:
    max_phrases = manifest["clean"].get("max_phrases")
    return f"at most {max_phrases} phrases, " if max_phrases and manifest["label"]["many"] else ""


def _run(run: dict[str, Any]) -> list[str]:
    served = ", ".join(run["models_served"])
    model = f"{run['model'] or '-'} ({served})" if served and served != run["model"] else run["model"] or "-"
    days = " to ".join(dict.fromkeys(day[:10] for day in (run["first_at"], run["last_at"]) if day)) or "not known"
    unpriced = f" and {run['unpriced']:,} answers at an unknown price" if run["unpriced"] else ""
    cost = f"${run['cost_usd']:,.2f}{unpriced}"
    return [
        f"`{run['run_id']}`",
        f"{run['rows']:,}",
        run["provider"] or "not known",
        model,
        run["prompt"] or "-",
        days,
        cost,
    ]


def _gate(gate: dict[str, Any]) -> str:
    return str(gate["figure"]) + (f"; waived: {gate['reason']}" if "reason" in gate else "")


# Measured on 62 articles and more a level, each against itself with so many of its words replaced: see docs/publishing.md.
STRADDLE = (
    "of copies with 1 to 5% of their words changed none was on the other side of the split (0 of 249), with 7% 4 of 62, with 10% "
    "19 of 62, from 15% on as many as by chance"
)


def _limits(manifest: dict[str, Any]) -> Iterator[str]:
    reviewed, figures = manifest["reviewed"], manifest["figures"]
    if "student" in manifest["label_sources"]:
        yield "Labels of source `student` are of a model that was trained on other labels: what those got wrong, it has learned."
    yield "Labels of source `llm` are a model's: " + (
        f"people judged {reviewed['total']:,} phrases of {reviewed['clusters']:,} articles."
        if reviewed["total"]
        else "nobody has judged any of them."
    )
    yield (
        f"Near-copies are found by shared pieces of text (MinHash, Jaccard of {manifest['split']['similarity']:g} and more): "
        f"articles that tell the same in other words are not. Measured at 0.6, {STRADDLE}."
    )
    large = figures.get("large_groups") or {}
    if large.get("groups"):
        yield (
            f"Groups of more than {large['more_than']:,} near-copies are in train, however they would have been drawn: "
            f"{large['groups']:,} with {large['rows']:,} rows."
        )
    if benchmarks := manifest["split"].get("keep_out"):
        names = ", ".join(f"`{name}`" for name in benchmarks)
        yield f"Articles like texts of {names} are kept out of train ({_kept_out(manifest):,} of them)."
    yield "Eval rows never move to train in a later version, and articles like them are kept out of train."
    if manifest["licence"] is None:
        yield "No licence was stated for this data set: ask before you use it."
    if manifest["licences"].get("unknown"):
        yield f"{manifest['licences']['unknown']:,} articles come from a source without a stated licence."


def _kept_out(manifest: dict[str, Any]) -> int:
    return sum(stage["rejected"].get("near_copy_of_benchmark", 0) for stage in manifest["funnel"])


def _personal_data(manifest: dict[str, Any]) -> str:
    gate = manifest["gates"].get("no_personal_data", {"rows": 0})
    redacted = manifest.get("publish", {}).get("redact") or []
    lines = [
        "The articles were written by others, and may name persons, who may ask that an article is taken out: it leaves with "
        f"the next version ({len(manifest.get('takedowns', [])):,} texts so far)."
    ]
    if redacted:
        lines.append(f"Replaced by their kind in brackets: {', '.join(redacted)}.")
    lines.append(
        "A search for e-mail addresses, telephone numbers and numbers of persons, cards and accounts "
        f"found some in {gate['rows']:,} rows; what has no such form it does not find."
    )
    return "\n".join(lines)


def _citation(manifest: dict[str, Any]) -> str:
    """Return a BibTeX entry of the version."""
    options, repo = options_of(manifest), manifest["repo"]
    key = re.sub(r"[^A-Za-z0-9]+", "_", f"{manifest['name']}_{manifest['version']}").strip("_")
    authors = listed(options["authors"]) if options.get("authors") else [repo.partition("/")[0]] if repo else []
    fields = {
        "title": f"{{{title_of(manifest)}}}",
        "author": " and ".join(authors),
        "year": manifest["created_at"][:4],
        "version": manifest["version"],
        "url": f"https://huggingface.co/datasets/{repo}" if repo else "",
    }
    lines = [f"  {name} = {{{value}}}," for name, value in fields.items() if value]
    return "\n".join([f"@misc{{{key},", *lines, "}"])


_COLUMNS = {
    "id": "unique, the same in every version",
    "group_id": "near-copies have the same group and are in the same split",
    "text_sha256": "of `text`",
    "source, licence, url, published_at": "where the article is from",
    "title, text": "`text` begins with the title; white space is folded",
    "tiers": "of each phrase: `exact`, `spacing`, `morphological` (inflected), `absent`, or `reviewer` (added by a person)",
    "offsets": "of each phrase `[start, end]` in code points of the text, where it stands first; empty where it does not",
    "status, label_source, run_id": "how the label came about",
    "label_shared_from": "the article that the model was asked about, where this one, its near-copy, shares the answer",
    "map_topic_id, map_topic": "the article's topic among those of all articles; it may change with no change of the row",
    "added_in, changed_in": "the version in which the row appeared, and the last that changed it",
}


def _columns(manifest: dict[str, Any]) -> list[list[str]]:
    has_tiers = LabelColumn(**manifest["label"]).has_tiers
    left_out = set() if has_tiers else {"tiers", "offsets"}
    left_out |= set() if manifest["text"] == "full" else {"title, text"}
    left_out |= set() if "shared_labels" in manifest else {"label_shared_from"}
    left_out |= set() if "map_topics" in manifest else {"map_topic_id, map_topic"}
    rows = [
        [", ".join(f"`{part}`" for part in name.split(", ")), text]
        for name, text in _COLUMNS.items()
        if name not in left_out
    ]
    behind = 2 + 2 * has_tiers + ("shared_labels" in manifest) + ("map_topics" in manifest)
    rows.insert(-behind, [f"`{manifest['label']['name']}`", "the label"])
    return rows


def _prompts(manifest: dict[str, Any]) -> Iterator[dict[str, str]]:
    for run in (run for run in manifest["runs"] if run["prompt_text"]):
        text = yaml.safe_dump(
            {k: v for k, v in run["prompt_text"].items() if v}, sort_keys=False, allow_unicode=True, width=10_000
        )
        fence = "`" * (max(map(len, re.findall(r"`{3,}", text)), default=2) + 1)
        yield {
            "name": run["prompt"],
            "run_id": run["run_id"],
            "sha256": run["prompt_sha256"],
            "text": text,
            "fence": fence,
        }


def _table(head: list[str], rows: list[list[str]]) -> str:
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join(f"| {' | '.join(_cell(cell) for cell in line)} |" for line in lines)


def _cell(text: str) -> str:
    return " ".join(text.replace("|", "\\|").split())
