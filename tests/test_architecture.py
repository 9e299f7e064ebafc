"""The house rules: who may import whom, what starts fast, what every plugin has."""

from __future__ import annotations

import ast
import subprocess
import sys
from pathlib import Path

import pytest

from pipeline import plugins
from pipeline.config import FilterOptions, Options, SourceOptions
from tests.conftest import ROOT

PACKAGE = ROOT / "pipeline"
PLUGIN_FOLDERS = ("sources", "filters", "tasks", "providers")
# A module may import from its own layer's packages and from lower layers; never upward.
LAYERS = [
    {"errors", "records", "resources"},
    {"plugins"},
    {"text"},
    {"config"},
    {"tables"},
    {"cleaner", "extraction"},
    {"sources", "filters", "tasks", "providers"},
    {"workspace", "prompts"},
    {"engines", "labelling", "review", "publishing"},
    {"stages"},
    {"job", "doctor", "starter"},
    {"cli", "__init__"},
]
HEAVY = {"torch", "transformers", "ray", "trafilatura", "datasets", "pandas", "openai", "tiktoken", "langdetect"}


def imports(path: Path) -> set[str]:
    """Modules that a file imports anywhere in it, `if TYPE_CHECKING` included."""
    found = set()
    for node in ast.walk(ast.parse(path.read_text("utf-8"))):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            found |= {f"{node.module}.{alias.name}" for alias in node.names}
    return found


def top_level_imports(path: Path) -> set[str]:
    tree = ast.parse(path.read_text("utf-8"))
    nodes = [node for node in tree.body if isinstance(node, ast.Import | ast.ImportFrom)]
    return {
        name.split(".")[0]
        for node in nodes
        for name in ([alias.name for alias in node.names] if isinstance(node, ast.Import) else [node.module or ""])
    }


def layer(name: str) -> int:
    return next(number for number, names in enumerate(LAYERS) if name in names)


FILES = sorted(PACKAGE.rglob("*.py"))


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.relative_to(PACKAGE).as_posix())
def test_no_arrow_points_upward(path: Path) -> None:
    own = path.relative_to(PACKAGE).parts[0].removesuffix(".py")
    if own == "__init__":
        return  # the public face reaches everywhere, on first use
    for module in imports(path):
        parts = module.split(".")
        if parts[0] == "pipeline" and len(parts) > 1 and parts[1] != own:
            assert layer(parts[1]) <= layer(own), f"{path.name} imports {module}"
            assert own not in PLUGIN_FOLDERS or parts[1] not in PLUGIN_FOLDERS, f"{path.name} imports {module}"


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.relative_to(PACKAGE).as_posix())
def test_heavy_packages_are_imported_where_they_are_used(path: Path) -> None:
    assert not top_level_imports(path) & HEAVY


@pytest.mark.parametrize("folder", PLUGIN_FOLDERS)
def test_plugins_of_a_kind_do_not_import_each_other(folder: str) -> None:
    names = {path.stem for path in (PACKAGE / folder).glob("*.py")}
    for path in (PACKAGE / folder).glob("*.py"):
        for module in imports(path):
            if module.startswith(f"pipeline.{folder}."):
                assert module.split(".")[2] not in names - {path.stem}


def test_help_loads_nothing_slow() -> None:
    code = (
        "import sys; from pipeline.cli import main\n"
        "try: main(['run', '--help'])\nexcept SystemExit: pass\n"
        "print([m for m in sys.modules if m in ('pydantic', 'pyarrow', 'numpy', 'yaml', 'aiohttp', 'jinja2', 'tqdm')])"
    )
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd=ROOT, check=True)
    assert result.stdout.splitlines()[-1] == "[]"


@pytest.mark.parametrize(
    ("kind", "name"), [(kind, name) for kind in PLUGIN_FOLDERS for name in plugins.names(kind)]  # type: ignore[arg-type]
)  # fmt: skip
def test_every_plugin_keeps_its_contract(kind: plugins.Kind, name: str) -> None:
    module = plugins.load(kind, name)
    base = {"sources": SourceOptions, "filters": FilterOptions}.get(kind, Options)
    assert issubclass(module.Options, base)
    assert module.__doc__, "a plugin says what it is"
    cls = getattr(module, {"sources": "Source", "filters": "Filter", "providers": "Provider", "tasks": "Task"}[kind])
    wanted = {
        "sources": ("units", "read"),
        "filters": ("columns", "decide"),
        "providers": ("identity", "uses_prompt"),
        "tasks": ("variables", "parse"),
    }[kind]
    for attribute in wanted:
        assert hasattr(cls, attribute), attribute
    if kind == "providers":
        assert hasattr(cls, "answer") != hasattr(cls, "ask")


def test_a_plugin_of_somebody_else(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "theirs.py").write_text("class Options: pass\n")
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "shouting.py").write_text(
        "import pyarrow as pa\nfrom pipeline.config import FilterOptions\n"
        "class Options(FilterOptions):\n    most: float = 0.3\n"
        "class Filter:\n"
        "    columns = pa.schema([('capitals', pa.float64())])\n"
        "    def __init__(self, options): self._most = options.most\n"
        "    def decide(self, articles):\n"
        "        shares = [sum(map(str.isupper, t)) / len(t) for t in articles.column('text').to_pylist()]\n"
        "        return ['shouting' if s > self._most else None for s in shares], {'capitals': shares}\n"
    )
    monkeypatch.syspath_prepend(tmp_path)
    assert plugins.load("filters", "mine.shouting").Filter
    with pytest.raises(Exception, match="no Filter"):
        plugins.load("filters", "pipeline.errors")


def test_files_stay_small() -> None:
    long = {path.name: lines for path in FILES if (lines := path.read_text("utf-8").count("\n")) > 330}
    assert not long
