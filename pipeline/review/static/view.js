// Puts the state on the screen.
import * as article from "./article.js";
import { el, find } from "./dom.js";
import * as drafts from "./draft.js";
import * as frame from "./frame.js";
import { dock, panel } from "./panel.js";
import { settings, state, storage } from "./state.js";
import { t } from "./strings.js";

/** What the page's buttons call: `act(name, row, value)`, `go(lane)`, `again()`; `outbox` is what they see of it.  Set by app.js. */
export const hands = {};
const built = new WeakMap(); // card -> its text as elements, with marks or (blind) without

/** For a screen reader: what the eye sees by itself. */
export function say(words) {
  const live = find("#live");
  live.textContent = "";
  requestAnimationFrame(() => (live.textContent = words));
}

/** For everybody: what is not to be seen otherwise. */
export function tell(words) {
  say(words);
  const toast = find("#toast");
  toast.textContent = words;
  toast.dataset.shown = "yes";
  clearTimeout(tell.timer);
  tell.timer = setTimeout(() => delete toast.dataset.shown, 2500);
}

/** A card's text, built once; the next card's is built while the reviewer reads this one. */
export function textOf(card, marked) {
  const known = built.get(card);
  if (known?.marked === marked) return known;
  const made = { ...article.build(card, marked), marked };
  built.set(card, made);
  return made;
}

export function showText() {
  const { card, draft } = state;
  const text = textOf(card, draft.revealed);
  find("#article").replaceChildren(article.heading(card, text.title, settings, state.language), text.root);
  window.scrollTo(0, 0);
  const first = find("#article mark");
  if (first && first.getBoundingClientRect().top > window.innerHeight * 0.75) first.scrollIntoView({ block: "center" });
}

/** An article that was not on the screen before. */
export function showCard() {
  showText();
  render();
  if (state.draft.revealed) find("#title").focus({ preventScroll: true }); // which reads it to who cannot see it
  else find(".typing input").focus({ preventScroll: true });
}

export function showNothing() {
  const undo = el("button", { type: "button", class: "action", on: { click: () => hands.act("undo") } }, el("span", { text: t("undo") }), el("kbd", { text: "u" }));
  find("#article").replaceChildren(frame.nothing(state, hands));
  find("#panel").replaceChildren();
  find("#dock").replaceChildren(el("div", { class: "actions" }, undo));
  showFrame();
}

/** Draw the panel and the marks' states anew; the text stays as it is, and so does the focus. */
export function render() {
  const { card, draft, mode } = state;
  const at = document.activeElement?.dataset?.at;
  find("#panel").replaceChildren(...panel(state, hands.act).filter(Boolean));
  find("#dock").replaceChildren(...dock(state, hands.act));
  article.paint(textOf(card, draft.revealed).marks, draft.verdicts, draft.revealed ? draft.current : -1);
  const field = mode && find("#panel .editor:not(.typing) input");
  if (field) {
    field.focus();
    field.select();
  } else if (at) {
    find(`[data-at="${CSS.escape(at)}"]`)?.focus({ preventScroll: true });
  }
  showFrame();
}

export function showFrame() {
  frame.lanes(state, hands.go);
  frame.figures(state);
  showSaved();
}

export function showSaved() {
  frame.saved(hands.outbox, storage.memory.size > 0, hands.act);
}

/** Bring the current phrase before the eyes: its row, and with `inText` its first mark where none is to be seen. */
export function bringCurrent(inText) {
  const { card, draft } = state;
  if (matchMedia("(min-width: 900px)").matches) find("#panel .row.current")?.scrollIntoView({ block: "nearest" });
  find(`[data-at="chip${draft.current}"]`)?.scrollIntoView({ block: "nearest", inline: "nearest" });
  const marks = inText ? (textOf(card, draft.revealed).marks[draft.current] ?? []) : [];
  const seen = (mark) => {
    const { top, bottom } = mark.getBoundingClientRect();
    return top > 80 && bottom < window.innerHeight - 20;
  };
  if (marks.length && !marks.slice(0, 40).some(seen)) marks[0].scrollIntoView({ block: "center" });
}

/** The current phrase and its verdict in words. */
export function spoken() {
  const { card, draft } = state;
  const phrase = [...card.phrases, ...draft.extra][draft.current];
  if (!phrase) return "";
  const verdict = drafts.verdictOf(draft, draft.current);
  return `${draft.current + 1} ${phrase.text}: ${t(verdict === null ? "open" : verdict ? "accepted" : "rejected")}`;
}
