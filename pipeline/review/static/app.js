// The review page: what is shown, and what a key, a click or a tap does.  Everything else is in the modules below.
import * as article from "./article.js";
import { Clock } from "./clock.js";
import { el, find, selectWord, selectedText } from "./dom.js";
import * as drafts from "./draft.js";
import * as frame from "./frame.js";
import { command, isComposing, isTyping } from "./keys.js";
import { Outbox } from "./outbox.js";
import { dock, panel } from "./panel.js";
import { Server } from "./server.js";
import { Storage, newUid } from "./storage.js";
import { fill, speak, t } from "./strings.js";

const AHEAD = 10; // cards held beyond the one that is shown
const REMEMBERED = 50; // judged articles that `undo` needs no server for
const settings = JSON.parse(document.body.dataset.settings);
const state = {
  settings,
  lane: settings.lane,
  left: Object.fromEntries(settings.lanes.map((lane) => [lane.name, lane.left])),
  figures: null,
  queues: Object.fromEntries(settings.lanes.map((lane) => [lane.name, []])),
  exhausted: {}, // lanes of which the server has no more
  card: null,
  draft: null,
  mode: null,
  history: [], // {card, draft, uid} of this sitting, oldest first
  sitting: [], // seconds of each judgement
  failed: false,
  full: false,
};
let language = settings.ui;
const clock = new Clock();
const storage = new Storage(settings.job + (settings.model ? `|${settings.model}` : ""), settings.reviewer, () => (state.full = true));
const server = new Server(settings);
const outbox = new Outbox(storage, server, showSaved, heard);
const built = new WeakMap(); // card -> its text as elements, with marks or (blind) without

// --- what is shown ---

function say(words) {
  find("#live").textContent = "";
  requestAnimationFrame(() => (find("#live").textContent = words));
  find("#toast").textContent = words;
  find("#toast").dataset.shown = "yes";
  clearTimeout(say.timer);
  say.timer = setTimeout(() => delete find("#toast").dataset.shown, 2500);
}

function textOf(card, marked) {
  const known = built.get(card);
  if (known?.marked === marked) return known;
  const made = { ...article.build(card.text, card.phrases.length, marked), marked };
  made.root.lang = card.language ?? "";
  built.set(card, made);
  return made;
}

function show(card) {
  state.card = card;
  state.mode = null;
  state.draft = stored(card);
  clock.start(state.draft.seconds);
  showText();
  render();
  find("#title").focus({ preventScroll: true });
  say.quiet = find("#live").textContent = card.title || card.id;
  if (!state.draft.revealed) find(".blind input")?.focus({ preventScroll: true });
  const next = state.queues[state.lane][0];
  if (next) setTimeout(() => textOf(next, !next.blind), 30); // while this one is read
}

function stored(card) {
  const draft = storage.get(`draft/${card.key}`);
  if (draft?.judgement) return drafts.fromJudgement(card, draft.judgement);
  return draft && drafts.fits(card, draft) ? draft : drafts.begin(card);
}

function showText() {
  const { card, draft } = state;
  const text = textOf(card, draft.revealed);
  find("#article").replaceChildren(article.heading(card, settings, language), text.root);
  window.scrollTo(0, 0);
  const first = text.root.querySelector("mark");
  if (first && first.getBoundingClientRect().top > window.innerHeight * 0.75) first.scrollIntoView({ block: "center" });
}

function showNothing() {
  Object.assign(state, { card: null, draft: null, mode: null });
  find("#article").replaceChildren(frame.nothing(state, go, () => ((state.exhausted = {}), showNothing(), refill())));
  find("#panel").replaceChildren();
  find("#dock").replaceChildren(el("div", { class: "actions" }, el("button", { type: "button", class: "action", on: { click: undo } }, el("span", { text: t("undo") }), el("kbd", { text: "u" }))));
  document.body.classList.add("empty");
  showFrame();
}

