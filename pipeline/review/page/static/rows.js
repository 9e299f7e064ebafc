// List of phrases: of the label, and those that the reviewer or others would add.
import { button, el } from "./dom.js";
import { fold, verdictOf } from "./draft.js";
import * as editor from "./editor.js";
import { server } from "./state.js";
import { t, word } from "./strings.js";

export function rows(view, act) {
  const { card, draft } = view;
  return el("ol.rows", { "aria-label": t("phrases") }, [
    ...card.phrases.map((phrase, row) => labelRow(view, act, phrase, row)),
    ...draft.extra.map((phrase, number) => extraRow(view, act, phrase, card.phrases.length + number)),
  ]);
}

function labelRow(view, act, phrase, row) {
  const { card, draft } = view;
  const verdict = draft.verdicts[row];
  const now = draft.edits[row];
  const inherited = !card.choices && phrase.verdict !== null && verdict === phrase.verdict && now === undefined;
  const tier = { text: word("tier", phrase.tier), title: word("tier", `${phrase.tier}_long`) };
  const tags = [
    phrase.tier && phrase.tier !== "exact" && el(`span.tier.tier-${phrase.tier}`, tier),
    inherited && el("span.tag", { text: t("earlier") }),
    (card.choices ?? []).map((choice, number) => verdictTag(choice, phrase.text, number)),
  ];
  const more = [now !== undefined && el("p.becomes", {}, "→ ", view.settings.json ? shown(view.settings, now) : el("b", { text: now })), reasons(view, act, row)];
  return oneRow(view, act, row, { text: phrase.text, state: stateOf(verdict), tags, more });
}

export const stateOf = (verdict) => (verdict === null ? "open" : verdict ? "accepted" : "rejected");

/** Return a tag with the verdict of reviewer A or B on a phrase. */
function verdictTag(choice, text, number) {
  const within = (phrases) => phrases.some((other) => fold(other) === fold(text));
  const state = stateOf(within(choice.accepted) || (within(choice.rejected) ? false : null));
  const sign = { accepted: "✓", rejected: "✗", open: "–" }[state];
  const letter = "ABCDEFGH"[number];
  return el(`span.said.said-${state}`, { "aria-label": `${letter}: ${t(state)}`, text: `${letter} ${sign}` });
}

function extraRow(view, act, phrase, row) {
  const own = phrase.from === "typed" || phrase.from === "missing";
  const origin = own ? t(`from_${phrase.from}`) : t("from_reviewer", { who: phrase.from.split("").join(", ") });
  const state = phrase.on ? "added" : "offered";
  const tags = [el("span.tier.tier-reviewer", { text: t(state) }), el("span.tag", { text: origin })];
  return oneRow(view, act, row, { text: phrase.text, state, tags, more: [] });
}

function oneRow(view, act, row, { text, state, tags, more }) {
  const { draft, mode, settings } = view;
  const current = draft.current === row;
  const editing = mode?.kind === "edit" && current;
  const choose = (name, verdict, sign) => {
    const pressed = String(verdictOf(draft, row) === verdict && state !== "offered");
    const props = { at: `${name}${row}`, "aria-pressed": pressed, "aria-label": `${t(name)}: ${text}`, title: t(name) };
    return button(`.choose.${name}`, sign, () => act("judge", row, verdict), props);
  };
  const pencil = { at: `edit${row}`, "aria-label": `${t("edit")}: ${text}`, title: `${t("edit")} (e)` };
  const number = { at: `toggle${row}`, "aria-label": `${row + 1} ${text}: ${t(state)}` };
  return el(
    `li.row.p${row % 9}.s${row % 9}.${state}${current ? ".current" : ""}`,
    { "data-row": row, "aria-current": current && "true", on: { click: () => act("select", row) } },
    button(".number", String(row + 1), () => act("toggle", row), number),
    el(
      "div.what",
      {},
      editing ? edit(view, act, row, text) : shown(settings, text),
      el("p.tags", {}, tags.flat()),
    ),
    el("div.verdict", {}, [
      choose("accept", true, "✓"),
      choose("reject", false, "✗"),
      (settings.many || row < draft.verdicts.length) && button(".choose.edit", "✎", () => act("edit", row), pencil),
    ]),
    more,
  );
}

const shown = (settings, text) =>
  settings.json ? el("pre.phrase.json", { text: editor.pretty(text) }) : el("p.phrase", { dir: "auto", text });

function edit({ draft, settings }, act, row, text) {
  const value = draft.edits[row] ?? text;
  const common = { save: (now) => act("edited", row, now), cancel: () => act("close") };
  if (settings.json) return editor.json({ ...common, label: t("edit_phrase"), value, check: (now) => server.check(now) });
  if (settings.allowed) return editor.choice({ ...common, allowed: settings.allowed, chosen: value });
  return editor.line({ ...common, label: t("edit_phrase"), value });
}

function reasons({ draft, mode, settings }, act, row) {
  const asked = mode?.kind === "reason" && draft.current === row;
  if (draft.verdicts[row] !== false && !asked) return null;
  const chosen = draft.edits[row] === undefined ? draft.reasons[row] : "edited";
  if (draft.current !== row || (chosen === "edited" && !asked))
    return chosen && el("p.reason", { text: word("reason", chosen) });
  const chip = (reason) => {
    const props = { at: `reason${reason}`, "aria-pressed": String(reason === chosen) };
    return button(
      ".chip",
      el("kbd", { text: reason[0] }),
      () => act("reason", row, reason),
      props,
      word("reason", reason),
    );
  };
  const hint = asked ? el("p.hint", { text: t("which_reason") }) : el("kbd", { text: "r" });
  return el(
    `div.reasons${asked ? ".asked" : ""}`,
    { role: "group", "aria-label": t("reason") },
    hint,
    settings.reasons.map(chip),
  );
}
