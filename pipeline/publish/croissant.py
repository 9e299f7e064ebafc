"""Croissant 1.1 description of a version (JSON-LD), written beside its data as `croissant.json`.

Docstrings name the sections of https://docs.mlcommons.org/croissant/docs/croissant-spec-1.1.html.  The namespace of
schema.org is `https`, as in the published examples and mlcroissant; the specification's table has `http`.  What is not known
is left out, required or not: `creator` always, `url` and `license` where the manifest has none.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Any

import pyarrow as pa

_TERMS = """annotation arrayShape citeAs column containedIn equivalentProperty excludes extract field fileObject fileProperty
fileSet format includes isArray isLiveDataset jsonPath key md5 parentField path readLines recordSet references regex repeated
replace samplingRate sdVersion separator source subField transform unArchive value"""
# section "Appendix 1: JSON-LD context", with prov of "Provenance Representation"
_CONTEXT: dict[str, Any] = {
    **{"@language": "en", "@vocab": "https://schema.org/", "sc": "https://schema.org/", "conformsTo": "dct:conformsTo"},
    **{"cr": "http://mlcommons.org/croissant/", "rai": "http://mlcommons.org/croissant/RAI/"},
    **{"dct": "http://purl.org/dc/terms/", "prov": "http://www.w3.org/ns/prov#"},
    **{term: f"cr:{term}" for term in _TERMS.split()},
    **{term: {"@id": f"cr:{term}", "@type": "@json"} for term in ("data", "examples")},
    "dataType": {"@id": "cr:dataType", "@type": "@vocab"},
}
_PARQUET = "application/x-parquet"
_SPLITS = {"train": "cr:TrainingSplit", "eval": "cr:TestSplit"}  # eval-* is a test split to `datasets`, too
_CC = re.compile(r"cc-by(-nc)?(-sa|-nd)?-(1\.0|2\.0|2\.5|3\.0|4\.0)")
_LICENCES = "Apache-2.0 BSD-2-Clause BSD-3-Clause CC0-1.0 CDLA-Permissive-2.0 ISC MIT MPL-2.0 ODbL-1.0 ODC-By-1.0"
_BY = (
    "llm: as the model gave it, cleaned; extracted: taken from the article without a model; student: by a model trained on "
    "labels; verified: a person accepted it; edited: a person changed it."
)
_TEXTS = """id: Identifier of the article, unique in the data set.
group_id: Articles of a group are always in the same split.
text_sha256: SHA-256 of the article's text in UTF-8, hexadecimal.
source: Where the article was read from.
licence: Licence of the article, as given for its source.
url: Address of the article, where its source gives one.
published_at: When the article was published, as its source writes it.
language: Language code of the article.
title: Title of the article.
text: Text of the article, its title first; runs of white space are folded.
tiers: Whether the article has each phrase: exact, spacing, morphological, absent; reviewer: a person added it.
offsets: Start and end of each phrase in the text, in code points, the end not included; empty where it is absent.
status: What cleaning found of the label.
run_id: Labelling run of the label; the activity runs/<run_id> describes it.
label_shared_from: Article that the model was asked about, where the label was shared with a near-copy of it.
map_topic_id: Topic of the article among those of all articles; it may change with no change of the row.
map_topic: What the topic is called.
added_in: Version in which the article was added.
changed_in: Version in which the row last changed."""
_COLUMNS = {"label_source": _BY} | dict(line.split(": ", 1) for line in _TEXTS.splitlines())


def render(manifest: dict[str, Any], schema: pa.Schema, digests: dict[str, str], base: str = "") -> dict[str, Any]:
    """Return the description of a version: `schema` is that of its rows, `digests` the SHA-256 of its files by path.

    `base` is the address below which its files are (ending in a slash), empty where they have none but in their folder.  The
    records `default` are all rows, read from the folder in which the description is; a reader that has it by its address reads
    those of each file, `train-00000` and so on, for mlcroissant finds no files by a pattern on the web.
    """
    splits = {name: count for name, count in manifest["rows"].items() if count}
    about = {"@context": {**_CONTEXT}, "@type": "sc:Dataset", "conformsTo": "http://mlcommons.org/croissant/1.1"}
    files = [_file_object(path, digest, base) for path, digest in sorted(digests.items())]
    files += [*(_file_set(f"{split}-files", [split]) for split in splits), _file_set("data-files", splits)]
    records = [_split_records(splits), _row_records(manifest, schema, splits)]
    records += [_file_records(manifest, schema, path) for path in sorted(digests) if path.startswith("data/")]
    return about | _dataset(manifest, splits) | _provenance(manifest) | {"distribution": files, "recordSet": records}


def _without_empty(values: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in values.items() if value not in (None, "", [])}


def _counts_text(counts: dict[str, int]) -> str:
    return ", ".join(f"{name} {count:,}" for name, count in counts.items())


def _dataset(manifest: dict[str, Any], splits: dict[str, int]) -> dict[str, Any]:
    """Return the properties of section "Dataset-level Information"."""
    without = " Without the title and the text of the articles." if manifest["text"] == "none" else ""
    properties = {name: manifest[name] for name in ("name", "version")} | {
        "description": f"Articles with {manifest['task']}. Rows: {_counts_text(splits)}.{without}",
        "datePublished": manifest["created_at"],
        "license": _licence(manifest["licence"]),
        "url": f"https://huggingface.co/datasets/{manifest['repo']}" if manifest["repo"] else None,
        "inLanguage": sorted(language for language in manifest["languages"] if language != "unknown"),
        "keywords": list(dict.fromkeys(["labelmill", manifest["task"], manifest["label"]["name"]])),
        "isLiveDataset": False,
    }
    return _without_empty(properties)


def _licence(licence: str | None) -> str | None:
    """Return the URL of a licence of https://spdx.org/licenses/, else its name; None where there is none."""
    name = (licence or "unknown").lower()
    spdx_ids = {one.lower(): one for one in _LICENCES.split()}
    spdx = name.upper() if _CC.fullmatch(name) else spdx_ids.get(name)
    return f"https://spdx.org/licenses/{spdx}" if spdx else None if name == "unknown" else licence


