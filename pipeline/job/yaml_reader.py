"""Reader of files that people write (job files, prompts, `.env`); every mistake is one line."""

from __future__ import annotations

import codecs
import re
from copy import deepcopy
from functools import lru_cache
from pathlib import Path
from typing import Any

import yaml

from pipeline.core import hints
from pipeline.core.errors import ConfigError

_UTF16_BOMS = (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)
_KS_X_1001_SYLLABLE = re.compile(rb"[\xb0-\xc8][\xa1-\xfe]")


class _Loader(yaml.SafeLoader):
    """YAML as people mean it: `no` is Norwegian, not false (YAML 1.2), and a key given twice is an error."""

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Any, Any]:
        seen: set[Any] = set()
        for key_node, _ in node.value:
            key = self.construct_object(key_node, deep=True)
            if not isinstance(key, str):
                raise yaml.MarkedYAMLError(problem=f"the key {key!r} is no text", problem_mark=key_node.start_mark)
            if key in seen:
                raise yaml.MarkedYAMLError(problem=f"the key {key!r} is given twice", problem_mark=key_node.start_mark)
            seen.add(key)
        return super().construct_mapping(node, deep)


_BOOL = "tag:yaml.org,2002:bool"
_Loader.yaml_implicit_resolvers = {
    first: [(tag, pattern) for tag, pattern in resolvers if tag not in (_BOOL, "tag:yaml.org,2002:timestamp")]
    for first, resolvers in yaml.SafeLoader.yaml_implicit_resolvers.items()
}
_Loader.add_implicit_resolver(_BOOL, re.compile(r"^(?:true|True|TRUE|false|False|FALSE)$"), list("tTfF"))


def parse_yaml(text: str, where: str) -> Any:
    """Return the value of a YAML document.  Raises ConfigError with line and column."""
    return deepcopy(_parsed(text, where))


# Each stage looks whose folder it writes to, for which it reads the job file again; a run would parse the same text ten times.
@lru_cache(16)
def _parsed(text: str, where: str) -> Any:
    try:
        return yaml.load(text, Loader=_Loader)
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        position = f"{where}:{mark.line + 1}:{mark.column + 1}" if mark else where
        raise ConfigError(f"{position}: {error.problem or error.context}") from error
    except (yaml.YAMLError, RecursionError) as error:
        raise ConfigError(f"{where}: not YAML ({str(error).splitlines()[0]})") from error


def read_text(path: Path, kind: str) -> str:
    """Return the text of a file (UTF-8, with or without a byte order mark); `kind` is its name in errors.  Raises ConfigError."""
    try:
        content = path.read_bytes()
    except FileNotFoundError as error:
        near = hints.did_you_mean(path.name, [other.name for other in path.parent.glob("*")])
        raise ConfigError(f"{path}: there is no such {kind}{near}") from error
    except OSError as error:
        raise ConfigError(f"{path}: the {kind} cannot be read ({error.strerror})") from error
    if content.startswith(_UTF16_BOMS) or b"\0" in content[:4]:
        raise ConfigError(f"{path}: saved as UTF-16; save the {kind} as UTF-8")
    try:
        return content.decode("utf-8-sig").replace("\r\n", "\n").replace("\r", "\n")
    except UnicodeDecodeError as error:
        line = content.count(b"\n", 0, error.start) + 1
        saved = "saved as CP949" if _is_korean(content) else "is not UTF-8"
        raise ConfigError(f"{path}:{line}: {saved}; save the {kind} as UTF-8") from error


def _is_korean(content: bytes) -> bool:
    """Return whether bytes are Korean as Windows saves it: nearly all that is beyond ASCII is a syllable of KS X 1001, while of
    Chinese and Japanese that pass as CP949 only a half is."""
    try:
        text = content.decode("cp949")
    except UnicodeDecodeError:
        return False
    syllables = len(_KS_X_1001_SYLLABLE.findall(content))
    return syllables >= 0.8 * sum(not c.isascii() for c in text)
