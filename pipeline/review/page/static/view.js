// Puts the state on the screen.
import * as article from "./article.js";
import { button, el, find } from "./dom.js";
import * as drafts from "./draft.js";
import * as frame from "./frame.js";
import { dock, panel } from "./panel.js";
import { comesIntoSight } from "./gesture.js";
import { settings, state, storage } from "./state.js";
import { t } from "./strings.js";

/** What the page's buttons call: `act(name, row, value)`, `go(lane)`, `again()`; `outbox` is what they see of it.  Set by app.js. */
export const hands = {};
const built = new WeakMap(); // card -> its text as elements, with marks or (blind) without
const whenIdle = window.requestIdleCallback ?? ((call) => setTimeout(() => call({ timeRemaining: () => 9 }), 30));

/** Tell a screen reader what the eye sees by itself. */
export function say(words) {
  const live = find("#live");
  live.textContent = "";
  requestAnimationFrame(() => (live.textContent = words));
}

/** Tell everybody what is not to be seen otherwise. */
export function tell(words) {
  say(words);
  const toast = find("#toast");
  toast.textContent = words;
  toast.dataset.shown = "yes";
  clearTimeout(tell.timer);
  tell.timer = setTimeout(() => delete toast.dataset.shown, 2500);
}

/** Return a card's text and heading, built once. */
function textOf(card, marked) {
  const { language } = state;
  const cached = built.get(card);
  if (cached?.marked === marked && cached.language === language) return cached;
  const made = { ...article.build(card, marked), marked, language };
  made.heading = article.heading(card, made.title, settings, language);
  built.set(card, made);
  return made;
}

/** Write, while the reviewer reads, the rest of a long article, then build the next one. */
export function workAhead() {
  workAhead.asked ??= whenIdle(work, { timeout: 500 });
}

function work(deadline) {
  workAhead.asked = null;
  const { card, draft } = state;
  const text = card && textOf(card, draft.revealed);
  while (text?.more()) {
    paint();
    if (deadline.timeRemaining() < 5) return workAhead();
  }
  if (text) paint();
  const following = state.queues[state.lane]?.[0];
  if (following) textOf(following, !following.blind);
}

function paint() {
  const { card, draft } = state;
  article.paint(textOf(card, draft.revealed), draft.verdicts, draft.revealed ? draft.current : -1);
}

export function showText() {
  const { heading, root } = textOf(state.card, state.draft.revealed);
  find("#article").replaceChildren(heading, root);
  workAhead();
}

/** Scroll to the top, or to the first mark where that is far below; nothing else makes the browser lay the article out. */
export function toBegin() {
  window.scrollTo(0, 0);
  const first = find("#article mark");
  if (first && first.getBoundingClientRect().top > window.innerHeight * 0.75) first.scrollIntoView({ block: "center" });
}

/** Show an article that was not on the screen before. */
export function showArticle() {
  showText();
  render();
  showFrame();
  if (state.draft.revealed)
    find("#title").focus({ preventScroll: true }); // which reads it to who cannot see it
  else find(".typing input").focus({ preventScroll: true });
  toBegin();
  comesIntoSight();
}

export function showNothing() {
  const words = el("span", { text: t("undo") });
  const undo = button(".action", words, () => hands.act("undo"), {}, el("kbd", { text: "u" }));
  find("#article").replaceChildren(frame.nothing(state, hands));
  find("#panel").replaceChildren();
  find("#dock").replaceChildren(el("div.actions", {}, undo));
  showFrame();
}

/** Draw the panel and the marks' states anew; the text stays as it is, and so does the focus. */
export function render() {
  const { mode } = state;
  const at = document.activeElement?.dataset?.at;
  find("#panel").replaceChildren(...panel(state, hands.act));
  find("#dock").replaceChildren(...dock(state, hands.act));
  paint();
  const field = mode && find("#panel .editor:not(.typing) :is(input, textarea)");
  if (field) {
    field.focus();
    field.select();
  } else if (at) {
    find(`[data-at="${CSS.escape(at)}"]`)?.focus({ preventScroll: true });
  }
}

export function showFrame() {
  frame.lanes(state, hands.go);
  frame.figures(state);
  showSaved();
}

export function showSaved() {
  frame.saved(hands.outbox, storage.memory.size > 0, settings, hands.act);
}

/** Bring the current phrase before the eyes: its row, and with `inText` its first mark where none is to be seen. */
export function bringCurrent(inText) {
  const { card, draft } = state;
  if (matchMedia("(min-width: 900px)").matches) find("#panel .row.current")?.scrollIntoView({ block: "nearest" });
  find(`[data-at="chip${draft.current}"]`)?.scrollIntoView({ block: "nearest", inline: "nearest" });
  const text = textOf(card, draft.revealed);
  const marks = inText ? (text.marks[draft.current] ?? []) : [];
  if (inText && !marks.length) {
    while (!marks.length && text.more()); // it is further down than what is written so far
    paint();
  }
  const seen = (mark) => {
    const { top, bottom } = mark.getBoundingClientRect();
    return top > 80 && bottom < window.innerHeight - 20;
  };
  if (marks.length && !marks.slice(0, 40).some(seen)) marks[0].scrollIntoView({ block: "center" });
}

/** Return the current phrase and its verdict in words. */
export function spoken() {
  const { card, draft } = state;
  const phrase = [...card.phrases, ...draft.extra][draft.current];
  if (!phrase) return "";
  const verdict = drafts.verdictOf(draft, draft.current);
  return `${draft.current + 1} ${phrase.text}: ${t(verdict === null ? "open" : verdict ? "accepted" : "rejected")}`;
}
