"""Classes that a reply names: which words stand for which, which it denies, and which it gives only beside another."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence

from pipeline.clean.cleaner import vocabulary as words
from pipeline.clean.cleaner.presence import ArticleIndex
from pipeline.clean.cleaner.short import read_short
from pipeline.clean.cleaner.statuses import Status, is_no_answer
from pipeline.core.finish import withheld
from pipeline.core.text.folding import fold_case

_MOST_CHARS = 400  # of what may name a class
_WORDS = re.compile(r"[\w+#]+")
_TURN = re.compile(words.TURNS)
_DENIED_AHEAD, _DENIED_BEHIND = re.compile(words.DENIED_AHEAD), re.compile(words.DENIED_BEHIND)
_SHARE = re.compile(r"\s{0,2}[(\[（:：=-]?\s{0,2}(?:\w{1,12}[:：=]\s?)?(?:\d{1,3}(?:[.,]\d+)?\s?[%％]|[01]?\.\d+)")
_LINK = re.compile(r"(?:[\s,，、/]|(?<!\w)(?:or|and|nor|ou|et|oder|und|o|y|e|ni|the|an?)(?!\w))*")
_REMARK = re.compile(r"[(\[（][^()\[\]（）]{0,200}[)\]）]")


class ClosedSet:
    """The words of a job's classes; `other` is the one for what fits none of them."""

    def __init__(self, classes: Mapping[str, Sequence[str]] | Sequence[str], other: str | None = None) -> None:
        named = classes if isinstance(classes, Mapping) else dict.fromkeys(classes, ())
        self._other = other
        self._names = {folded(word): name for name, others in named.items() for word in (name, *others)}
        if other:
            self._names.setdefault(folded(other), other)

    def get(self, word: str) -> str | None:
        """Return the class that a word stands for as a whole, or None."""
        return self._names.get(folded(word))

    def read(self, raw: str, finish_reason: str | None, article: ArticleIndex | None = None) -> tuple[str, Status]:
        """Return (class, status) of a reply; the class is empty unless the status is `ok`."""
        if kept_back := withheld(finish_reason):
            return "", kept_back
        answer = read_short(raw, finish_reason, article)
        whole = folded(raw[:_MOST_CHARS])
        exact = self._names.get(whole)
        if exact and not (answer.status == "truncated" and self._may_become_another(whole, exact)):
            return exact, "ok"
        if answer.status == "no_answer" and self._other:
            return self._other, "ok"
        if answer.status != "ok":
            return "", answer.status
        named = self._named_by(answer.texts or answer.lines.split("\n"))
        named = named if answer.texts or len(named) > 1 else self.named_in(answer.line)
        if not named and not answer.texts:
            named = self.named_in(answer.lines)
        if len(named) == 1:
            return named[0], "ok"
        if not named and self._other and is_no_answer(answer.line):
            return self._other, "ok"
        return "", "unparseable"

    def _named_by(self, texts: list[str]) -> list[str]:
        """Return the classes that the texts of a literal are."""
        return list(dict.fromkeys(name for text in texts if (name := self.get(text))))

    def named_in(self, text: str) -> list[str]:
        """Return the classes that a text is, or says the article to belong to; the first where it gives each a share."""
        if whole := self.get(text):
            return [whole]
        folding = fold_case(text[:_MOST_CHARS].replace("_", " "))
        remarks = [match.span() for match in _REMARK.finditer(folding)]
        every = self._mentions(folding)
        around = folding
        for start, end, _ in every:
            around = around[:start] + " " * (end - start) + around[end:]
        mentions = [(start, end, name) for start, end, name in every if not _is_denied(around, start, end)]
        outside = [mention for mention in mentions if not any(a < mention[0] < b for a, b in remarks)]
        counted = outside or mentions
        names = list(dict.fromkeys(name for _, _, name in counted))
        shared = len(names) > 1 and all(_SHARE.match(folding, end) for _, end, _ in counted)
        return names[:1] if shared else names

    def _mentions(self, text: str) -> list[tuple[int, int, str]]:
        """Return (start, end, name) of each class that the text has as whole words, the longest where they overlap."""
        spans = [match.span() for match in _WORDS.finditer(text)]
        joined = " ".join(text[start:end] for start, end in spans)
        offsets = [at for start, end in spans for at in (*range(start, end), end)]
        mentions: list[tuple[int, int, str]] = []
        for word, name in sorted(self._names.items(), key=lambda item: -len(item[0])):
            for start in _starts(word, joined):
                span = offsets[start], offsets[start + len(word) - 1] + 1
                if not any(span[0] < end and begin < span[1] for begin, end, _ in mentions):
                    mentions.append((*span, name))
        return sorted(mentions)

    def _may_become_another(self, beginning: str, exact: str) -> bool:
        """Tell whether a reply that was cut after a class's name may have been on its way to another: Art, Art history."""
        return any(word.startswith(beginning) and name != exact for word, name in self._names.items())


def folded(word: str) -> str:
    """Return the word without case, width, spacing and punctuation, by which no class differs from another."""
    return " ".join(_WORDS.findall(fold_case(word).replace("_", " ")))


def _starts(word: str, text: str) -> list[int]:
    """Return where the text holds the word as a whole one; Korean, Japanese and Chinese write on without a space."""
    starts = []
    at = text.find(word) if word else -1
    while at >= 0:
        before, behind = text[at - 1 : at] if at else "", text[at + len(word) : at + len(word) + 1]
        if (before in ("", " ") or "\u3040" <= word[0] <= "\u9fff") and (behind in ("", " ") or not behind.isascii()):
            starts.append(at)
        at = text.find(word, at + 1)
    return starts


def _is_denied(text: str, start: int, end: int) -> bool:
    """Tell whether the text says of a mention that it is not the class: `not A but B`, `A가 아니라 B`."""
    if _DENIED_BEHIND.match(text, end):
        return True
    turns = [match.end() for match in _TURN.finditer(text, 0, start)]
    clause = text[turns[-1] if turns else 0 : start]
    denials = list(_DENIED_AHEAD.finditer(clause))
    if not denials:
        return False
    comma = max(clause.rfind(sign) for sign in ",，、")
    return comma < denials[-1].end() or _LINK.fullmatch(clause[comma:]) is not None
