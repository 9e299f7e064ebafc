"""A model that reads an article and writes its label (T5, BART and kin, by name or folder), fitted by PyTorch Lightning."""

from __future__ import annotations

from pipeline.train.generation.options import GenerationOptions
from pipeline.train.generation.student import Writer


class Options(GenerationOptions):
    """Limits as the project's origin had them: 1,024 tokens of article, 64 of label."""

    model: str = "google-t5/t5-small"


class Student(Writer):
    """An encoder reads, a decoder writes."""

    _form = "seq2seq"
