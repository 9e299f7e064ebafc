// The left pane: the article, with every occurrence of a phrase marked and numbered.
import { el } from "./dom.js";
import { t } from "./strings.js";

const LONG = 12000; // characters; above it, what is off the screen is not laid out
const CHUNK = 3000;
const LONGEST = 6000;
const COLOURS = 9;

/**
 * Build the body of an article once: {root, marks: for each phrase the elements that mark it}.
 * `segments`: [text, [phrases there]] in order.  Overlapping marks are nested elements, each with its own line below.
 */
export function build(segments, phrases, marked) {
  const root = el("div", { class: "text" });
  const marks = Array.from({ length: phrases }, () => []);
  const chunk = chunks(root, segments.reduce((sum, [text]) => sum + text.length, 0) > LONG);
  let before = [];
  for (const [text, there] of segments) {
    const here = marked ? there : [];
    if (here.length) chunk.add(nested(text, here, before, marks), text.length);
    else chunk.text(text);
    before = here;
  }
  chunk.close();
  return { root, marks };
}

function nested(text, here, before, marks) {
  let inside = document.createTextNode(text);
  here.forEach((phrase, depth) => {
    const mark = el("mark", { class: `p${phrase % COLOURS} s${phrase % COLOURS} d${Math.min(depth, 3)}`, data: { row: phrase } }, inside);
    if (!before.includes(phrase)) mark.dataset.n = phrase + 1; // shown by the style sheet: no part of what can be selected
    marks[phrase].push(mark);
    inside = mark;
  });
  return inside;
}

/** Lines go into blocks of some thousand characters: a block off the screen costs the browser nothing. */
function chunks(root, isLong) {
  let block = el("div", { class: "chunk" });
  let size = 0;
  const close = () => {
    if (isLong) block.style.containIntrinsicBlockSize = `auto ${Math.ceil(size / 40) * 1.85}em`;
    root.append(block);
    block = el("div", { class: "chunk" });
    size = 0;
  };
  const text = (value) => {
    let from = 0;
    const after = (limit, sign) => value.indexOf(sign, from + Math.max(0, limit - size)); // the block is longer than that
    while (size + value.length - from > CHUNK) {
      const ends = [after(CHUNK, "\n"), after(LONGEST, " "), after(2 * LONGEST, "。")].filter((at) => at >= 0);
      if (!ends.length) break;
      const end = Math.min(...ends) + 1;
      block.append(value.slice(from, end).replace(/\n$/, "")); // the block's end is the line's
      close();
      from = end;
    }
    if (from < value.length) block.append(value.slice(from));
    size += value.length - from;
  };
  if (isLong) root.classList.add("long");
  return { text, close, add: (node, length) => (block.append(node), (size += length)) };
}

/** Title, source, date and where the label comes from. */
export function heading(card, settings, language) {
  const when = card.published_at ? day(card.published_at, language) : null;
  const characters = card.text.reduce((sum, [text]) => sum + text.length, 0);
  const facts = [link(card), when, card.language, t("chars", { n: characters.toLocaleString(language) }), card.id];
  return el(
    "header",
    { class: "heading" },
    el("h1", { id: "title", tabindex: "-1", text: card.title || card.id, dir: "auto", lang: card.language }),
    el("p", { class: "facts" }, ...facts.filter(Boolean).map((fact) => el("span", {}, fact))),
    provenance(card.provenance ?? {}, settings, language),
  );
}

function link(card) {
  const name = card.source || (card.url ? t("source") : null);
  if (!/^https?:\/\//i.test(card.url ?? "")) return name;
  return el("a", { href: card.url, target: "_blank", rel: "noopener noreferrer", text: name });
}

function day(value, language, style = "long") {
  const date = new Date(value);
  return Number.isNaN(date.getTime()) ? value : new Intl.DateTimeFormat(language, { dateStyle: style }).format(date);
}

function provenance(made, settings, language) {
  const shown = { ...made, asked_at: made.asked_at && day(made.asked_at, language, "medium") };
  if (typeof made.cost_usd === "number") shown.cost_usd = `$${made.cost_usd.toPrecision(2)}`;
  const names = ["provider", "model", "prompt", "run", "asked_at", "cost_usd"].filter((name) => shown[name]);
  const pairs = names.map((name) => el("div", {}, el("dt", { text: t(name) }), el("dd", { text: String(shown[name]), title: String(shown[name]) })));
  if (settings.model) pairs.unshift(el("div", {}, el("dd", { text: t("of_model", { model: settings.model }) })));
  return pairs.length ? el("dl", { class: "provenance" }, ...pairs) : null;
}

/** Show in the text which phrases are rejected and which one is current. */
export function paint(marks, verdicts, current) {
  marks.forEach((elements, row) => {
    for (const element of elements) {
      element.classList.toggle("rejected", verdicts[row] === false);
      element.classList.toggle("current", row === current);
    }
  });
}