def _provenance(manifest: dict[str, Any]) -> dict[str, Any]:
    """Return the properties of section "Provenance Representation", terms of https://www.w3.org/TR/prov-o/ and its `prov:label`."""
    previous, licences = manifest["previous"], manifest["licences"]
    articles = {"@id": "source-articles", "license": [*filter(None, map(_licence, licences))]}
    origins = [_prov("Entity", "Source articles", articles | {"description": f"By licence: {_counts_text(licences)}."})]
    before = {"@id": f"versions/{previous}", "version": previous}
    origins += [_prov("Entity", f"{manifest['name']} {previous}", before)] if previous else []
    activities = [*map(_run, manifest["runs"]), *_reviews(manifest["label_sources"])]
    return _without_empty({"prov:wasDerivedFrom": origins, "prov:wasGeneratedBy": activities})


def _prov(kind: str, label: str, properties: dict[str, Any]) -> dict[str, Any]:
    return _without_empty({"@type": f"prov:{kind}", "prov:label": label, **properties})


def _run(run: dict[str, Any]) -> dict[str, Any]:
    """Return a labelling run as an activity: when, by what, with which prompt."""
    prompt = _prov("Entity", f"Prompt {run['prompt'] or ''}".strip(), {"sha256": run["prompt_sha256"]})
    properties = {
        "@id": f"runs/{run['run_id']}",
        "description": f"Labels of {run['rows']:,} rows.",
        "prov:startedAtTime": run["first_at"],
        "prov:endedAtTime": run["last_at"],
        "prov:used": prompt if run["prompt_sha256"] else None,
        "prov:wasAssociatedWith": _agents(run),
    }
    return _prov("Activity", f"Labelling run {run['run_id']}", properties)


def _agents(run: dict[str, Any]) -> list[dict[str, Any]]:
    """Return the provider, the model that was asked for, and those that answered, by the names that the endpoint gave them."""
    by_agent = {run["provider"]: ["The provider of labelmill that was asked."]}
    if run["model"]:
        by_agent.setdefault(run["model"], []).append("The model that was asked for.")
    for model, count in run["models_served"].items():
        if model != "unknown":
            by_agent.setdefault(model, []).append(f"It gave {count:,} answers.")
    return [_prov("SoftwareAgent", name, {"description": " ".join(texts)}) for name, texts in by_agent.items()]


def _reviews(sources: dict[str, int]) -> list[dict[str, Any]]:
    counts = {kind: sources[kind] for kind in ("verified", "edited") if sources.get(kind)}
    people = {"prov:wasAssociatedWith": _prov("Agent", "Human reviewers", {})}
    properties = {"@id": "review", "description": f"Rows: {_counts_text(counts)}. {_BY}", **people}
    return [_prov("Activity", "Human review", properties)] if counts else []


def _node(kind: str, name: str, **properties: Any) -> dict[str, Any]:
    return {"@type": f"cr:{kind}", "@id": name, "name": name.rpartition("/")[2], **properties}


