// Actions of a reviewer, and the key of each.
import { finish, keep, openAgain, outbox, reopen, undoArticle } from "./deck.js";
import { find, selectedText } from "./dom.js";
import * as drafts from "./draft.js";
import { guidelines, help, notedList } from "./frame.js";
import { comesIntoSight, isMeantKey } from "./gesture.js";
import { overlong } from "./panel.js";
import { search } from "./search.js";
import { server, settings, state, storage } from "./state.js";
import { t } from "./strings.js";
import { bringCurrent, render, say, showSaved, showText, spoken, tell, toBegin } from "./view.js";

function changed(words) {
  state.mode = null;
  keep();
  render();
  bringCurrent(false);
  say(words ?? spoken());
}

/** Change the draft as one step of undo. */
function step(change, words) {
  drafts.step(state.draft, change);
  state.warned = null;
  changed(words);
}

function stepOn(row, change) {
  if (row >= drafts.rows(state.draft)) return;
  state.draft.current = row;
  step(change);
}

function ask(kind) {
  state.mode = { kind };
  render();
}

function select(row) {
  state.draft.current = row;
  state.mode = null;
  render();
  bringCurrent(true);
  say(spoken());
}

function move(by) {
  const rows = drafts.rows(state.draft);
  if (rows) select((state.draft.current + by + rows) % rows);
}

function add(text) {
  const { card, draft } = state;
  const phrase = drafts.tidy(text);
  if (!phrase) return actions.close();
  const listed = drafts.rowOf(card, draft, phrase) >= 0;
  document.getSelection().removeAllRanges();
  step(() => (draft.current = drafts.add(card, draft, phrase, "missing")), `${t("added")}: ${phrase}`);
  if (listed) tell(t("already", { phrase }));
}

/** Phrases of a blind article, one a line.  Nothing, after at least one: the reviewer is done. */
function type(text) {
  const { card, draft } = state;
  if (reveal.asking === card) return; // the label is on its way, for what was written
  const phrases = text.split("\n").map(drafts.tidy).filter(Boolean);
  if (!phrases.length) return draft.typed.length ? reveal() : undefined;
  document.getSelection().removeAllRanges();
  step(() => {
    for (const phrase of phrases)
      if (!draft.typed.some((other) => drafts.fold(other) === drafts.fold(phrase))) draft.typed.push(phrase);
  }, phrases.join(", "));
  find(".typing input").focus({ preventScroll: true });
}

/** Have the label of a blind article, which the server gives for the phrases that the reviewer wrote. */
async function reveal() {
  if (find(".typing input").value.trim()) find(".typing").commit(); // what was typed but not entered counts
  const { card, draft } = state;
  if (!draft.typed.length) {
    find(".typing input").focus();
    return tell(t("type_first"));
  }
  if (reveal.asking === card) return;
  reveal.asking = card;
  keep();
  try {
    const reply = await server.reveal(card.key, draft.typed);
    if (state.card === card) showLabel({ ...reply.card, lane: card.lane });
  } catch (trouble) {
    outbox.trouble(trouble);
    tell(trouble.kind === "client" ? trouble.message : t("reveal_offline"));
  } finally {
    reveal.asking = null;
  }
}

function showLabel(card) {
  state.draft = drafts.revealed(card, state.draft); // without steps: what was typed before the label was seen stays as it is
  state.card = card;
  showText();
  changed();
  find("#title").focus({ preventScroll: true });
  toBegin();
  comesIntoSight(true);
}

/** Add what is selected in the text; on a blind article to the typed phrases. */
export function addSelection(text) {
  if (state.draft.revealed) add(text);
  else type(text);
}

