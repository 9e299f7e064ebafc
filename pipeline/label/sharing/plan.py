"""The plan of a run that shares: which articles are asked about, and which take over the answer of a near-copy.

Of a group of near-copies one article is asked about, the first in source order.  Another member takes over its answer where that,
checked against the member's own text by the job's task, leaves a label; a member for which nothing is left gives a second
article of the group a chance, and is asked about itself after that.  An article that was asked about itself keeps its own answer.

Groups are joined by chains (`split.groups`), so two members may have little in common.  A member takes over only answers about
articles that it is directly like, at half of `split.similarity` at least: copies of one story with different edits are, the ends
of a long chain are not.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
import pyarrow as pa

from pipeline.core.types import Article
from pipeline.job.workspace import Workspace
from pipeline.label.articles import ARTICLE_COLUMNS, articles_of
from pipeline.label.chain import Lack
from pipeline.label.ledger import Ledger
from pipeline.label.requests import RequestBuilder
from pipeline.label.selection import Rows
from pipeline.label.sharing import log
from pipeline.label.sharing.log import AnswerSource
from pipeline.label.sharing.near_copies import NearCopies, Numbers

ROUNDS = 2  # articles of a group that are asked about before everyone who has no label yet is
_BATCH = 64  # articles rendered at once
_DONORS = 64  # answers of one group that are looked at: where all were asked about before, there are many
_TRIED = 3  # answers that are tried for one article
_DIRECTLY = 0.5  # of `split.similarity`: how alike a member and the article that was asked about are, at least


@dataclass(slots=True, eq=False)
class NearCopy:
    """An article with near-copies: its number among all rows, and what it stands on so far."""

    row: int
    id: str
    text_sha256: str
    key: bytes = b""  # of its own request, or of the prompt before the label's that has no answer
    is_asked: bool = False  # about itself, with an outcome that is final
    is_answered: bool = False  # that is one that others may share
    is_held: bool = False  # a batch under way asks about it
    notes: tuple[str, ...] = ()  # of the answers to the prompts before the label's
    source: AnswerSource | None = None
    tried: list[bytes] = field(default_factory=list)  # answers that leave no label for it
    waits_for: NearCopy | None = None
    has_failed: bool = False  # it, or the one that it waits for, got no answer in this run

    @property
    def is_open(self) -> bool:
        """Whether it is not known yet what the article stands on."""
        return not (self.is_asked or self.source or self.has_failed)


@dataclass(frozen=True)
class _Donor:
    """Answer that a group has, and a member that is known to be like what it was asked about."""

    member: NearCopy
    source: AnswerSource


class SharingPlan:
    """Who is asked and who shares, of the `chosen` rows of a job, by what the ledger and the log of shared answers know.

    `next_round` names the articles to ask about now; it is called again when those have an outcome, until it names none.
    Afterwards `sources` has the articles that share, and `failed` those whose representative got no answer in this run.
    """

    def __init__(
        self, work: Workspace, builder: RequestBuilder, ledger: Ledger, copies: NearCopies, chosen: Mapping[str, Rows]
    ) -> None:
        self._work, self._builder, self._ledger, self._copies = work, builder, ledger, copies
        self._least = _DIRECTLY * work.config.split.similarity
        self._sizes = _sizes(copies, chosen)
        self._logged = log.load(work, builder.run_id)
        self._rows = {shard: self._concerned(shard, rows) for shard, rows in chosen.items()}
        self._members: dict[str, NearCopy] = {}  # by id
        self._representatives: list[NearCopy] = []
        self._rounds = 0
        self._fresh: list[NearCopy] = []  # whose sources are not logged yet
        self._survey()
        heads: dict[int, list[NearCopy]] = {}
        for member in self._members.values():
            heads.setdefault(int(copies.heads[member.row]), []).append(member)
        self._groups = list(heads.values())

    # --- what the stage asks ---

    @property
    def sources(self) -> dict[str, AnswerSource]:
        """The source of each article, by its id, that takes over an answer."""
        return {member.id: member.source for member in self._members.values() if member.source}

    @property
    def failed(self) -> dict[str, NearCopy]:
        """For each article, by its id, that got no answer in this run: the one that was asked about, which may be itself."""
        return {member.id: member.waits_for or member for member in self._members.values() if member.has_failed}

    @property
    def waiting(self) -> set[str]:
        """The ids of articles that wait for what their representative is answered."""
        return {member.id for member in self._members.values() if member.is_open and member.waits_for}

    def next_round(self) -> list[str]:
        """Return the ids of the articles to ask about now, before any other of their groups; empty: there is no more of them."""
        self._hear_of_representatives()
        self._try({member.id: donors for member, donors in self._candidates()})
        self._representatives = self._choose() if self._rounds < ROUNDS else []
        self._rounds += 1
        return [member.id for member in self._representatives]

    def keep(self) -> None:
        """Log what is shared from now on."""
        log.append(self._work, self._builder.run_id, [(m.text_sha256, m.source) for m in self._fresh if m.source])
        self._fresh = []
        if self.sources:
            log.note_similarity(self._work)

    def articles(self, ids: set[str]) -> Iterator[list[Article]]:
        """Yield the articles with these ids, some at a time."""
        wanted = {self._members[row_id].row for row_id in ids}
        for shard, numbers in self._rows.items():
            start = self._copies.starts[shard]
            rows = np.array([number for number in numbers if start + int(number) in wanted], np.int64)
            yield from self._some(shard, rows)

    # --- what is known before ---

    def _some(self, shard: str, rows: Numbers) -> Iterator[list[Article]]:
        if not len(rows):
            return
        table = self._work.filtered.read(shard, ARTICLE_COLUMNS)
        for at in range(0, len(rows), _BATCH):
            some = articles_of(table.take(pa.array(rows[at : at + _BATCH], pa.int64())))
            yield self._work.given.as_given(shard, some)

    def _concerned(self, shard: str, rows: Rows) -> Numbers:
        """Return which rows of a shard have a near-copy among the chosen ones, or had one whose answer they share."""
        numbers = np.asarray(rows, np.int64)
        concerned = self._sizes[self._copies.heads[self._copies.starts[shard] + numbers]] > 1
        if self._logged:
            texts = self._work.filtered.read(shard, ["text_sha256"]).column(0).take(pa.array(numbers))
            concerned |= np.array([text in self._logged for text in texts.to_pylist()], bool)
        return numbers[concerned]

    def _survey(self) -> None:
        """Find out which articles were asked about themselves, and what the others share already."""
        answered = self._ledger.asked({source.key for source in self._logged.values()})
        for shard, numbers in self._rows.items():
            rows = iter(numbers)
            for articles in self._some(shard, numbers):
                members = [
                    NearCopy(self._copies.starts[shard] + int(next(rows)), each.id, each.text_sha256)
                    for each in articles
                ]
                self._members |= {member.id: member for member in members}
                self._look_up(members, articles)
                for member in members:
                    source = self._logged.get(member.text_sha256)
                    if not (member.is_asked or member.is_held) and source and source.key in answered:
                        member.source = source

    def _look_up(self, members: Sequence[NearCopy], articles: list[Article]) -> None:
        """Note which of some members were asked about themselves, with an outcome that is final, and which a batch asks about."""
        asked = self._builder.requests(articles, self._ledger)
        keys = list({each.key for each in asked})
        outcomes = self._ledger.spent(keys)
        held = self._ledger.asked((key for key in keys if key not in outcomes), in_batches=True)
        for member, each in zip(members, asked, strict=True):
            member.key, member.is_held = each.key, each.key in held
            member.is_asked = each.status == "rejected" if isinstance(each, Lack) else each.key in outcomes
            member.notes = () if isinstance(each, Lack) else each.notes
            has_reply = any(outcome.is_answered for outcome in outcomes.get(each.key, ()))
            member.is_answered = member.is_asked and not isinstance(each, Lack) and has_reply

    # --- a round ---

    def _hear_of_representatives(self) -> None:
        """Note what became of those that were asked about, and of those that wait for them."""
        if not self._representatives:
            return
        for articles in self.articles({member.id for member in self._representatives}):
            self._look_up([self._members[each.id] for each in articles], articles)
        waiting = [member for member in self._members.values() if member.waits_for]
        for member in self._representatives:
            member.has_failed = not member.is_asked
        for member in waiting:
            if member.waits_for and member.waits_for.has_failed:
                member.has_failed = True  # asking all of the group would pay for an endpoint's bad hour
            else:
                member.waits_for = None
        self._representatives = []

    def _candidates(self) -> Iterator[tuple[NearCopy, list[_Donor]]]:
        """Yield each open member with the answers that it may share, those about the likest article first."""
        for group in self._groups:
            open_members = [member for member in group if member.is_open and not member.is_held]
            donors = _donors(group) if open_members else []
            rows = np.array([donor.member.row for donor in donors], np.int64)
            for member in open_members if donors else ():
                likeness = self._copies.likeness(member.row, rows)
                near = [donors[i] for i in np.argsort(-likeness, kind="stable") if likeness[i] >= self._least]
                near = [donor for donor in near if donor.source.key not in member.tried]
                if near and len(member.tried) < _TRIED:
                    yield member, near[: _TRIED - len(member.tried)]

    def _try(self, donors: dict[str, list[_Donor]]) -> None:
        """Let members take over the first answer that leaves a label for their own text."""
        for articles in self.articles(set(donors)):
            keys = {donor.source.key for each in articles for donor in donors[each.id]}
            records = self._ledger.get(list(keys))
            for article in articles:
                member = self._members[article.id]
                for donor in donors[article.id]:
                    if member.key == donor.source.key:  # the same question: the answer is its own
                        member.is_asked = member.is_answered = True
                        break
                    replies = [r.reply for r in records.get(donor.source.key, []) if r.reply]
                    if any(self._builder.parse_shared(reply, article).status == "ok" for reply in replies):
                        member.source = donor.source
                        self._fresh.append(member)
                        break
                    member.tried.append(donor.source.key)

    def _choose(self) -> list[NearCopy]:
        """Choose who is asked about: the first of each group that is open, and whoever is not directly like one chosen before.

        Who is in a batch under way is asked about already, and comes first.
        """
        chosen = []
        for group in self._groups:
            of_group: list[NearCopy] = []
            open_members = sorted((member for member in group if member.is_open), key=lambda each: not each.is_held)
            for member in open_members if len(open_members) > 1 else ():
                rows = np.array([each.row for each in of_group[:_DONORS]], np.int64)
                near = np.flatnonzero(self._copies.likeness(member.row, rows) >= self._least)
                if len(near) and not member.is_held:
                    member.waits_for = of_group[int(near[0])]
                else:
                    of_group.append(member)
            waited_for = {id(member.waits_for) for member in open_members if member.waits_for}
            chosen += [member for member in of_group if id(member) in waited_for or member.is_held]
        return chosen


def _sizes(copies: NearCopies, chosen: Mapping[str, Rows]) -> Numbers:
    """Return for each head how many chosen rows are in its group."""
    heads = [copies.heads[copies.starts[shard] + np.asarray(rows, np.int64)] for shard, rows in chosen.items()]
    return np.bincount(np.concatenate([np.zeros(0, np.int64), *heads]), minlength=len(copies.heads))


def _donors(group: Sequence[NearCopy]) -> list[_Donor]:
    """Return the answers that a group has, each once, those of the first articles first."""
    donors: dict[bytes, _Donor] = {}
    for member in group:
        source = AnswerSource(member.key, member.id, member.notes) if member.is_answered else member.source
        if source and len(donors) < _DONORS:
            donors.setdefault(source.key, _Donor(member, source))
    return list(donors.values())
