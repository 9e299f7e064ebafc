"""Classes that a reply names: which words stand for which, which it denies, and which it gives only beside another."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import replace

from pipeline.clean.cleaner import vocabulary as words
from pipeline.clean.cleaner.closing import closes, is_cut
from pipeline.clean.cleaner.markers import split_numbered, strip_bullet
from pipeline.clean.cleaner.presence import ArticleIndex
from pipeline.clean.cleaner.reject import is_clause
from pipeline.clean.cleaner.short import ShortAnswer, read_short
from pipeline.clean.cleaner.statuses import Status, is_no_answer
from pipeline.clean.prose import prose_of
from pipeline.core.finish import withheld
from pipeline.core.text.folding import fold_case
from pipeline.core.text.lenient_json import Bare, Collection, find_literal

_MOST_CHARS = 400  # of what may name a class
_MOST_SHARES = 4000  # characters of lines that give each class a share
_WORDS = re.compile(r"[\w+#]+")
_EXPLAINED = re.compile(r"^([^:：\n]{1,40})[:：](.+)$", re.MULTILINE)
_OPENING = re.compile(r"\W{0,9}(\w[\w ]{0,40}?) ?(?:[:,;.(]|[-–—] )")
_OPTIONS = re.compile(r"\w+(?: ?[|/] ?\w+){3,}")
_PHRASES = "|".join(re.escape(word) for word in sorted(words.CORRECTIONS) if not word.isalpha())
# may be an adjective, but not before a colon
_ALONE = "|".join(re.escape(word) for word in sorted(words.CORRECTIONS) if word.isalpha())
# near the beginning of a line
_TAKES_BACK = re.compile(rf"^.{{0,20}}?(?:{_PHRASES})|^\W{{0,5}}(?:{_ALONE})\w{{0,5}}\s*[:：]")
_TURN = re.compile(words.TURNS)
_DENIED_AHEAD, _DENIED_BEHIND = re.compile(words.DENIED_AHEAD), re.compile(words.DENIED_BEHIND)
_SHARE = re.compile(
    r"\s{0,2}[(\[（:：=|-]?\s{0,2}(?:\w{1,12}[:：=]\s?)?(?:(\d{1,3}(?:[.,]\d+)?)\s?(?:[%％]|/\s?10)|([01]?\.\d+))"
)
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
        _, items = split_numbered(answer.lines) or ("", answer.lines.split("\n"))
        named = self._named_by(answer.texts or items)
        if not answer.texts and not named:
            named = self._greatest(answer.lines) or self._explained(answer.lines)
            named = named or self._of_line(answer) or self._every(answer.lines)
        if len(named) == 1 and not self._leaves_open(answer.lines[:_MOST_SHARES], named[0]):
            return named[0], "ok"
        if not named and self._other and is_no_answer(answer.line):
            return self._other, "ok"
        return "", "unparseable"

    def read_many(
        self, raw: str, finish_reason: str | None, article: ArticleIndex | None = None
    ) -> tuple[list[str], Status, list[str]]:
        """Return (classes, status, repairs) of a reply that may name several, in the order of the job file.

        A word that is none of them is left out of a list (`unknown_class`); the class for what fits none of the others stands
        alone.  A reply without any class says that none fits, where it is an empty list or says so.
        """
        if kept_back := withheld(finish_reason):
            return [], kept_back, []
        answer = read_short(raw, finish_reason, article)
        literal = find_literal(prose_of(raw)[0])
        is_empty = literal is not None and not literal.cut and _is_empty(literal.value)
        if answer.status != "ok" and not (is_empty and answer.status in ("empty", "no_answer")):
            says_none = answer.status == "no_answer" and self._other
            return ([self._other], "ok", []) if says_none and self._other else ([], answer.status, [])
        if (is_cut(finish_reason, raw) and not closes(raw)) or (literal is not None and literal.cut):
            return [], "truncated", []
        repairs: list[str] = []
        chosen = _marked_true(literal.value) if literal else None
        answer = answer if chosen is None else replace(answer, texts=chosen)
        is_empty = is_empty or chosen == []
        names = [] if is_empty else self._all_named(answer, repairs)
        if not names and (is_empty or is_no_answer(answer.line)):
            return ([self._other], "ok", []) if self._other else ([], "no_answer", [])
        if self._other in names and len(names) > 1:
            names.remove(self._other)
            repairs.append("other_beside_classes")
        return (names, "ok", repairs) if names else ([], "unparseable", [])

    def _all_named(self, answer: ShortAnswer, repairs: list[str]) -> list[str]:
        """Return the classes that a reply names and does not deny, in the order of the job file."""
        if answer.texts:
            by_text = list(map(self._every, answer.texts))
            if not all(by_text):
                repairs.append("unknown_class")
            named = {name for names in by_text for name in names}
        else:
            named = {name for line in answer.lines.split("\n") for name in self._every(line)}
        return [name for name in dict.fromkeys(self._names.values()) if name in named]

    def _named_by(self, texts: list[str]) -> list[str]:
        """Return the classes that the texts of a literal are."""
        return list(
            dict.fromkeys(name for text in texts if self.get(strip_bullet(text)) for name in self.named_in(text))
        )

    def _explained(self, lines: str) -> list[str]:
        """Return the class that lines give and explain: `sports: It reports a match, not politics.`"""
        heads = [(self.get(head), rest) for head, rest in _EXPLAINED.findall(lines[:_MOST_CHARS])]
        return [heads[0][0]] if len(heads) == 1 and heads[0][0] and is_clause(heads[0][1].strip()) else []

    def named_in(self, text: str) -> list[str]:
        """Return the classes that a text is, or says the article to belong to; of shares the greatest."""
        return self._greatest(text) or self._every(text)

    def _of_line(self, answer: ShortAnswer) -> list[str]:
        """Return the classes of the line that gives the label, and that which begins the reply: `Sports: no word of "economy"`."""
        first = self.get(opening[1]) if (opening := _OPENING.match(answer.lines)) else None
        named = self._every(answer.line)
        is_both = named and first not in named and first in self._every(answer.lines.partition("\n")[0])
        return [first, *named] if first and is_both else named

    def _leaves_open(self, lines: str, name: str) -> bool:
        """Tell whether a reply gives the class as one of a form's choices, in other words, or takes it back on a later line."""
        form = _OPTIONS.search(lines)
        takes_back = ((line, _TAKES_BACK.search(line)) for line in lines.casefold().split("\n")[1:])
        later = (self._mentions(_folding(line[match.end() :])) for line, match in takes_back if match)
        is_open = any(other != name for mentions in later for _, _, other in mentions)
        return is_open or bool(form and self._every(form[0]) == [name])

    def _every(self, text: str) -> list[str]:
        if (whole := self.get(text)) and not _DENIED_AHEAD.search(text):
            return [whole]
        folding = _folding(text)
        return list(dict.fromkeys(name for _, _, name in self._given(folding)))

    def _greatest(self, lines: str) -> list[str]:
        """Return the class to which lines give the greatest share, where they give one to each of several."""
        folding = _folding(lines, _MOST_SHARES)
        given = self._given(folding)
        shares = [match[1] or match[2] for _, end, _ in given if (match := _SHARE.match(folding, end))]
        numbers = [float(share.replace(",", ".")) for share in shares]
        return [given[numbers.index(max(numbers))][2]] if len(given) == len(numbers) > 1 else []

    def _given(self, folding: str) -> list[tuple[int, int, str]]:
        """Return (start, end, name) of the classes that a folded text gives, not denied, asked about or in a remark."""
        remarks = [match.span() for match in _REMARK.finditer(folding)]
        every = self._mentions(folding)
        around = folding
        for start, end, _ in every:
            around = around[:start] + " " * (end - start) + around[end:]
        mentions = [(start, end, name) for start, end, name in every if not _is_denied(around, start, end)]
        outside = [mention for mention in mentions if not any(a < mention[0] < b for a, b in remarks)]
        affirmed = outside or mentions
        return [mention for mention in affirmed if folding[mention[1] : mention[1] + 1] not in ("?", "？")] or affirmed

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


def _marked_true(value: Collection) -> list[str] | None:
    """Return the keys of an object that says of each whether it fits, that do: `{"A": true, "B": false}`; None for another."""
    pairs = value.pairs()
    words_of = [inner.text.casefold() for _, inner in pairs if isinstance(inner, Bare)]
    if not pairs or len(words_of) < len(pairs) or not set(words_of) <= {"true", "false", "yes", "no", "1", "0"}:
        return None
    return [key for (key, _), word in zip(pairs, words_of, strict=True) if word in ("true", "yes", "1")]


def _is_empty(value: Collection) -> bool:
    """Tell whether a literal is an empty list, or an object whose only value is one."""
    return not value.items or (
        len(value.pairs()) == 1 and isinstance(inner := value.pairs()[0][1], Collection) and not inner.items
    )


def folded(word: str) -> str:
    """Return the word without case, width, spacing and punctuation, by which no class differs from another."""
    return " ".join(_WORDS.findall(fold_case(word).replace("_", " ")))


def _folding(text: str, most: int = _MOST_CHARS) -> str:
    """Return the beginning of a text without case, a line's end as that of a clause."""
    return fold_case(text[:most].replace("_", " ").replace("\n", " ; "))


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