def _file_object(path: str, digest: str, base: str) -> dict[str, Any]:
    """Return a file (sections "FileObject", "Checksums"), its address relative to the description where it has no other."""
    kind = _PARQUET if path.endswith(".parquet") else "application/octet-stream"
    return _node("FileObject", path, contentUrl=f"{base}{path}", encodingFormat=kind, sha256=digest)


def _file_set(name: str, splits: Iterable[str]) -> dict[str, Any]:
    """Return the Parquet files of some splits (section "FileSet")."""
    return _node("FileSet", name, encodingFormat=_PARQUET, includes=[f"data/{split}-*.parquet" for split in splits])


def _split_records(splits: dict[str, int]) -> dict[str, Any]:
    """Return the splits (section "Splits"); a data type that is not atomic stands beside one that is ("DataType")."""
    url = _field("splits/url", "What the split is for.", ["sc:URL", "cr:Split"])
    fields = [_field("splits/name", "Name of the split.", "sc:Text"), url]
    data = [{"splits/name": split, "splits/url": _SPLITS[split]} for split in splits]
    text, key = f"Rows: {_counts_text(splits)}.", {"@id": "splits/name"}
    return _node("RecordSet", "splits", description=text, dataType="cr:Split", key=key, field=fields, data=data)


def _row_records(manifest: dict[str, Any], schema: pa.Schema, splits: dict[str, int]) -> dict[str, Any]:
    """Return the rows (section "RecordSet"); the split is in the name of a row's file ("Splits", "Transform")."""
    source = _source(_ALL, fileProperty="filename") | {"transform": {"regex": f"^({'|'.join(splits)}).*$"}}
    split = {"source": source, "references": {"field": {"@id": "splits/name"}}}
    fields = [
        _field("default/split", "Split of the row.", "sc:Text") | split,
        *_columns("default", _ALL, manifest, schema),
    ]
    return _node("RecordSet", "default", description="Labelled articles.", key={"@id": "default/id"}, field=fields)


def _file_records(manifest: dict[str, Any], schema: pa.Schema, path: str) -> dict[str, Any]:
    """Return the rows of one file, called by its name."""
    name = path.removeprefix("data/").removesuffix(".parquet")
    fields = _columns(name, {"fileObject": {"@id": path}}, manifest, schema)
    return _node(
        "RecordSet", name, description=f"Labelled articles of {path}.", key={"@id": f"{name}/id"}, field=fields
    )


def _field(name: str, text: str, types: str | list[str]) -> dict[str, Any]:
    return _node("Field", name, description=text, dataType=types)


_Origin = dict[str, dict[str, str]]
_ALL: _Origin = {"fileSet": {"@id": "data-files"}}  # the files that rows are read from


def _source(files: _Origin, **extract: str) -> dict[str, Any]:
    return {**files, "extract": extract}


def _columns(records: str, files: _Origin, manifest: dict[str, Any], schema: pa.Schema) -> list[dict[str, Any]]:
    return [_column(records, files, column) | _label(records, files, column.name, manifest) for column in schema]


def _column(records: str, files: _Origin, column: pa.Field) -> dict[str, Any]:
    """Return a column (section "Field"): a list is an array, `arrayShape` has a -1 for each of its dimensions."""
    kind, dimensions = column.type, 0
    while pa.types.is_list(kind):
        kind, dimensions = kind.value_type, dimensions + 1
    types = "sc:Integer" if pa.types.is_integer(kind) else "sc:Text"
    array = {"isArray": True, "arrayShape": ",".join(["-1"] * dimensions)} if dimensions else {}
    field = _field(f"{records}/{column.name}", _COLUMNS.get(column.name, f"Column {column.name}."), types)
    return field | array | {"source": _source(files, column=column.name)}


def _label(records: str, files: _Origin, name: str, manifest: dict[str, Any]) -> dict[str, Any]:
    """Return what marks the label's field (sections "Label Data", "Provenance Representation"): all runs, and each row's."""
    if name != manifest["label"]["name"]:
        return {}
    run = _field(f"{records}/{name}/run", "Labelling run of the label.", ["sc:Text", "prov:Activity"])
    run |= {"equivalentProperty": "prov:wasGeneratedBy", "source": _source(files, column="run_id")}
    properties = {
        "description": f"The label ({manifest['task']}).",
        "dataType": ["sc:Text", "cr:Label"],
        "annotation": run,
    }
    return properties | {"prov:wasGeneratedBy": [{"@id": f"runs/{one['run_id']}"} for one in manifest["runs"]]}
