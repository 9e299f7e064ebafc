// Right pane: the phrases with their verdicts, and everything else about the label.
import { button, el } from "./dom.js";
import { fold, outcome, tooMany, verdictOf } from "./draft.js";
import * as editor from "./editor.js";
import { rows, stateOf } from "./rows.js";
import { t, word } from "./strings.js";

/**
 * Build the pane for `view`: {card, draft, mode, settings}.  `mode` is what is being asked: null or {kind: "edit" | "missing" |
 * "note" | "reason"}.  `act(name, row, value)` is called for what the reviewer does with mouse, touch or a form.
 */
export function panel(view, act) {
  const { card, draft } = view;
  const parts = draft.revealed
    ? [
        why(card),
        summary(view),
        rows(view, act),
        missing(view, act),
        typed(view),
        previous(card, draft),
        flags(view, act),
      ]
    : [blind(view, act), flags(view, act)];
  return parts.flat().filter(Boolean);
}

function why(card) {
  const risks = (card.why ?? []).map(({ kind, count }) => el("span", { text: word("why", kind, { n: count }) }));
  return [
    risks.length > 0 && el("p.why", {}, el("strong", { text: t("risky") }), risks),
    card.chosen && card.lane === "triage" && el("p.hint", { text: t("chosen") }),
    card.choices && el("p.hint", { text: t("adjudicate", { n: card.choices.length }) }),
    card.choices && sides(card.choices),
  ];
}

/** Show side by side what label each reviewer would have, and mark what the others would not. */
function sides(choices) {
  const labels = choices.map((choice) => [...choice.accepted, ...choice.added]);
  const inAll = (text) => labels.every((label) => label.some((other) => fold(other) === fold(text)));
  const item = (text) => el(inAll(text) ? "li" : "li.differs", { dir: "auto", text });
  const side = (label, number) => {
    const letter = "ABCDEFGH"[number];
    return el("section", { "aria-label": letter }, el("h2", { text: letter }), el("ul", {}, label.map(item)));
  };
  return el("div.sides", {}, labels.map(side));
}

function summary({ card, draft, settings }) {
  const n = draft.verdicts.filter((verdict) => verdict !== null).length;
  const over = tooMany(card, draft, settings);
  return el("p.summary", {}, [
    el("strong", { text: settings.many ? t("phrases") : settings.label }),
    el("span", { text: t("decided", { n, all: draft.verdicts.length }) }),
    over > 0 && el("span.warning", { text: overlong(over, settings) }),
  ]);
}

/** Return the message on a label with `over` phrases more than the job allows. */
export const overlong = (over, { max_phrases: max }) =>
  `${t("too_many", { n: max + over, max })}: ${t("reject_some", { n: over })}`;

function missing({ mode, settings }, act) {
  if (!settings.many) return null;
  if (mode?.kind !== "missing") {
    return button(".missing", `+ ${t("missing")}`, () => act("missing"), { at: "missing" }, el("kbd", { text: "m" }));
  }
  const common = { save: (text) => act("add", null, text), cancel: () => act("close") };
  if (settings.allowed) return editor.choice({ ...common, allowed: settings.allowed, chosen: "" });
  return editor.line({ ...common, label: t("new_phrase"), hint: t("new_phrase_hint"), done: t("add") });
}

/** Build the pane of a blind article: the reviewer's own phrases before the label. */
function blind({ draft, settings }, act) {
  const save = (text) => act("typed", null, text);
  const form = editor.line({
    kind: ".typing",
    label: t("blind_phrase"),
    hint: t("blind_phrase"),
    done: t("add"),
    save,
  });
  form.input.addEventListener("paste", (event) => {
    const text = event.clipboardData.getData("text");
    if (!text.trim().includes("\n")) return;
    event.preventDefault();
    save(text); // a list from elsewhere: one phrase a line
  });
  const remove = (text) =>
    button(".quiet.small", "✗", () => act("untyped", null, text), { "aria-label": `${t("remove")}: ${text}` });
  return el("section.blind", { "aria-label": t("blind_title") }, [
    el("h2", { text: t("blind_title") }),
    el("p.hint", { text: t(settings.many ? "blind_hint" : "blind_label_hint") }),
    el(
      "ul.typed",
      {},
      draft.typed.map((text) => el("li", {}, el("span", { text }), remove(text))),
    ),
    form,
    button(".primary", t("show_label"), () => act("reveal"), { at: "reveal" }),
  ]);
}

