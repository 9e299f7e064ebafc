"""Validation of what the page sends: nothing that it says is taken on trust."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Callable, Mapping
from dataclasses import asdict
from typing import Any

from pipeline.core.text.folding import fold_space
from pipeline.review.log.judgements import LANES, REASONS, Judgement, now

MOST_CHARACTERS = 300
_MOST_PHRASES, _MOST_NOTE = 200, 5000
MOST_SHOWN = 100_000  # of a phrase in a label: a model that raves is judged too
_KEY = re.compile(r"[0-9a-f]{64}")
_UID = re.compile(r"[\w-]{8,64}", re.ASCII)


class RefusedJudgement(Exception):
    """Refusal of one judgement, which cannot be stored: `uid`, and why in one line."""

    def __init__(self, uid: str, why: str) -> None:
        super().__init__(why)
        self.uid = uid


def judgement_of(
    sent: Any,
    reviewer: str,
    model: str | None,
    planted: Callable[[str], list[str]],
    check: Callable[[str], str | None],
    most: int = 0,
    most_characters: int = MOST_CHARACTERS,
) -> Judgement:
    """Return the judgement that a page sent.  Raises RefusedJudgement.

    `planted` gives the phrases of a text that are known to be wrong; `check` the task's word for a label, None for one that it does
    not know; `most` phrases make a label (0: any number), each of `most_characters`.
    """
    uid = str(sent.get("uid") if isinstance(sent, dict) else "").encode(errors="replace").decode()[:64]
    try:
        judgement = _read(sent, uid, reviewer, model, planted, check, most_characters)
        _check_text(judgement)
        _check_size(judgement, 0 if model else most)
        return judgement
    except (ValueError, TypeError, KeyError, AttributeError, OverflowError) as error:
        raise RefusedJudgement(uid, str(error) or type(error).__name__) from error


def is_digest(key: str) -> bool:
    """Return whether a text is the key of an article: a digest in hex."""
    return _KEY.fullmatch(key) is not None


def with_digest_of_now(sent: Any, nfc: Mapping[str, str]) -> Any:
    """Return what a page sent with its text's digest of now: it may be open since before the text was brought to NFC."""
    digest = nfc.get(str(sent.get("key"))) if isinstance(sent, dict) else None
    return sent if digest is None else {**sent, "key": digest}


def typed_of(sent: Any, most_characters: int = MOST_CHARACTERS) -> tuple[str, list[str]]:
    """Return the article whose label a reviewer asks for, and the phrases written for it.  Raises RefusedJudgement."""
    try:
        key, typed = str(sent["key"]), _phrases(sent, "typed", most_characters)
        json.dumps(typed, ensure_ascii=False).encode()  # half a surrogate pair
    except (ValueError, TypeError, KeyError) as error:
        raise RefusedJudgement("", str(error) or type(error).__name__) from error
    if not _KEY.fullmatch(key) or not typed:
        raise RefusedJudgement("", "your own phrases come before the label of a blind article")
    return key, typed


def _read(
    sent: dict[str, Any],
    uid: str,
    reviewer: str,
    model: str | None,
    planted: Callable[[str], list[str]],
    check: Callable[[str], str | None],
    most_characters: int,
) -> Judgement:
    key, lane = str(sent["key"]), sent.get("lane")
    if not _UID.fullmatch(uid) or not _KEY.fullmatch(key) or lane not in LANES:
        raise ValueError("uid, key or lane is none")
    about: dict[str, Any] = {
        "text_sha256": key,
        "id": str(sent.get("id") or "")[:1000],
        "reviewer": reviewer,
        "at": now(),
        "uid": uid,
    }
    if sent.get("undoes") is not None:
        return Judgement(**about, lane=lane, model=model, undoes=str(sent["undoes"])[:64])
    accepted, rejected = (_phrases(sent, name, MOST_SHOWN) for name in ("accepted", "rejected"))
    if both := set(accepted) & set(rejected):
        raise ValueError(f"{min(both)!r} is both accepted and rejected")
    planted_phrases = [phrase for phrase in planted(key) if phrase in accepted or phrase in rejected]
    typed = _phrases(sent, "typed", most_characters) if lane == "blind" and sent.get("typed") is not None else None
    return Judgement(
        **about,
        lane=lane,
        model=model,
        accepted=[phrase for phrase in accepted if phrase not in planted_phrases],
        rejected=[phrase for phrase in rejected if phrase not in planted_phrases],
        added=[
            _task_label(phrase, check) for phrase in _phrases(sent, "added", most_characters) if phrase not in accepted
        ],
        note=str(sent.get("note") or "")[:_MOST_NOTE],
        reasons=_reasons(sent.get("reasons") or {}, rejected),
        edits=_edits(sent, rejected, check, most_characters),
        planted={phrase: phrase in rejected for phrase in planted_phrases},
        typed=typed,
        seconds=_seconds(sent.get("seconds")),
        flagged=bool(sent.get("flagged")),
        skipped=bool(sent.get("skipped")),
    )