/** Draw the panel and the marks' states anew; the text stays as it is. */
function render() {
  const { card, draft, mode } = state;
  const at = document.activeElement?.dataset?.at;
  document.body.classList.remove("empty");
  find("#panel").replaceChildren(...panel(state, act).filter(Boolean));
  find("#dock").replaceChildren(...dock(state, act));
  article.paint(textOf(card, draft.revealed).marks, draft.verdicts, draft.revealed ? draft.current : -1);
  const field = mode && find("#panel .editor input");
  if (field) {
    field.focus();
    field.select();
  } else if (at) {
    find(`[data-at="${CSS.escape(at)}"]`)?.focus({ preventScroll: true });
  }
  showFrame();
}

function showFrame() {
  frame.lanes(state, go);
  frame.figures(state, language);
  showSaved();
}

function showSaved() {
  frame.saved(outbox, state.full, act);
}

/** Bring the current phrase before the eyes: its row, and if `inText` its first mark. */
function reveal(inText) {
  const { card, draft } = state;
  if (matchMedia("(min-width: 900px)").matches) find("#panel .row.current")?.scrollIntoView({ block: "nearest" });
  find(`[data-at="chip${draft.current}"]`)?.scrollIntoView({ block: "nearest", inline: "nearest" });
  const marks = textOf(card, true).marks[draft.current] ?? [];
  const seen = (mark) => {
    const { top, bottom } = mark.getBoundingClientRect();
    return top > 80 && bottom < window.innerHeight - 20;
  };
  if (inText && marks.length && !marks.slice(0, 40).some(seen)) marks[0].scrollIntoView({ block: "center" });
}

// --- articles come and go ---

const held = () => [state.card, ...Object.values(state.queues).flat()].filter(Boolean).map((card) => card.key);

async function refill() {
  const { lane } = state;
  const queue = state.queues[lane];
  if (refill.running || queue.length >= AHEAD || state.exhausted[lane]) return;
  refill.running = true;
  clearTimeout(refill.timer);
  try {
    while (queue.length < AHEAD && !state.exhausted[lane]) {
      const reply = await server.queue(lane, AHEAD + 6 - queue.length, [...new Set([...held(), ...outbox.keys()])]);
      const known = new Set([...held(), ...outbox.keys()]);
      const fresh = reply.articles.filter((card) => !known.has(card.key));
      state.exhausted[lane] = fresh.length === 0;
      queue.push(...(queue.length || state.card ? fresh : startedFirst(fresh)));
      state.failed = false;
      take({ figures: reply.figures, left: { [lane]: reply.left } });
      if (!state.card && lane === state.lane) next();
    }
  } catch {
    state.failed = true;
    refill.timer = setTimeout(refill, 3000);
    if (!state.card) showNothing();
  } finally {
    refill.running = false;
  }
  if (lane !== state.lane) refill();
}

/** After a reload the article that was before the reviewer comes first again. */
function startedFirst(cards) {
  const at = (card) => storage.get(`draft/${card.key}`)?.at ?? 0;
  return [...cards].sort((one, other) => at(other) - at(one));
}

function take(reply) {
  if (reply.figures) state.figures = reply.figures;
  if (reply.left && !outbox.waiting().length) Object.assign(state.left, reply.left);
  showFrame();
}

function heard(reply) {
  state.failed = false;
  state.exhausted = {};
  take(reply);
  refill();
}

function next() {
  const card = state.queues[state.lane].shift();
  if (card) show(card);
  else showNothing();
  refill();
}

function go(lane) {
  if (lane === state.lane && state.card) return;
  putBack();
  state.lane = lane;
  state.exhausted = {};
  const address = new URL(location.href);
  address.searchParams.set("lane", lane);
  history.replaceState(null, "", address);
  next();
}

/** Leave the current article for later, with what was said of it. */
function putBack() {
  if (!state.card) return;
  keep();
  state.queues[state.card.lane]?.unshift(state.card);
  state.card = null;
}

function keep() {
  if (!state.card) return;
  state.draft.seconds = clock.read();
  state.draft.at = Date.now();
  storage.set(`draft/${state.card.key}`, state.draft);
}

