// The right pane: the phrases with their verdicts, and everything else that is known or said about the label.
import { el } from "./dom.js";
import { fold, outcome, verdictOf } from "./draft.js";
import * as editor from "./editor.js";
import { t, word } from "./strings.js";

/**
 * The pane for `view`: {card, draft, mode, settings}.  `mode` is what is being asked: null or {kind: "edit" | "missing" |
 * "note" | "reason"}.  `act(name, row, value)` is called for what the reviewer does with mouse, touch or a form.
 */
export function panel(view, act) {
  const { card, draft } = view;
  if (!draft.revealed) return [blind(view, act), flags(view, act)];
  return [
    card.why?.length ? el("p", { class: "why" }, el("strong", { text: t("risky") }), ...card.why.map((why) => el("span", { text: why }))) : null,
    card.choices ? el("p", { class: "hint", text: t("adjudicate") }) : null,
    summary(view),
    el("ol", { class: "rows", "aria-label": t("phrases") }, ...card.phrases.map((phrase, row) => labelRow(view, act, phrase, row)), ...draft.extra.map((phrase, at) => extraRow(view, act, phrase, card.phrases.length + at))),
    missing(view, act),
    typed(view),
    previous(card, draft),
    flags(view, act),
  ].filter(Boolean);
}

function summary({ card, draft, settings }) {
  const all = draft.verdicts.length;
  const count = outcome(card, draft).length;
  const over = settings.many && settings.max_phrases && count > settings.max_phrases;
  return el(
    "p",
    { class: "summary" },
    el("strong", { text: settings.many ? t("phrases") : settings.label }),
    el("span", { text: t("decided", { n: draft.verdicts.filter((verdict) => verdict !== null).length, all }) }),
    over && el("span", { class: "warning", text: t("too_many", { n: count, max: settings.max_phrases }) }),
  );
}

function labelRow(view, act, phrase, row) {
  const { card, draft } = view;
  const verdict = draft.verdicts[row];
  const now = draft.edits[row];
  const inherited = !card.choices && phrase.verdict !== null && verdict === phrase.verdict && now === undefined;
  return rowOf(view, act, row, {
    text: phrase.text,
    state: verdict === null ? "open" : verdict ? "accepted" : "rejected",
    tags: [
      phrase.tier && el("span", { class: `tier tier-${phrase.tier}`, text: word("tier", phrase.tier), title: word("tier", `${phrase.tier}_long`) }),
      inherited && el("span", { class: "tag", text: t("earlier") }),
      ...(card.choices ?? []).map((choice, number) => said(choice, phrase.text, number)),
    ],
    more: [now !== undefined && el("p", { class: "becomes" }, `→ `, el("b", { text: now })), reasons(view, act, row)],
  });
}

/** What reviewer A or B said of a phrase. */
function said(choice, text, number) {
  const within = (phrases) => phrases.some((other) => fold(other) === fold(text));
  const verdict = within(choice.accepted) ? "accepted" : within(choice.rejected) ? "rejected" : "open";
  const sign = { accepted: "✓", rejected: "✗", open: "–" }[verdict];
  const letter = "ABCDEFGH"[number];
  return el("span", { class: `said said-${verdict}`, "aria-label": `${letter}: ${t(verdict)}`, text: `${letter} ${sign}` });
}

function extraRow(view, act, phrase, row) {
  const origin = phrase.from === "typed" || phrase.from === "missing" ? t(`from_${phrase.from}`) : t("from_reviewer", { who: phrase.from.split("").join(", ") });
  return rowOf(view, act, row, {
    text: phrase.text,
    state: phrase.on ? "added" : "offered",
    tags: [el("span", { class: "tier tier-reviewer", text: phrase.on ? t("added") : t("offered") }), el("span", { class: "tag", text: origin })],
    more: [],
  });
}