def _phrases(sent: dict[str, Any], name: str, most: int) -> list[str]:
    given = sent.get(name) or []
    if not isinstance(given, list) or len(given) > _MOST_PHRASES or not all(isinstance(p, str) for p in given):
        raise ValueError(f"{name} is no list of phrases")
    phrases = list(dict.fromkeys(filter(None, map(fold_space, given))))
    if too_long := [phrase for phrase in phrases if len(phrase) > most]:
        raise ValueError(f"{too_long[0][:40]!r}.. is longer than {most} characters")
    return phrases


def _check_text(judgement: Judgement) -> None:
    """Raise ValueError for half a surrogate pair."""
    # the log could not take it, and the page would send it for ever
    json.dumps(asdict(judgement), ensure_ascii=False).encode()


def _check_size(judgement: Judgement, most: int) -> None:
    """Raise ValueError where additions would make a label too long.

    One that is too long by itself is judged as it is, and an edit adds nothing to it.
    """
    size = len(judgement.accepted) + len(judgement.added)
    edited = sum(reason == "edited" for reason in judgement.reasons.values())
    if most and not judgement.skipped and size > most and len(judgement.added) > edited:
        raise ValueError(f"{size} phrases; the job allows {most}")


def _seconds(given: Any) -> float | None:
    if given is None:
        return None
    if not math.isfinite(seconds := float(given)):
        raise ValueError("seconds are no number")
    return min(max(seconds, 0.0), 86_400.0)


def _task_label(written: str, check: Callable[[str], str | None]) -> str:
    label = check(written)
    if label is None:
        raise ValueError(f"{written!r} is no label of this job")
    return label


def _reasons(given: Any, rejected: list[str]) -> dict[str, str]:
    if not isinstance(given, dict) or not set(given.values()) <= set(REASONS):
        raise ValueError(f"reasons are {', '.join(REASONS)}")
    folded = {fold_space(str(phrase)): str(reason) for phrase, reason in given.items()}
    return {phrase: folded[phrase] for phrase in rejected if phrase in folded}


def _edits(
    sent: dict[str, Any], rejected: list[str], check: Callable[[str], str | None], most_characters: int
) -> dict[str, str]:
    """Return rejected phrase -> what replaces it."""
    given = sent.get("edits") or {}
    if not isinstance(given, dict):
        raise ValueError("edits are phrases with what replaces them")
    replacements = _phrases({"edits": list(given.values())}, "edits", most_characters)
    labels = {written: _task_label(written, check) for written in replacements}
    folded = {fold_space(str(phrase)): labels.get(fold_space(written), "") for phrase, written in given.items()}
    return {phrase: folded[phrase] for phrase in rejected if folded.get(phrase)}


def as_sent(judgement: Judgement) -> dict[str, Any]:
    """Return a judgement in the form in which a page sends one."""
    caught = judgement.planted
    names = ("uid", "id", "lane", "added", "edits", "reasons", "note", "typed", "seconds", "flagged", "skipped")
    return {
        "key": judgement.text_sha256,
        **{name: getattr(judgement, name) for name in names},
        "accepted": [*judgement.accepted, *(phrase for phrase in caught if not caught[phrase])],
        "rejected": [*judgement.rejected, *(phrase for phrase in caught if caught[phrase])],
    }
