"""Section `topics` of a job file: how articles are grouped into topics, and what becomes of these."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, field_validator

from pipeline.core.options import Options
from pipeline.job.label_options import LabelOptions


class EmbedderSpec(BaseModel):
    """Item `{type: name, ...}` before the plugin that it names has checked the rest of it."""

    model_config = ConfigDict(extra="allow")
    type: str

    @property
    def plugin(self) -> str:
        """Return the plugin's name as its module has it: `sentence-transformers` is a name with a hyphen."""
        return self.type if "." in self.type else self.type.replace("-", "_")

    @property
    def values(self) -> dict[str, Any]:
        """Return the options of the plugin itself."""
        return self.model_dump(exclude={"type"})


class TopicOptions(Options):
    """How articles are grouped into topics.

    `embed` may be one embedder or several, whose vectors are joined.  Numbers of topics and their least size follow from the
    articles where they are `auto`.
    """

    embed: Annotated[tuple[EmbedderSpec, ...], Field(repr=False)] = (  # an option may be a key
        EmbedderSpec(type="embedded"),
        EmbedderSpec(type="tfidf"),
    )
    neighbours: Annotated[int, Field(ge=2, le=100)] = 15  # of each article, that make the graph
    nr_topics: Literal["auto"] | Annotated[int, Field(ge=1)] = "auto"
    min_size: Literal["auto"] | Annotated[int, Field(ge=2)] = "auto"  # articles of a topic
    max_unassigned: Annotated[float, Field(ge=0, le=1)] = 0.15  # of the articles may be without a topic
    sample: Annotated[int, Field(ge=100)] = 50_000  # so many articles are grouped; further ones join the nearest topic
    seed: int = 0
    drop: tuple[int, ...] = ()  # articles of these topics go no further
    names: LabelOptions | None = None  # who names topics; null: their best words are their names
    publish: bool = False  # whether rows of versions tell their topic: map_topic_id, map_topic

    @field_validator("embed", mode="before")
    @classmethod
    def _one_or_several(cls, given: Any) -> Any:
        """Return a list; a name alone (`embed: tfidf`) is an embedder with its defaults."""
        items = given if isinstance(given, list | tuple) else [given]
        if not items:
            raise ValueError("give at least one embedder: tfidf, embedded, ...")
        return [{"type": item} if isinstance(item, str) else item for item in items]
