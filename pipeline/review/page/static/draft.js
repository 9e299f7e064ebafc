// Draft of a judgement on the article before the reviewer.  No page, no storage and no network here.

/** Return the form in which phrases are compared; the server's `fold_case` is the same for what people write. */
export const fold = (phrase) => phrase.normalize("NFKC").replace(/\s+/g, " ").trim().toLowerCase();

export const tidy = (phrase) => phrase.normalize("NFC").replace(/\s+/g, " ").trim();

const has = (phrases, phrase) => phrases.some((other) => fold(other) === fold(phrase));

/** Fields that `undo` brings back; the cursor and the seconds are not among them. */
const UNDOABLE = ["verdicts", "edits", "reasons", "extra", "note", "flagged", "typed", "revealed"];

/**
 * Make a fresh draft.  `verdicts`: true, false or null for each phrase of the card; `edits` and `reasons`: by its index;
 * `extra`: phrases that are not in the label, `on` where they should be: {text, from: "missing" | "typed" | "A" | ..., on}.
 */
export function begin(card) {
  const agreed = (phrase) => {
    const verdicts = card.choices.map(
      (choice) => has(choice.accepted, phrase.text) || (has(choice.rejected, phrase.text) ? false : null),
    );
    return verdicts.every((verdict) => verdict === verdicts[0]) ? verdicts[0] : null;
  };
  const typed = card.typed ?? (card.blind ? [] : null);
  return {
    phrases: card.phrases.map((phrase) => fold(phrase.text)).join("\n"), // whose indices these are
    verdicts: card.phrases.map((phrase) => (card.choices ? agreed(phrase) : phrase.verdict)),
    edits: {},
    reasons: {},
    extra: card.choices ? offers(card.choices) : card.blind ? [] : unmatched(card, typed ?? []),
    note: "",
    flagged: false,
    typed,
    revealed: !card.blind,
    current: 0,
    seconds: 0,
    steps: [],
  };
}

/** Return what the reviewers of an adjudication card added, each phrase once. */
function offers(choices) {
  const offered = new Map();
  choices.forEach((choice, number) => {
    for (const text of choice.added) {
      const offer = offered.get(fold(text)) ?? { text, from: "", on: false };
      offered.set(fold(text), { ...offer, from: offer.from + "ABCDEFGH"[number], on: offer.from !== "" });
    }
  });
  return [...offered.values()];
}

/** Return what the reviewer wrote before the label was shown and the label has not: offered, not added. */
const unmatched = (card, typed) =>
  typed
    .filter((text) => !card.phrases.some((phrase) => fold(phrase.text) === fold(text)))
    .map((text) => ({ text, from: "typed", on: false }));

const copy = (draft) => structuredClone(Object.fromEntries(UNDOABLE.map((name) => [name, draft[name]])));

/** Change a draft so that `back` undoes it; a change of nothing is no step. */
export function step(draft, change) {
  const before = copy(draft);
  change();
  if (JSON.stringify(before) !== JSON.stringify(copy(draft))) draft.steps.push(before);
}

export function back(draft) {
  const before = draft.steps.pop();
  if (before) Object.assign(draft, before);
  draft.current = Math.min(draft.current, Math.max(0, rows(draft) - 1));
  return before !== undefined;
}

/** Count the phrases to point at: the label's, then the extra ones. */
export const rows = (draft) => draft.verdicts.length + draft.extra.length;

export function verdictOf(draft, row) {
  return row < draft.verdicts.length ? draft.verdicts[row] : draft.extra[row - draft.verdicts.length].on;
}

export function judge(draft, row, verdict) {
  if (row >= draft.verdicts.length) {
    draft.extra[row - draft.verdicts.length].on = verdict === true;
    return;
  }
  draft.verdicts[row] = verdict;
  if (verdict !== false) {
    delete draft.reasons[row];
    delete draft.edits[row];
  }
}

/** Most phrases are right and `a` accepts them, so the first press on an open phrase says that it is wrong. */
export function toggle(draft, row) {
  const extra = row >= draft.verdicts.length;
  judge(draft, row, extra ? !verdictOf(draft, row) : verdictOf(draft, row) === false);
}

export function rejectAll(draft) {
  draft.verdicts.forEach((verdict, row) => verdict === false || judge(draft, row, false)); // reasons and edits stay
}

export function setReason(draft, row, reason) {
  if (row >= draft.verdicts.length) return;
  judge(draft, row, null); // an edit has its own reason
  judge(draft, row, false);
  draft.reasons[row] = reason;
}

/** Replace a phrase by `text`; the phrase itself brings it back. */
export function edit(card, draft, row, text) {
  if (!text) return;
  if (row >= draft.verdicts.length) {
    Object.assign(draft.extra[row - draft.verdicts.length], { text, on: true });
  } else if (text === card.phrases[row].text) {
    judge(draft, row, true);
  } else {
    judge(draft, row, false);
    delete draft.reasons[row];
    draft.edits[row] = text;
  }
}

