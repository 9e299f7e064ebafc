"""The cleaner: a raw model reply in, a label (or a status that says why there is none) out.  Pure; no network.

`clean_reply` steps through the modules in this order.  A module decides what stands in its row, and nothing else does.

| step (module)        | input -> output            | example                                  | may decide                        |
|----------------------|----------------------------|------------------------------------------|-----------------------------------|
| `envelope`           | reply -> answer            | `<think>..</think> A; B` -> `A; B`       | what a server or template added   |
| `Constants` (gate)   | answer -> answer           | `A; B`, line of the prompt, .. -> `A; B` | which line is the prompt's own    |
| `statuses`           | answer -> status or none   | `I'm sorry, I cannot ..` -> `refusal`    | refusal, no answer, language      |
| `container`          | answer -> candidates       | `Here are: 1. A 2. B` -> [`A`, `B`]      | which block, which container      |
| `json_answers`       | JSON, Python -> candidates | `{"reason": "..", "keyphrases": ["A"]}`  | which keys and values are phrases |
| `tables`, `lines`    | rows, lines -> candidates  | `- A\\n- B` -> [`A`, `B`]                | which column, which bullets       |
| `labels`, `markers`  | text -> blocks, items      | `Key phrases: A` -> block `A`            | what is a label, a number         |
| `sentences`          | sentence -> its list       | `The key phrases are A, B.` -> `A, B`    | what announces or concludes       |
| `split`              | one line -> candidates     | `A, B, C` -> [`A`, `B`, `C`]             | the separator, quotes in prose    |
| `paragraphs`         | paragraphs -> its list     | `A; B`, `I hope it helps!` -> `A; B`     | which talk about the list         |
| `lines`              | items -> items             | [`A - what`, `B - what`] -> [`A`, `B`]   | whether all items carry a gloss   |
| `closing`            | reply -> whole or cut off  | `["A", "B"]` -> whole                    | whether the last phrase is whole  |
| `refine`, `trim`     | candidate -> phrases       | `"A" (0.9)` -> [`A`]                     | what is decoration, what a name   |
| `reject`             | phrase -> kept or not      | `By Jane Doe` -> dropped                 | what can be no phrase             |
| `presence`           | phrase, article -> tier    | `기준 금리` -> `기준금리`, `spacing`     | tier, the article's own spelling  |
| `_select` (here)     | phrases -> phrases         | [`A`, .. 9 more] -> 7 of them            | absent ones, the cap              |
| `duplicates`         | phrases -> phrases         | [`A`, `a`] -> [`A`]                      | what is one concept, which stays  |
| `doubt`              | label -> label or status   | a summary cut at its commas: `doubtful`  | what is no list for certain       |
| gates (here)         | label -> label or status   | none in the article: `none_in_article`   | what is no label in silence       |

The gates come before any word list and hold for any language and model: a label of which nothing is in the article
(`none_in_article`), what cannot be read with certainty (`doubtful`, by `doubt`), what the prompt says (`prompt_echo`, by
`clean.prompt_constants`), a page, traceback, schema or program (`faults`: `no_answer`).  `normal` (characters) and
`vocabulary` (words) decide nothing; `short` takes the same steps to one short label, and `clean.closed_set` finds classes in it.
The status of a reply of which no phrase is left is that of the step that took the last one (`_status_without_phrases`).
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import islice
from typing import Literal

from pipeline.clean.cleaner import faults, labels, sentences, statuses
from pipeline.clean.cleaner.closing import is_cut
from pipeline.clean.cleaner.container import CandidateList, find_candidates
from pipeline.clean.cleaner.doubt import doubt, is_evidence
from pipeline.clean.cleaner.duplicates import is_better, place_of, spellings_of, without_particle
from pipeline.clean.cleaner.envelope import ANSWER_CHARS, has_envelope, open_envelope
from pipeline.clean.cleaner.presence import ArticleIndex, Korean
from pipeline.clean.cleaner.refine import is_plain, refine
from pipeline.clean.cleaner.reject import is_damaged, is_function_words, is_phrase, is_sentence
from pipeline.clean.cleaner.short import clean_short, clean_topic
from pipeline.clean.cleaner.statuses import Status
from pipeline.clean.cleaner.trim import trim
from pipeline.clean.prompt_constants import Constants, Prompt, constants_of
from pipeline.core.finish import UNKNOWN, finish_of, withheld

__all__ = ["CleanLabel", "Constants", "Status", "clean_reply", "clean_short"]

Classes = Mapping[str, Sequence[str]]
"""Name of each class -> the other words for it."""

MAX_CANDIDATES = 400  # in one reply; with more than that it is no list of key phrases
_ACRONYM = 5  # letters; WHO is no word of a prompt
_SLOT = re.compile(r"[\[<{][^\[\]<>{}]{1,30}\s\d{1,2}[\]>}]")  # [phrase 4]
_STOPS = tuple(".!?")
_COMPLETE_ENDS = ";；,，、|\n.。!?\"'”’」』)]}"


@dataclass(frozen=True)
class CleanLabel:
    """The result of cleaning one reply.

    `tiers` runs along `phrases` (`exact`, `spacing`, `morphological`, `absent`) and is empty without an article and for a short
    label. `status` is `ok` exactly where there are phrases; `repairs` names the rules that acted, in the order of the steps.
    """

    phrases: list[str]
    tiers: list[str]
    status: Status
    repairs: list[str]


def clean_reply(
    raw: str,
    article: str | None = None,
    *,
    max_phrases: int = 7,
    absent: Literal["flag", "drop", "keep"] = "flag",
    language: str | None = None,
    finish_reason: str | None = None,
    korean: Korean = "rules",
    prompt: Prompt | Constants | None = None,
    task: Literal["keyphrases", "topic", "classes"] = "keyphrases",
    classes: Classes | Sequence[str] | None = None,
) -> CleanLabel:
    """Return the label of one raw reply: key phrases, a topic, or one of `classes`. Never raises on a string; linear in its length.

    `article` decides what is ambiguous and gives the tiers; `absent="drop"` removes phrases that it does not have, `keep` keeps
    also a label that shares nothing with it (`none_in_article` else); `language` (ISO 639-1) chooses the stemmer and tells the
    script where there is no article. `prompt` is what was sent, as text, messages or a shipped prompt's name, so that its own
    words are no phrases; None stands for the task's shipped prompts. Where `finish_reason` says that the reply was cut
    (`closing.is_cut`) the last phrase goes, unless a separator ends it: phrases before it are whole, so the status stays `ok`
    (repair `truncated_tail`); it is `truncated` where none is left. A reply that was blocked or broken off has no phrases. A
    reply whose phrases are all dropped as absent is `empty`.  `korean` names the analysis of inflected Korean words: `kiwi`
    needs the extra `korean`.
    """
    source = ArticleIndex(article, language, korean) if article and article.strip() else None
    constants = prompt if isinstance(prompt, Constants) else constants_of(prompt, task, article)
    if task == "topic":
        return CleanLabel(*clean_topic(raw, source, constants, finish_reason))
    if task == "classes":
        from pipeline.clean.closed_set import ClosedSet  # which reads by this package

        name, status_of_class = ClosedSet(classes or ()).read(raw, finish_reason, source)
        return CleanLabel([name] if name else [], [], status_of_class, [])
    return _Reading(source, constants, max(max_phrases, 0), absent, language).label(raw, article, finish_reason)


@dataclass(slots=True)
class _Reading:
    """One reply that is read for key phrases: what is wanted of it, and the rules that acted so far (`repairs`, in order)."""

    article: ArticleIndex | None
    constants: Constants
    most: int
    absent: Literal["flag", "drop", "keep"]
    language: str | None
    repairs: list[str] = field(default_factory=list)

    def note(self, repair: str) -> None:
        if repair not in self.repairs:
            self.repairs.append(repair)

    def label(self, raw: str, text: str | None, finish_reason: str | None) -> CleanLabel:
        """Return the label of a reply; `text` is the article as given."""
        self.repairs += [UNKNOWN] if finish_of(finish_reason) == "unknown" else []
        if failed := withheld(finish_reason):
            return CleanLabel([], [], failed, self.repairs)
        envelope = open_envelope(raw, text, self.repairs)
        if envelope.unfinished and finish_of(finish_reason) == "cut":
            return CleanLabel([], [], "truncated", self.repairs)
        answer = self._without_prompt(envelope.answer)
        if not any(map(str.isalnum, answer)):
            echoed: Status = "prompt_echo" if answer != envelope.answer else "empty"
            return CleanLabel([], [], "truncated" if envelope.unfinished else echoed, self.repairs)
        if opening := statuses.status_of_opening(answer, self.article):
            return CleanLabel([], [], opening, self.repairs)

        candidates = find_candidates(answer, self.article)
        self.repairs += candidates.containers
        truncated = _drop_tail(candidates, answer, is_cut(finish_reason, raw) or len(answer) == ANSWER_CHARS)
        self.repairs += ["truncated_tail"] if truncated else []
        selected = self._select(islice(self._phrases_of(candidates.items), MAX_CANDIDATES))
        phrases, tiers = [phrase for phrase, _ in selected], [tier for _, tier in selected if tier]
        status = self._turned_away(raw, answer, candidates.items, phrases, tiers)
        if phrases and not status:
            return CleanLabel(phrases, tiers, "ok", self.repairs)
        return CleanLabel([], [], status or self._status_without_phrases(candidates, truncated), self.repairs)

    def _turned_away(
        self, raw: str, answer: str, items: list[str], phrases: list[str], tiers: list[str]
    ) -> Status | None:
        """Return why phrases are no label, by the evidence of reply and article; None where they are one."""
        if 2 * tiers.count("absent") >= len(tiers) and (faults.is_fault(raw) or faults.is_fault(answer)):
            return "no_answer"
        # else they are in the language that was asked for
        source = None if self.absent == "keep" else self.article
        if phrases and statuses.is_other_language(phrases, tiers, source, self.language):
            return "language_mismatch"
        if source is None or not phrases:
            return None
        if not any(map(is_evidence, phrases, tiers)) and not any(map(source.shares, phrases)):
            return "none_in_article"
        reason = doubt(answer, items, phrases, tiers, source)
        self.repairs += [reason] if reason else []
        return "doubtful" if reason else None

    def _without_prompt(self, answer: str) -> str:
        """Return the answer up to a line of the prompt, with which a base model goes on; without such lines before it."""
        if self.article is None:
            return answer
        kept: list[str] = []
        for line in islice(answer.split("\n"), MAX_CANDIDATES):
            if not self.constants.is_line(line) or self.article.has(line.strip()):
                kept.append(line)
                continue
            self.note("prompt_echo")
            if any(any(map(str.isalnum, before)) for before in kept):
                break
        return "\n".join(kept) if "prompt_echo" in self.repairs else answer

    def _phrases_of(self, candidates: list[str]) -> Iterator[str]:
        """Yield the phrases of all candidates, without those that are none. A repeated candidate is refined once."""
        language = self.article.language if self.article else (self.language or "en").casefold()[:2]
        for candidate in islice(dict.fromkeys(map(str.strip, candidates)), MAX_CANDIDATES):
            if is_plain(candidate):  # letters and single spaces: nothing to refine, and most are so
                phrases: Iterable[str] = (candidate,)
            elif is_damaged(candidate) or _SLOT.fullmatch(candidate) or self._is_lone_sentence(candidate):
                self.note("not_a_phrase")
                continue
            else:
                phrases = refine(candidate, self.article)
            for phrase in phrases:
                if phrase != candidate:
                    self.note("trimmed")
                if statuses.is_no_answer(phrase, self.article):
                    self.note("none_word")
                elif is_function_words(phrase, language):
                    self.note("function_words")
                elif self._is_phrase(phrase):
                    yield phrase
                else:
                    self.note("not_a_phrase")

    def _is_lone_sentence(self, candidate: str) -> bool:
        """Tell whether a candidate is one sentence, and not a long phrase that ends a list and goes on in the article."""
        if not is_sentence(candidate) or any(sign in candidate for sign in ",;:"):
            return False
        text, phrase = self.article.text if self.article else "", trim(candidate)
        at = text.find(phrase) if phrase else -1
        return at < 0 or text[at + len(phrase) :][:1] in _STOPS

    def _is_phrase(self, phrase: str) -> bool:
        if statuses.ends_open_list(phrase) or has_envelope(phrase):
            return False
        return is_phrase(phrase) or self._is_title(phrase)

    def _is_title(self, phrase: str) -> bool:
        """Tell whether the article has what reads like a sentence as a name: between quotes, or within a sentence, mark and all."""
        return self.article is not None and (
            self.article.quotes(phrase) or (phrase[-1] in "?!" and self.article.goes_on(phrase))
        )

    def _select(self, phrases: Iterator[str]) -> list[tuple[str, str]]:
        """Return phrases with their tiers (empty without an article): no duplicates, no more than the limit."""
        selected: list[tuple[str, str]] = []
        seen: dict[str, int] = {}  # spelling -> place of its concept
        for phrase in phrases:
            tier, surface = self.article.classify(phrase) if self.article else ("", phrase)
            if self.article and tier in ("morphological", "absent"):
                bare = without_particle(phrase)
                tier, surface = (
                    ("exact", bare) if bare != phrase and self.article.has_exactly(bare) else (tier, surface)
                )
            if surface != phrase and trim(surface) == surface:
                phrase = surface
                self.note("surface")
            keys = spellings_of(phrase)
            if tier == "absent" and (reason := self._not_taken(phrase)):
                self.note(reason)
            elif (at := place_of(phrase, keys, seen, selected, self.article)) is not None:
                self.note("duplicate")
                if is_better(phrase, selected[at][0], self.article):
                    selected[at] = phrase, tier
                seen |= dict.fromkeys(keys, at)
            elif len(selected) == self.most:
                self.note("cap")
                break
            else:
                seen |= dict.fromkeys(keys, len(selected))
                selected.append((phrase, tier))
        return selected

    def _not_taken(self, phrase: str) -> str | None:
        """Return why a phrase that the article does not have is left out, or None."""
        if phrase[-1] in "!?！？":  # Too easy!
            return "not_a_phrase"
        if self.absent == "drop":
            return "absent"
        if self.absent == "flag" and self.article and self.article.is_foreign(phrase):
            return "other_script"
        is_acronym = phrase.isupper() and len(phrase) <= _ACRONYM
        echoes = statuses.is_placeholder(phrase) or (self.constants.say(phrase) and not is_acronym)
        return "prompt_echo" if echoes else None

    def _status_without_phrases(self, candidates: CandidateList, truncated: bool) -> Status:
        if truncated:
            return "truncated"
        if "none_word" in self.repairs or ("literal" in candidates.containers and not candidates.items):
            return "no_answer"
        if "prompt_echo" in self.repairs:
            return "prompt_echo"
        if "other_script" in self.repairs:
            return "language_mismatch"
        if "function_words" in self.repairs and self.article is not None:
            return "none_in_article"
        return "empty" if "absent" in self.repairs else "unparseable"


def _drop_tail(candidates: CandidateList, answer: str, cut: bool) -> bool:
    """Drop the last candidate where the reply stopped inside it; return whether one was dropped.

    A literal has dropped its own already.
    """
    if candidates.cut or not cut or not candidates.items or "literal" in candidates.containers:
        return candidates.cut
    if ";" not in answer and labels.opens_preamble(sentences.strip_interjection(answer)) and not candidates.containers:
        candidates.items.clear()  # it only got as far as announcing the list
        return True
    last = candidates.items[-1].strip()
    if answer[-1] in _COMPLETE_ENDS or not answer.endswith(last):
        return False
    candidates.items.pop()
    return True