function finish(skipped) {
  const { card, draft } = state;
  draft.seconds = clock.read();
  const judgement = drafts.toJudgement(card, draft, newUid(), skipped);
  outbox.add(judgement);
  storage.delete(`draft/${card.key}`);
  state.history.push({ card, draft, uid: judgement.uid });
  if (state.history.length > REMEMBERED) state.history.shift();
  state.sitting.push(judgement.seconds);
  count(card.lane, -1);
  next();
}

function count(lane, change) {
  if (state.left[lane] !== undefined) state.left[lane] = Math.max(0, state.left[lane] + change);
}

// --- undo ---

async function undo() {
  if (state.draft && drafts.back(state.draft)) return changed(t("taken_back"));
  const last = state.history.pop() ?? (await earlier());
  if (!last) return;
  const refused = outbox.refused().find((entry) => entry.judgement.uid === last.uid);
  if (refused) storage.delete(refused.name);
  else outbox.add({ uid: newUid(), key: last.card.key, id: last.card.id, lane: last.card.lane, undoes: last.uid });
  count(last.card.lane, 1);
  open(last.card, last.draft);
}

/** The newest judgement that the server knows: of before a reload, or of long ago. */
async function earlier() {
  if (undo.asking) return null;
  undo.asking = true;
  try {
    if (!(await outbox.flush())) throw new Error("judgements are waiting");
    const [found] = (await server.history(1)).judgements;
    if (!found) return void say(t("undo_end"));
    return { card: found.card, uid: found.judgement.uid, draft: drafts.fromJudgement(found.card, found.judgement) };
  } catch {
    return void say(t("undo_offline"));
  } finally {
    undo.asking = false;
  }
}

function open(card, draft) {
  putBack();
  for (const queue of Object.values(state.queues)) {
    const at = queue.findIndex((other) => other.key === card.key);
    if (at >= 0) queue.splice(at, 1);
  }
  if (card.lane in state.queues && card.lane !== state.lane) state.lane = card.lane;
  storage.set(`draft/${card.key}`, { ...draft, at: Date.now() });
  show(card);
  say(`${t("taken_back")}: ${card.title || card.id}`);
}

/** A refused judgement: its article once more.  The server may know it anew (another label), so ask it first. */
async function openAgain({ name, judgement }) {
  const mine = state.history.find((entry) => entry.uid === judgement.uid);
  storage.delete(name);
  storage.set(`draft/${judgement.key}`, { judgement, at: Date.now() });
  const reply = await server.queue(judgement.lane, 16, held()).catch(() => ({ articles: [] }));
  const card = reply.articles.find((other) => other.key === judgement.key) ?? mine?.card;
  if (card) open(card, drafts.fromJudgement(card, judgement));
  else say(t("comes_again", { id: judgement.id }));
  showSaved();
}

// --- what the reviewer does ---

function changed(words) {
  state.mode = null;
  keep();
  render();
  reveal(false);
  say(words ?? spoken());
}

function spoken() {
  const { card, draft } = state;
  const phrase = [...card.phrases, ...draft.extra][draft.current];
  const verdict = draft.verdicts.length && drafts.verdictOf(draft, draft.current);
  return phrase ? `${draft.current + 1} ${phrase.text}: ${t(verdict === null ? "open" : verdict ? "accepted" : "rejected")}` : "";
}

function ask(kind) {
  state.mode = { kind };
  render();
}

function move(by) {
  const count = drafts.rows(state.draft);
  if (!count) return;
  state.draft.current = (state.draft.current + by + count) % count;
  state.mode = null;
  render();
  reveal(true);
  say(spoken());
}

function addPhrase(text, from = "missing") {
  const { card, draft } = state;
  const phrase = drafts.tidy(text);
  if (!phrase) return act("close");
  const known = drafts.rowOf(card, draft, phrase);
  drafts.step(draft, () => (draft.current = drafts.add(card, draft, phrase, from)));
  document.getSelection().removeAllRanges();
  changed(known >= 0 ? t("already", { phrase }) : `${t("added")}: ${phrase}`);
}

