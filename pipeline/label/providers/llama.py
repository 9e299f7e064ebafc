"""A causal chat model in this process, in 4 bits by default: articles go to nobody.

Any model by its Hub name or folder.  The labelling engine gives it many requests at once (`pool`), and they go through the
model together; see `pipeline.label.local_model`.
"""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

from pydantic import Field

from pipeline.core import contracts, plugins
from pipeline.core.errors import ConfigError, RequestFailed
from pipeline.core.options import Options as Base
from pipeline.core.options import in_key
from pipeline.core.types import Reply, Request, Usage
from pipeline.job.label_options import LabelOptions
from pipeline.label.local_model.weights import (
    Weights,
    check_folder,
    describe,
    download,
    folder_of,
    identify,
    is_remembered,
)

if TYPE_CHECKING:
    from pipeline.label.local_model.chat_template import Chat
    from pipeline.label.local_model.generator import Generator

VERSION = 1  # of the prompt form and of the arithmetic: a higher number gives other replies
DEFAULT_MODEL = "meta-llama/Llama-2-7b-chat-hf"
# of a task with many phrases, with JSON, or with prompts before the label's; of one with one label.  A Hangul syllable may take
# three
REPLY_TOKENS = {True: 192, False: 48}
SURE_BELOW = 0.3  # temperature: asked again, the model would say the same


class Options(Base):
    """Defaults as in the field's recipe for labels by a 4-bit Llama-2.  `max_new_tokens` and `first_line` null: as the task has
    it; `batch_tokens` null: as memory has it.  `template`: arguments of the model's chat template."""

    in_every_key = "max_new_tokens temperature top_p top_k repetition_penalty first_line quantization dtype template"
    max_new_tokens: Annotated[int, Field(gt=0)] | None = None
    temperature: Annotated[float, Field(ge=0, allow_inf_nan=False)] = 0.1
    top_p: Annotated[float, Field(gt=0, le=1)] = 1.0
    top_k: Annotated[int, Field(ge=0)] = 50
    repetition_penalty: Annotated[float, Field(gt=0, allow_inf_nan=False)] = 1.1
    first_line: bool | None = None
    quantization: Literal["nf4", "none"] = "nf4"
    dtype: Literal["bfloat16", "float16", "float32"] = "bfloat16"
    template: dict[str, Any] = Field(default_factory=lambda: {"enable_thinking": False})
    revision: str | None = None
    device: Literal["auto", "cuda", "cpu"] = "auto"
    batch_tokens: Annotated[int, Field(gt=0)] | None = None