function rowOf(view, act, row, { text, state, tags, more }) {
  const { draft, mode, settings } = view;
  const current = draft.current === row;
  const editing = mode?.kind === "edit" && current;
  const spoken = `${row + 1} ${text}: ${t(state)}`;
  const choose = (name, verdict, sign) => {
    const on = verdictOf(draft, row) === verdict && state !== "offered";
    return el("button", { type: "button", class: `choose ${name}`, "aria-pressed": String(on), "aria-label": `${t(name)}: ${text}`, title: t(name), data: { at: `${name}${row}` }, text: sign, on: { click: () => act("judge", row, verdict) } });
  };
  const pencil = el("button", { type: "button", class: "choose edit", "aria-label": `${t("edit")}: ${text}`, title: `${t("edit")} (e)`, data: { at: `edit${row}` }, text: "✎", on: { click: () => act("edit", row) } });
  return el(
    "li",
    { class: `row p${row % 9} s${row % 9} ${state}${current ? " current" : ""}`, data: { row }, "aria-current": current ? "true" : null, on: { click: () => act("select", row) } },
    el("button", { type: "button", class: "number", "aria-label": spoken, data: { at: `toggle${row}` }, text: String(row + 1), on: { click: () => act("toggle", row) } }),
    el(
      "div",
      { class: "what" },
      editing ? editorOf(view, act, row, text) : el("p", { class: "phrase", dir: "auto", text }),
      el("p", { class: "tags" }, ...tags.filter(Boolean)),
    ),
    el("div", { class: "verdict" }, choose("accept", true, "✓"), choose("reject", false, "✗"), (settings.many || row < draft.verdicts.length) && pencil),
    ...more.filter(Boolean),
  );
}

function editorOf({ draft, settings }, act, row, text) {
  const value = draft.edits[row] ?? text;
  const common = { save: (now) => act("edited", row, now), cancel: () => act("close") };
  if (settings.allowed) return editor.choice({ ...common, allowed: settings.allowed, chosen: value });
  return editor.line({ ...common, label: t("edit_phrase"), value });
}

function reasons({ draft, mode, settings }, act, row) {
  if (draft.verdicts[row] !== false && !(mode?.kind === "reason" && draft.current === row)) return null;
  const chosen = draft.edits[row] === undefined ? draft.reasons[row] : "edited";
  if (draft.current !== row || chosen === "edited") {
    return chosen ? el("p", { class: "reason", text: word("reason", chosen) }) : null;
  }
  const button = (reason) =>
    el("button", { type: "button", class: "chip", "aria-pressed": String(reason === chosen), data: { at: `reason${reason}` }, on: { click: (event) => (event.stopPropagation(), act("reason", row, reason)) } }, el("kbd", { text: reason[0] }), word("reason", reason));
  const asked = mode?.kind === "reason";
  return el("div", { class: `reasons${asked ? " asked" : ""}`, role: "group", "aria-label": t("reason") }, asked ? el("p", { class: "hint", text: t("which_reason") }) : el("kbd", { text: "r" }), ...settings.reasons.map(button));
}

function missing({ mode, settings }, act) {
  if (!settings.many) return null;
  if (mode?.kind !== "missing") {
    return el("button", { type: "button", class: "missing", data: { at: "missing" }, on: { click: () => act("missing") } }, `+ ${t("missing")}`, el("kbd", { text: "m" }));
  }
  const common = { save: (text) => act("add", null, text), cancel: () => act("close") };
  if (settings.allowed) return editor.choice({ ...common, allowed: settings.allowed, chosen: "" });
  return editor.line({ ...common, label: t("new_phrase"), hint: t("new_phrase_hint"), button: t("add") });
}

/** A blind article: the reviewer's own phrases before the label. */
function blind({ draft, settings }, act) {
  const save = (text) => act("typed", null, text);
  const form = editor.line({ kind: "typing", label: t("blind_phrase"), hint: t("blind_phrase"), button: t("add"), save });
  form.input.addEventListener("paste", (event) => {
    const text = event.clipboardData.getData("text");
    if (!text.trim().includes("\n")) return;
    event.preventDefault();
    act("typed", null, text); // a list from elsewhere: one phrase a line
  });
  const remove = (text) => el("button", { type: "button", class: "quiet small", "aria-label": `${t("remove")}: ${text}`, text: "✗", on: { click: () => act("untyped", null, text) } });
  return el(
    "section",
    { class: "blind", "aria-label": t("blind_title") },
    el("h2", { text: t("blind_title") }),
    el("p", { class: "hint", text: t(settings.many ? "blind_hint" : "blind_label_hint") }),
    el("ul", { class: "typed" }, ...draft.typed.map((text) => el("li", {}, el("span", { text }), remove(text)))),
    form,
    el("button", { type: "button", class: "primary", data: { at: "reveal" }, text: t("show_label"), on: { click: () => act("reveal") } }),
  );
}