function addTyped(text) {
  const { draft } = state;
  const phrases = text.split("\n").map(drafts.tidy).filter(Boolean);
  if (!phrases.length) return draft.typed.length ? act("reveal") : undefined;
  const fresh = phrases.filter((phrase) => !draft.typed.some((other) => drafts.fold(other) === drafts.fold(phrase)));
  drafts.step(draft, () => draft.typed.push(...fresh));
  document.getSelection().removeAllRanges();
  changed(phrases.join(", "));
  find(".blind input").focus({ preventScroll: true });
}

/** With a selection: that; else a box to write in.  On a blind article both go to the typed phrases. */
function missing() {
  const text = selectedText(find("#article"));
  if (!state.draft.revealed) return text ? addTyped(text) : find(".blind input").focus();
  if (!settings.many) return;
  if (text && !settings.allowed) addPhrase(text);
  else ask("missing");
}

function commitOpenForm() {
  const form = state.mode && state.mode.kind !== "reason" && find("#panel .editor");
  if (form) form.commit();
}

function pickRow(row, change) {
  const { draft } = state;
  if (row >= drafts.rows(draft)) return;
  draft.current = row;
  drafts.step(draft, change);
  changed();
}

const actions = {
  toggle: (row) => pickRow(row, () => drafts.toggle(state.draft, row)),
  judge: (row, verdict) => pickRow(row, () => drafts.judge(state.draft, row, drafts.verdictOf(state.draft, row) === verdict && row < state.draft.verdicts.length ? null : verdict)),
  select: (row) => {
    if (state.draft.current === row || state.mode?.kind === "edit") return;
    state.draft.current = row;
    render();
    reveal(true);
  },
  edit: (row) => {
    state.draft.current = row ?? state.draft.current;
    ask("edit");
  },
  edited: (row, text) => pickRow(row, () => drafts.edit(state.card, state.draft, row, drafts.tidy(text))),
  reason: (row, reason) => pickRow(row, () => drafts.setReason(state.draft, row, reason)),
  missing,
  add: (_, text) => addPhrase(text),
  typed: (_, text) => addTyped(text),
  untyped: (_, text) => {
    drafts.step(state.draft, () => (state.draft.typed = state.draft.typed.filter((other) => other !== text)));
    changed("");
  },
  reveal: () => {
    drafts.reveal(state.card, state.draft);
    state.draft.steps = []; // what was typed before the label was seen stays as it is
    keep();
    showText();
    changed(t("label"));
  },
  note: () => ask("note"),
  noted: (_, text) => {
    drafts.step(state.draft, () => (state.draft.note = drafts.tidy(text)));
    changed(t("note"));
  },
  flag: () => {
    drafts.step(state.draft, () => (state.draft.flagged = !state.draft.flagged));
    changed(t(state.draft.flagged ? "flagged" : "flag"));
  },
  reject_all: () => {
    const { draft } = state;
    if (!draft.revealed) return;
    drafts.step(draft, () => draft.verdicts.forEach((verdict, row) => verdict === false || drafts.judge(draft, row, false)));
    changed(t("reject_all"));
  },
  accept_rest: () => {
    if (!state.draft.revealed) return;
    commitOpenForm();
    finish(false);
  },
  skip: () => finish(true),
  undo,
  close: () => {
    state.mode = null;
    render();
  },
};

function act(name, row, value) {
  if (name === "open_again") return openAgain(row);
  if (name === "dismiss") return void (storage.delete(row.name), showSaved());
  return state.card && actions[name](row, value);
}

const LETTERS = { a: "accept_rest", Enter: "accept_rest", x: "reject_all", m: "missing", s: "skip", f: "flag", u: "undo", n: "note" };