/** Show after the reveal which of the typed phrases the label has.  The others stand among the rows, to be added with one key. */
function typed({ card, draft }) {
  if (!draft.typed?.length) return null;
  const item = (text) => {
    const matched = card.phrases.some((phrase) => fold(phrase.text) === fold(text));
    return matched ? el("li.kept", { text: `${text} ✓ ${t("in_label")}` }) : el("li", { text });
  };
  return facts(t("you_wrote"), draft.typed.map(item));
}

function previous(card, draft) {
  if (!card.previous) return null;
  const now = outcome(card, { ...draft, verdicts: draft.verdicts.map(() => true), edits: {}, extra: [] });
  const without = (left, right) => left.filter((text) => !right.some((other) => fold(other) === fold(text)));
  const fresh = without(now, card.previous.phrases).map((text) => el("li.fresh", {}, el("ins", { text })));
  const removed = without(card.previous.phrases, now).map((text) => el("li.gone", {}, el("del", { text })));
  return fresh.length + removed.length ? facts(t("previous", { name: card.previous.name }), [...fresh, ...removed]) : null;
}

const facts = (text, items) => el("section.facts-list", {}, el("h2", { text }), el("ul", {}, items));

function flags({ draft, mode }, act) {
  if (mode?.kind === "note") {
    const hands = { save: (text) => act("noted", null, text), cancel: () => act("close") };
    return editor.line({ label: t("note"), value: draft.note, hint: t("note_hint"), ...hands });
  }
  const flag = draft.flagged && el("span.flagged", { text: `⚑ ${t("flagged")}` });
  return (flag || draft.note) && el("p.flags", {}, flag, draft.note && el("span.note", { text: draft.note }));
}

/** Build what stands below the pane, and on a small screen at the bottom of it: the phrases once more, and the actions. */
export function dock({ card, draft }, act) {
  const action = (name, key, words, classes = "", props = {}) =>
    button(
      `.action${classes}`,
      el("span", { text: words }),
      () => act(name),
      { at: name, ...props },
      el("kbd", { text: key }),
    );
  const chip = (phrase, row) => {
    const state = stateOf(verdictOf(draft, row));
    const text = phrase.tier === "absent" ? `${phrase.text} · ${t("tier_absent")}` : phrase.text;
    const sign = el("i", { "aria-hidden": "true", text: { accepted: "✓", rejected: "✗", open: "" }[state] });
    const props = { at: `chip${row}` };
    return button(
      `.chip-row.p${row % 9}.${state}`,
      el("b", { text: row + 1 }),
      () => act("toggle", row),
      props,
      el("span", { text }),
      sign,
      el("span.unseen", { text: t(state) }),
    );
  };
  const others = [
    action("skip", "s", t("skip")),
    action("flag", "f", t(draft.flagged ? "flagged" : "flag"), "", { "aria-pressed": String(draft.flagged) }),
    action("note", "n", t("note")),
    action("undo", "u", t("undo")),
  ];
  if (!draft.revealed) return [el("div.actions", {}, others)];
  const verdicts = [
    action("accept_rest", "a", t("accept_rest"), ".primary"),
    action("reject_all", "x", t("reject_all")),
  ];
  const chips = [...card.phrases, ...draft.extra].map(chip);
  return [
    el("div.chips", { role: "group", "aria-label": t("phrases") }, chips),
    el("div.actions", {}, verdicts, others),
  ];
}