/** Return the row of a phrase that is in the label or among the extra ones; -1 for none. */
export function rowOf(card, draft, phrase) {
  return [...card.phrases, ...draft.extra].findIndex((other) => fold(other.text) === fold(phrase));
}

/** Add a phrase that the label lacks, or accept it where it is there; returns its row. */
export function add(card, draft, phrase, from) {
  let row = rowOf(card, draft, phrase);
  if (row < 0) row = draft.extra.push({ text: phrase, from, on: false }) + draft.verdicts.length - 1;
  judge(draft, row, true);
  return row;
}

/** Make the draft of a blind article whose label has come with `card`. */
export function revealed(card, { note, flagged, seconds }) {
  return Object.assign(begin(card), { note, flagged, seconds });
}

/** Return the label as it would be now. */
export function outcome(card, draft) {
  const kept = card.phrases.filter((_, row) => draft.verdicts[row] !== false).map((phrase) => phrase.text);
  const label = [...kept];
  for (const text of additions(draft)) if (!has(label, text)) label.push(text);
  return label;
}

/**
 * Return how many phrases more than the job allows the reviewer's additions would make of the label; 0 where it may go on.  An edit adds
 * nothing, and a label that is too long by itself is judged as it is: one of its phrases may be the planted one.
 */
export function tooMany(card, draft, { many, max_phrases: max, model }) {
  if (!many || !max || model || !draft.revealed || !draft.extra.some((phrase) => phrase.on)) return 0;
  return Math.max(0, outcome(card, draft).length - max);
}

function additions(draft) {
  return [...Object.values(draft.edits), ...draft.extra.filter((phrase) => phrase.on).map((phrase) => phrase.text)];
}

/** Make the judgement to send, in the words of the server; open phrases count as accepted. */
export function toJudgement(card, draft, uid, skipped) {
  const rejected = card.phrases.filter((_, row) => draft.verdicts[row] === false).map((phrase) => phrase.text);
  const accepted = card.phrases.filter((_, row) => draft.verdicts[row] !== false).map((phrase) => phrase.text);
  const why = [...Object.entries(draft.reasons), ...Object.keys(draft.edits).map((row) => [row, "edited"])];
  // by `fromEntries`: a phrase may be called `__proto__`, to which nothing can be assigned
  const reasons = Object.fromEntries(why.map(([row, reason]) => [card.phrases[row].text, reason]));
  const edits = Object.fromEntries(Object.entries(draft.edits).map(([row, text]) => [card.phrases[row].text, text]));
  const added = [];
  for (const text of additions(draft)) if (!has(added, text) && !accepted.includes(text)) added.push(text);
  const decision = skipped
    ? { accepted: [], rejected: [], added: [], edits: {}, reasons: {}, typed: null }
    : { accepted, rejected, added, edits, reasons, typed: draft.typed };
  return {
    uid,
    key: card.key,
    id: card.id,
    lane: card.lane,
    ...decision,
    note: draft.note,
    seconds: Math.round(draft.seconds * 10) / 10,
    flagged: draft.flagged,
    skipped,
    undoes: null,
  };
}

/** Make a draft of a judgement, to open it again after a reload. */
export function fromJudgement(card, judgement) {
  const draft = begin(card);
  const edits = Object.values(judgement.edits ?? {});
  const left = judgement.added.filter((text) => !has(edits, text));
  card.phrases.forEach((phrase, row) => {
    draft.verdicts[row] = has(judgement.accepted, phrase.text)
      ? true
      : has(judgement.rejected, phrase.text)
        ? false
        : draft.verdicts[row];
    const given = Object.hasOwn(judgement.reasons, phrase.text); // a phrase may be called `constructor`
    const reason = given ? judgement.reasons[phrase.text] : null;
    const edited = Object.hasOwn(judgement.edits ?? {}, phrase.text) ? judgement.edits[phrase.text] : null;
    if (edited !== null) draft.edits[row] = edited;
    else if (reason === "edited" && left.length) draft.edits[row] = left.shift(); // of a page that did not say which
    else if (reason) draft.reasons[row] = reason;
  });
  draft.extra = draft.extra.map((phrase) => ({ ...phrase, on: has(left, phrase.text) }));
  for (const text of left) if (rowOf(card, draft, text) < 0) draft.extra.push({ text, from: "missing", on: true });
  if (card.blind) draft.typed = judgement.typed ?? [];
  return Object.assign(draft, { note: judgement.note, flagged: judgement.flagged, seconds: judgement.seconds ?? 0 });
}

/** Return whether a draft that was stored still fits its card, whose label may have been made anew since. */
export const fits = (card, draft) => draft.phrases === card.phrases.map((phrase) => fold(phrase.text)).join("\n");