/** One command of the keyboard; whether it was one. */
function obey(name, repeated) {
  const { draft } = state;
  if (state.mode?.kind === "reason") return giveReason(name);
  if (name === "?") return frame.help(settings.reasons), true;
  if (name === "u" && !repeated) return void undo() ?? true;
  if (!draft) return false;
  if (draft.revealed) {
    if (name === "next" || name === "j") return move(1), true;
    if (name === "previous" || name === "k") return move(-1), true;
  }
  if (repeated) return true; // a key that is held down must not judge article after article
  if (name in LETTERS) return act(LETTERS[name]), true;
  if (!draft.revealed || !drafts.rows(draft)) return false;
  if (name === "accept" || name === "reject") return pickRow(draft.current, () => drafts.judge(draft, draft.current, name === "accept")), true;
  if (name === "e") return act("edit"), true;
  if (name === "r") return draft.current < draft.verdicts.length && ask("reason"), true;
  if (/^[1-9]$/.test(name)) return act("toggle", Number(name) - 1), true;
  return false;
}

function giveReason(name) {
  const reason = settings.reasons.find((other) => other[0] === name);
  if (reason) act("reason", state.draft.current, reason);
  else act("close");
  return true;
}

document.addEventListener("keydown", (event) => {
  if (find("#help-dialog").open) return;
  const onButton = event.target instanceof Element && event.target.closest("button, a");
  if (onButton && (event.key === "Enter" || event.key === " ")) return; // that is a click
  const name = command(event);
  if (!name) return;
  if (isTyping(event.target)) {
    if (name !== "Escape" || isComposing(event)) return;
    event.target.blur();
    if (state.mode) act("close");
  } else if (!obey(name, event.repeat)) return;
  event.preventDefault();
});

// a click leaves the focus where it is: Enter goes on to mean "accept the rest"
document.addEventListener("mousedown", (event) => event.target.closest("button") && event.preventDefault());

find("#article").addEventListener("click", (event) => {
  const mark = event.target.closest("mark");
  if (mark && !selectedText(find("#article"))) act("select", Number(mark.dataset.row));
});
find("#article").addEventListener("dblclick", selectWord);

const addSelected = find("#add-selected");
document.addEventListener("selectionchange", () => {
  const phrase = state.card && (settings.many || !state.draft.revealed) && !settings.allowed ? selectedText(find("#article")) : "";
  addSelected.hidden = !phrase;
  addSelected.dataset.phrase = phrase;
  addSelected.textContent = t("add_selected", { phrase: phrase.length > 40 ? `${phrase.slice(0, 40)}…` : phrase });
});
// a tap may clear the selection before it is a click, so the button remembers it
addSelected.addEventListener("pointerdown", (event) => {
  event.preventDefault();
  const { phrase } = addSelected.dataset;
  if (state.draft.revealed) addPhrase(phrase);
  else addTyped(phrase);
});

// --- the frame's buttons, and the outer world ---

find("#help").addEventListener("click", () => frame.help(settings.reasons));
find("#theme").addEventListener("click", () => {
  const root = document.documentElement;
  const dark = root.dataset.theme ? root.dataset.theme === "dark" : matchMedia("(prefers-color-scheme: dark)").matches;
  root.dataset.theme = dark ? "light" : "dark";
  try {
    localStorage.setItem("labelmill/theme", root.dataset.theme);
  } catch {
    // no storage: it holds for this page
  }
});
find("#language").addEventListener("click", () => {
  language = language === "ko" ? "en" : "ko";
  const address = new URL(location.href);
  address.searchParams.set("ui", language);
  history.replaceState(null, "", address);
  start();
});

storage.listen((name, value) => {
  showSaved();
  if (!name.startsWith("out/") || !value || value.undoes) return;
  for (const queue of Object.values(state.queues)) {
    const at = queue.findIndex((card) => card.key === value.key);
    if (at >= 0) queue.splice(at, 1); // judged in another tab
  }
  if (state.card?.key === value.key && !state.draft.steps.length) next();
});
for (const event of ["online", "focus"]) window.addEventListener(event, () => (outbox.flush(), refill()));
document.addEventListener("visibilitychange", () => (document.hidden ? keep() : outbox.flush()));
window.addEventListener("pagehide", keep);
window.addEventListener("beforeunload", (event) => storage.memory.size && event.preventDefault());

function start() {
  speak(language);
  fill(document);
  if (state.card) {
    showText();
    render();
  } else showNothing();
}

for (const name of storage.names("draft/").slice(200)) storage.delete(name); // of labels that never came back
start();
outbox.flush();
refill();