const actions = {
  select: (row) => row !== state.draft.current && state.mode?.kind !== "edit" && select(row),
  toggle: (row) => stepOn(row, () => drafts.toggle(state.draft, row)),
  judge: (row, verdict) => stepOn(row, () => drafts.judge(state.draft, row, verdict)),
  reason: (row, reason) => stepOn(row, () => drafts.setReason(state.draft, row, reason)),
  edit: (row = state.draft.current) => {
    state.draft.current = row;
    ask("edit");
  },
  edited: (row, text) => stepOn(row, () => drafts.edit(state.card, state.draft, row, drafts.tidy(text))),
  missing: () => {
    const text = settings.allowed ? "" : selectedText(find("#article"));
    if (text && (settings.many || !state.draft.revealed)) addSelection(text);
    else if (!state.draft.revealed) find(".typing input").focus();
    else if (settings.many) ask("missing");
  },
  add: (_, text) => add(text),
  typed: (_, text) => type(text),
  untyped: (_, text) =>
    step(() => (state.draft.typed = state.draft.typed.filter((other) => other !== text)), t("remove")),
  reveal: () => reveal(),
  note: () => ask("note"),
  noted: (_, text) => step(() => (state.draft.note = drafts.tidy(text)), t("note")),
  flag: () => step(() => (state.draft.flagged = !state.draft.flagged), t(state.draft.flagged ? "flag" : "flagged")),
  reject_all: () => state.draft.revealed && step(() => drafts.rejectAll(state.draft), t("reject_all")),
  accept_rest: () => {
    if (!state.draft.revealed) return find(".typing input").focus();
    // an edit that was not closed counts; one that cannot be read keeps the article
    if (state.mode && state.mode.kind !== "reason" && find("#panel .editor").commit() === false) return;
    const over = drafts.tooMany(state.card, state.draft, settings);
    if (over) tell(overlong(over, settings));
    else finish(false);
  },
  skip: () => finish(true),
  undo: () => {
    const { card, draft } = state;
    if (draft && drafts.back(draft)) return changed(t("taken_back"));
    if (draft?.typed && draft.revealed && state.warned !== card.key) {
      state.warned = card.key; // who has seen the label cannot unsee it
      return tell(t("undo_blind"));
    }
    undoArticle();
  },
  close: () => {
    state.mode = null;
    render();
  },
  open_again: (entry) => openAgain(entry),
  dismiss: (entry) => {
    storage.delete(entry.name);
    showSaved();
  },
  help: () => help(settings),
  search: () => search(),
  guidelines: () => settings.guidelines && guidelines(settings.guidelines),
  noted_list: async () => {
    try {
      await outbox.flush();
      notedList((await server.noted()).judgements, reopen);
    } catch (trouble) {
      outbox.trouble(trouble);
      tell(t("undo_offline"));
    }
  },
};

const WITHOUT_ARTICLE = new Set(["undo", "open_again", "dismiss", "help", "guidelines", "noted_list", "search"]);

/** Do something by name: for the keyboard, for buttons and for forms. */
export function act(name, row, value) {
  if (state.card || WITHOUT_ARTICLE.has(name)) actions[name](row, value);
}

const LETTERS = {
  a: "accept_rest",
  Enter: "accept_rest",
  x: "reject_all",
  m: "missing",
  s: "skip",
  f: "flag",
  u: "undo",
  n: "note",
  h: "guidelines",
  "/": "search",
  "?": "help",
};

const WITHOUT_AIM = new Set(["u", "h", "/", "?", "Escape"]); // they judge nothing

/** Obey a command of the keyboard (keys.js); returns whether it was one. */
export function obey(name, event) {
  const held = event.repeat;
  if (!WITHOUT_AIM.has(name) && !isMeantKey(event, name, state.card)) return true;
  if (state.mode?.kind === "reason" && !held && giveReason(name)) return true;
  const { draft } = state;
  if (Object.hasOwn(LETTERS, name)) {
    if (!held) act(LETTERS[name]); // a key that is held down must not judge article after article
    return true;
  }
  if (!draft?.revealed || !drafts.rows(draft)) return false;
  const row = draft.current;
  if (name === "next" || name === "j") move(1);
  else if (name === "previous" || name === "k") move(-1);
  else if (held) return true;
  else if (name === "accept" || name === "reject") act("judge", row, name === "accept");
  else if (name === "e") act("edit");
  else if (name === "r") row < draft.verdicts.length && ask("reason");
  else if (/^[1-9]$/.test(name)) act("toggle", Number(name) - 1);
  else return false;
  return true;
}

/** Give the reason whose letter a key is; returns whether the key was an answer. */
function giveReason(name) {
  const reason = settings.reasons.find((other) => other[0] === name);
  if (reason) act("reason", state.draft.current, reason);
  else act("close"); // another command leaves the question and is obeyed
  return reason !== undefined || name === "Escape";
}