class Provider(contracts.Provider):
    """A chat model in this process."""

    pool = 512  # requests that it wants at once, to sort and to pack

    def __init__(self, label: LabelOptions, options: Options) -> None:
        self._options = options
        self._asked_for = label.model or DEFAULT_MODEL
        self.model: str = self._asked_for  # once it is identified, with its revision or digest: for people
        for name, value in (("base_url", label.base_url), ("api_key", label.api_key)):
            if value:
                raise ConfigError(f"label.{name}: llama runs in this process; for a server set label.provider: openai")
        column = plugins.load("tasks", label.task).Task.column
        many = column.many or column.schema is not None or bool(label.before)
        self.max_output_tokens: int = options.max_new_tokens or REPLY_TOKENS[many]
        self._first_line = not many if options.first_line is None else options.first_line
        self.repeats = options.temperature < SURE_BELOW
        self._weights: Weights | None = None
        self._base = Path()  # of relative paths
        self.ruler: Chat | None = None  # once the model is loaded
        self._generator: Generator | None = None

    def identify(self, base: Path, memory: Path, refresh: bool) -> None:
        """Find out which weights answer.  Raises ModelError."""
        self._weights, self._base = identify(self._asked_for, self._options.revision, base, memory, refresh), base
        self.model = self._weights.name

    def is_identified(self, base: Path, memory: Path) -> bool:
        """Return whether it is known which weights answer: `identify` would ask nobody and read no weights."""
        return is_remembered(self._asked_for, self._options.revision, base, memory)

    def examine(self, base: Path) -> str:
        """Return what the model's name means, and whether it would run here.  Raises ModelError, MissingExtra."""
        from pipeline.label.local_model import loading

        loading.check_installed(self._options.quantization)
        summary = describe(self._asked_for, self._options.revision, base)
        if folder := folder_of(self._asked_for, base):
            options = self._options
            settings = loading.LoadSettings(options.quantization, options.dtype, options.device)
            examined = loading.examine(folder, folder.name, settings, self.max_output_tokens)
            summary = f"{summary}; {examined.summary}"
        return summary

    @property
    def identity(self) -> dict[str, Any]:
        """Weights and parameters; where and how fast it computes changes no answer."""
        assert self._weights is not None, "identify() comes first"
        stated = in_key(self._options, exclude={"device", "batch_tokens", "revision"})
        resolved = {"max_new_tokens": self.max_output_tokens, "first_line": self._first_line}
        return {**self._weights.identity, "version": VERSION, "parameters": stated | resolved}

    async def open(self) -> None:
        """Load the model.  Raises ModelError, MissingExtra."""
        loop = asyncio.get_running_loop()
        loaded: asyncio.Future[None] = loop.create_future()

        def load() -> None:
            failure = None
            try:
                self._load()
            except BaseException as error:
                failure = error
            with suppress(RuntimeError):  # nobody waits any more
                loop.call_soon_threadsafe(_resolve, loaded, failure)

        threading.Thread(target=load, name="loading", daemon=True).start()  # a second Ctrl-C does not wait for it
        await loaded

    def _load(self) -> None:
        from pipeline.label.local_model import loading

        loading.check_installed(self._options.quantization)
        from pipeline.label.local_model.chat_template import Chat
        from pipeline.label.local_model.generator import Generator
        from pipeline.label.local_model.sampling import Sampling
        from pipeline.label.local_model.wave import Decoder

        options = self._options
        settings = loading.LoadSettings(options.quantization, options.dtype, options.device)
        loaded = loading.load(self._folder(), self.model, settings, self.max_output_tokens)
        self.ruler, self.context_tokens = Chat(loaded.tokenizer, loaded.ends, options.template), loaded.context
        sampling = Sampling(
            self.max_output_tokens, options.temperature, options.top_p, options.top_k, options.repetition_penalty
        )
        is_done = self.ruler.has_first_line if self._first_line else _never
        decoder = Decoder(loaded.model, self.ruler.ends, sampling, is_done)
        self._generator = Generator(decoder, min(options.batch_tokens or loaded.budget, loaded.budget))

    def _folder(self) -> Path:
        assert self._weights is not None, "identify() comes first"
        folder = folder_of(self._asked_for, self._base)
        if folder is None:
            return download(self._asked_for, str(self._weights.commit))
        check_folder(folder.absolute())
        return folder

    def stop(self) -> None:
        """Begin nothing more; what is under way ends."""
        if self._generator:
            self._generator.stop()

    async def close(self) -> None:
        """Wait for the model to end."""
        if self._generator:
            await asyncio.to_thread(self._generator.close)

    async def ask(self, request: Request) -> Reply:
        """Generate a reply.  Raises RequestFailed."""
        from pipeline.label.local_model.generator import OutOfMemory
        from pipeline.label.local_model.pool import NotBegun
        from pipeline.label.local_model.wave import NoNumber

        assert self.ruler is not None and self._generator is not None, "open() comes first"
        prompt = self.ruler.prompt(request.messages)
        try:
            generated = await asyncio.wrap_future(self._generator.submit(prompt))
        except NotBegun as error:
            raise RequestFailed("transient", "stopped", "the job stopped") from error
        except OutOfMemory as error:
            raise RequestFailed("rejected", "out_of_memory", str(error)) from error
        except NoNumber as error:
            advice = f"the model's arithmetic overflows in {error}; label.parameters.dtype: float32 does not"
            raise RequestFailed("rejected", "no_number", advice) from error
        usage = Usage(len(prompt), generated.shared, generated.tokens)
        return Reply(self.ruler.text(generated.ids), generated.finish, self.model, usage=usage)


def _resolve(future: asyncio.Future[None], failure: BaseException | None) -> None:
    if not future.done():
        future.set_exception(failure) if failure else future.set_result(None)


def _never(ids: Sequence[int]) -> bool:
    return False