/** After the reveal: which of the typed phrases the label has.  The others stand among the rows, to be added with one key. */
function typed({ card, draft }) {
  if (!draft.typed?.length) return null;
  const matched = draft.typed.filter((text) => card.phrases.some((phrase) => fold(phrase.text) === fold(text)));
  const item = (text) => el("li", { class: matched.includes(text) ? "kept" : "", text: matched.includes(text) ? `${text} ✓ ${t("in_label")}` : text });
  return el("section", { class: "facts-list" }, el("h2", { text: t("you_wrote") }), el("ul", {}, ...draft.typed.map(item)));
}

function previous(card, draft) {
  if (!card.previous) return null;
  const now = outcome(card, { ...draft, verdicts: draft.verdicts.map(() => true), edits: {}, extra: [] });
  const without = (left, right) => left.filter((text) => !right.some((other) => fold(other) === fold(text)));
  const gone = without(card.previous.phrases, now);
  const fresh = without(now, card.previous.phrases);
  if (!gone.length && !fresh.length) return null;
  const items = [...fresh.map((text) => el("li", { class: "fresh" }, el("ins", { text }))), ...gone.map((text) => el("li", { class: "gone" }, el("del", { text })))];
  return el("section", { class: "facts-list" }, el("h2", { text: t("previous", { name: card.previous.name }) }), el("ul", {}, ...items));
}

function flags({ draft, mode }, act) {
  if (mode?.kind === "note") {
    return editor.line({ label: t("note"), value: draft.note, hint: t("note_hint"), save: (text) => act("noted", null, text), cancel: () => act("close") });
  }
  const shown = [draft.flagged && el("span", { class: "flagged", text: `⚑ ${t("flagged")}` }), draft.note && el("span", { class: "note", text: draft.note })];
  return shown.some(Boolean) ? el("p", { class: "flags" }, ...shown.filter(Boolean)) : null;
}

/** What stands below the pane, and on a small screen at the bottom of it: the phrases once more, and the actions. */
export function dock({ card, draft }, act) {
  const action = (name, key, words, props = {}) =>
    el("button", { type: "button", class: "action", data: { at: name }, on: { click: () => act(name) }, ...props }, el("span", { text: words }), el("kbd", { text: key }));
  const chip = (phrase, row) => {
    const state = { true: "accepted", false: "rejected", null: "open" }[String(verdictOf(draft, row))];
    const absent = phrase.tier === "absent" ? ` · ${t("tier_absent")}` : "";
    return el("button", { type: "button", class: `chip-row p${row % 9} ${state}`, "aria-label": `${row + 1} ${phrase.text}${absent}: ${t(state)}`, data: { at: `chip${row}` }, on: { click: () => act("toggle", row) } }, el("b", { text: String(row + 1) }), el("span", { text: phrase.text + absent }), el("i", { text: { accepted: "✓", rejected: "✗", open: "" }[state] }));
  };
  const flag = action("flag", "f", t(draft.flagged ? "flagged" : "flag"), { "aria-pressed": String(draft.flagged) });
  const others = [action("skip", "s", t("skip")), flag, action("note", "n", t("note")), action("undo", "u", t("undo"))];
  if (!draft.revealed) return [el("div", { class: "actions" }, ...others)];
  return [
    el("div", { class: "chips", role: "group", "aria-label": t("phrases") }, ...[...card.phrases, ...draft.extra].map(chip)),
    el("div", { class: "actions" }, action("accept_rest", "a", t("accept_rest"), { class: "action primary" }), action("reject_all", "x", t("reject_all")), ...others),
  ];
}
