"""Command `init`: writes a commented job file, or a copy of the quickstart."""

from __future__ import annotations

import re
import shutil
from pathlib import Path

from pipeline.core.errors import ConfigError
from pipeline.core.files import write_bytes
from pipeline.core.hints import did_you_mean
from pipeline.core.resources import QUICKSTART

JOB_FILE = """\
# yaml-language-server: $schema=labelmill.schema.json
# (for editors; it is written by: labelmill schema > labelmill.schema.json)
# A labelling job.  Paths are relative to this file.  ${NAME} reads the environment or .env beside this file.
name: my-keyphrases
workspace: jobs                     # the job's folder is <workspace>/<name>

sources:                            # read in this order; of rows with the same id the first stays
  - type: files
    path: articles/*.jsonl          # or a list, or a folder; .jsonl .csv .tsv .parquet .txt .html, also .gz and .zst
    columns: {id: id, title: title, text: body}    # ours: theirs; also url, published_at, language
    licence: null                   # of the articles, e.g. CC-BY-4.0

filters:                            # in this order; what is dropped is kept with its reason
  - {type: language, keep: [ko]}    # ISO 639-1; detector: auto | langdetect
  - {type: tokens, encoding: cl100k_base, min: 500, max: 1000}   # min inclusive, max exclusive; or tokenizer: NAME
  - {type: duplicates}              # same title or same text: the first stays

label:
  task: keyphrases                  # keyphrases | topic | classes | json: labelmill init --task classes shows what each takes
  prompt: keyphrases/v3             # prompts/keyphrases/v3.yaml beside this file, else the one that ships
  before: []                        # [{prompt: background/v1, as: background}]: asked first, {{ background }} of the prompt
  variables: {}                     # more values for the prompt
  provider: openai                  # openai (any compatible endpoint) | llama (here) | extractive (no model)
  model: gpt-6-luna
  base_url: null                    # default: OPENAI_BASE_URL, else OpenAI
  api_key: null                     # default: OPENAI_API_KEY; else name a variable: ${MY_KEY}
  parameters: {reasoning_effort: none, max_output_tokens: 128}   # as the endpoint names them
  limits: {requests_per_minute: null, tokens_per_minute: null, concurrency: null}    # null: as the endpoint allows
  on_too_long: reject               # reject | truncate (cut the end of the article)
  via: online                       # online | batch (within hours, at half the price)
  reask: 1                          # times that an empty, cut off or refusing reply is asked again
  budget_usd: null                  # a hard cap
  ledger: null                      # default: SQLite in the job's folder; else a file, or ${LEDGER_URL} (PostgreSQL)
  prices: null                      # {"my-model*": {input: 0.1, output: 0.5}}, in dollars for a million tokens
  brake: {window: 200, share: 0.5}  # pause when more than half of the last 200 replies are no good; or null

clean: {max_phrases: 7, max_label_tokens: 64, absent: flag}      # absent phrases: flag | drop | keep

split: {eval: 0.2, salt: v1, similarity: 0.6}   # a share, or a number of rows such as 3000; near-copies are one group

publish:
  to: folder                        # folder | hub
  repo: null                        # user/name, for the Hub; the token is HF_TOKEN
  private: true                     # of a new repository
  text: full                        # full | none (addresses, digests and labels only)
  licence: null                     # of the data set, e.g. cc-by-4.0
  gates: {}                         # {licence: stop}: see docs/publishing.md
  waive: {}                         # {gate: reason} or {gate: {row: reason}}
  redact: []                        # [email, phone, ...]: replaced, not published
  max_absent_rate: 0.3              # of phrases that are not in their text
  min_precision: 0.8                # lower end of the reviewed share of accepted phrases
"""


_TASKS = {  # what a starter file says of a task: its prompt, its section `clean`
    "keyphrases": ("keyphrases/v3", "clean: {max_phrases: 7, max_label_tokens: 64, absent: flag}    # absent: flag | drop | keep"),
    "topic": ("topics/v2", "clean: {max_words: 6}"),
    "classes": ("classes/v2", """\
clean:
  classes: {sports: [sport], politics: [], economy: [business]}   # the other words by which a model may call each
  descriptions: {economy: 'companies, markets, prices'}           # said in the prompt
  other: null                       # the name of one more class, for what fits none of them
  many: false                       # true: an article may belong to several (prompt: classes/v2-many)"""),
    "json": ("json/v1", """\
clean:
  schema:                           # a JSON schema, here or in a file (schema: schema.json); the label's column has its type
    type: object
    properties:
      sentiment: {type: string, enum: [positive, neutral, negative]}
      people: {type: array, items: {type: string}, description: names in full}
    required: [sentiment, people]
    additionalProperties: false
  in_text: ["people[]"]             # texts that must stand in the article, else there is no label"""),
}  # fmt: skip


def starter(task: str) -> str:
    """Return the commented job file for a task.  Raises ConfigError for one that there is none for."""
    if task not in _TASKS:
        raise ConfigError(
            f"--task {task}: there is no starter file for it{did_you_mean(task, [*_TASKS])}; allowed: {', '.join(_TASKS)}"
        )
    prompt, clean = _TASKS[task]
    text = re.sub(r"clean: {max_phrases.*", lambda _: clean, JOB_FILE).replace(
        "name: my-keyphrases\n", f"name: my-{task}\n"
    )
    text = text.replace("max_output_tokens: 128}", "max_output_tokens: 512}") if task == "json" else text
    text = text.replace("  task: keyphrases                  #", f"  task: {task:<28}#")
    return text.replace(f"  prompt: {_TASKS['keyphrases'][0]}             #", f"  prompt: {prompt:<26}#").replace(
        "prompts/keyphrases/v3.yaml", f"prompts/{prompt}.yaml"
    )


def job_file(path: Path, task: str = "keyphrases") -> Path:
    """Write the commented job file for a task; return its path.  Raises ConfigError rather than overwrite one."""
    text = starter(task)
    path = path / "job.yaml" if path.is_dir() else path
    if path.exists():
        raise ConfigError(f"{path}: exists already; give another path")
    write_bytes(path, text.encode())
    return path


def quickstart(path: Path) -> Path:
    """Copy the quickstart into a new folder (`quickstart` where none is named); returns its job file."""
    folder = Path("quickstart") if path == Path("job.yaml") else path
    if folder.exists():
        raise ConfigError(f"{folder}: exists already; give another folder")
    shutil.copytree(QUICKSTART, folder)
    return folder / "job.yaml"
