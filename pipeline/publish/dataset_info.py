"""Loading of a version by the library `datasets`: the entries `configs` and `dataset_info` in the head of its card.

`datasets` keeps what it loaded of a local folder under the folder's name and a hash of these entries; neither the path nor the
data counts.  Folders of different jobs have the same names (1.0.0), so the entries have to tell their data apart: the hash
covers the `description` of a configuration (not a key that `datasets` does not know), and that holds the release id.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from pipeline.core.files import digest_of
from pipeline.versions import file_facts
from pipeline.versions.features import Kinds

_DTYPES = {"double": "float64", "float": "float32"}  # Arrow's names of types where `datasets` has others


def configs(rows: Mapping[str, int]) -> list[dict[str, Any]]:
    """Return the configurations of a version with so many rows a split.

    Splits without rows are left out.
    """
    # the splits are declared, or `datasets` takes a file named `eval-*` for the split `test`; a split without rows it cannot open
    data = [{"split": name, "path": f"data/{name}-*.parquet"} for name, count in rows.items() if count]
    runs = [{"split": "runs", "path": "provenance/runs.parquet"}]
    return [
        {"config_name": "default", "default": True, "data_files": data},
        {"config_name": "provenance", "data_files": runs},
    ]


def entries(
    rows: Mapping[str, int],
    folder: Path,
    digests: Mapping[str, str],
    sums: str,
    kinds: Kinds,
    sizes: Mapping[str, int] | None = None,
) -> dict[str, Any]:
    """Return `configs` and `dataset_info` of a written version; `digests` has the SHA-256 of its files by path.

    `sums` tells the checksums of its rows: what `datasets` keeps with the rows that it loaded.  `kinds` are types of columns that
    hold text, `sizes` the `num_bytes` of files, as far as they are known.
    """
    release = {"description": f"release {release_id(digests)}"}
    return {
        "configs": [{**config, **release} for config in configs(rows)],
        "dataset_info": [
            _info(config, folder, sums, kinds, sizes) if config.get("default") else _info(config, folder)
            for config in configs(rows)
        ],
    }


def release_id(digests: Mapping[str, str]) -> str:
    """Return a digest of a version's data files.

    Neither run nor number would do: two jobs may share both.  Provenance is data too: a job that is made again has the same
    rows, asked at another time.
    """
    return digest_of({path: digest for path, digest in digests.items() if path.endswith(".parquet")})


def _info(
    config: Mapping[str, Any],
    folder: Path,
    description: str | None = None,
    kinds: Kinds | None = None,
    sizes: Mapping[str, int] | None = None,
) -> dict[str, Any]:
    """Describe a configuration by its files; `datasets` refuses rows that differ from it in number or type."""
    files = {data["split"]: sorted(folder.glob(data["path"])) for data in config["data_files"]}
    size_of = {folder / name: size for name, size in (sizes or {}).items()}
    splits = [_split(name, paths, kinds or {}, size_of) for name, paths in files.items()]
    stored = [path for paths in files.values() for path in paths]
    return {
        "config_name": config["config_name"],
        **({"description": description} if description else {}),
        "features": [
            {"name": name, **feature} for name, feature in card_features(pq.read_schema(stored[0]), kinds or {})
        ],
        "splits": splits,
        "download_size": sum(path.stat().st_size for path in stored),
        "dataset_size": sum(split["num_bytes"] for split in splits),
    }


def _split(name: str, paths: list[Path], kinds: Kinds, size_of: Mapping[Path, int]) -> dict[str, Any]:
    """Count a split's rows, and its bytes as `datasets` counts them."""
    count = sum(pq.read_metadata(path).num_rows for path in paths)
    size = sum(size_of[path] if path in size_of else file_facts.num_bytes(path, kinds) for path in paths)
    return {"name": name, "num_bytes": size, "num_examples": count}


def card_features(schema: pa.Schema, kinds: Kinds) -> list[tuple[str, dict[str, Any]]]:
    """Return columns with their types as a card has them; `kinds` are those that `datasets` makes of text."""
    return [(column.name, _kind_feature(kinds.get(column.name)) or _feature(column.type)) for column in schema]


def _kind_feature(kind: Sequence[str] | str | None) -> dict[str, Any] | None:
    if kind is None or isinstance(kind, str):
        return None if kind is None else {"dtype": kind}
    return {"dtype": {"class_label": {"names": {str(number): name for number, name in enumerate(kind)}}}}


def _feature(kind: pa.DataType) -> dict[str, Any]:
    """Return a column's type as a card has it: `dtype: string`, `list: string`, `list: {list: int32}`."""
    if pa.types.is_struct(kind):
        return {"struct": _fields(kind)}
    if not pa.types.is_list(kind):
        return {"dtype": _DTYPES.get(str(kind), str(kind))}
    if pa.types.is_struct(kind.value_type):
        return {"list": _fields(kind.value_type)}
    inner = _feature(kind.value_type)
    return {"list": inner.get("dtype", inner)}


def _fields(kind: pa.StructType) -> list[dict[str, Any]]:
    return [{"name": kind.field(number).name, **_feature(kind.field(number).type)} for number in range(kind.num_fields)]
