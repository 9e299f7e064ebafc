// The left pane: the article, with every occurrence of a phrase marked and numbered.
import { el, once, shown } from "./dom.js";
import { tidy } from "./draft.js";
import { t } from "./strings.js";

const LONG = 1200; // characters, about a screenful; above it, what is off the screen is not laid out
const FIRST = 6000; // what is written at once, in characters, from the first mark on; a mark costs as much as so many:
const MARK = 20;
const LATER = 8000; // what is written at a time when the browser is idle
const BLOCK = 3000; // characters of a block, at least
const PARAGRAPH = 400; // of a text that has no lines of its own (labelmill folds white space): for the eye
const COLOURS = 9;
const SENTENCE = /[.!?。…]["'”’」』)]*(?:\s|(?<=。))/g;

/**
 * Build the text of a card once: {title: nodes, root: the body, marks: for each phrase the elements that mark it}.  It is begun
 * only, a few screenfuls from the first mark on: `more()` writes more of it, and says whether that was not yet all.
 * `card.text`: [text, [phrases there]] in order.  Overlapping marks are nested elements, each with its own line below.
 */
export function build(card, marked) {
  const root = el("div.text", { lang: card.language, dir: "auto" });
  const marks = Array.from({ length: card.phrases.length }, () => []);
  const [head, body] = parted(card);
  const title = [];
  const put = (piece) => title.push(piece);
  const heading = writing(head, marked, marks, { text: put, node: put, close() {} });
  while (!heading.next().done); // all of it
  const rest = writing(body, marked, marks, blocksIn(root, body));
  const more = () => !rest.next().done;
  more();
  return { title, root, marks, more, painted: marks.map(() => ({ now: "", upTo: 0 })) };
}

function* writing(segments, marked, marks, into) {
  let before = [];
  let left = FIRST;
  let begun = !marked || marks.some((elements) => elements.length);
  for (const [piece, phrases] of segments) {
    const here = marked ? phrases : [];
    if (here.length) into.node(nested(piece, here, before, marks)[0], piece.length);
    else into.text(piece);
    before = here;
    begun ||= here.length > 0;
    left -= begun ? piece.length + MARK * here.length : 0;
    if (left > 0) continue;
    yield;
    left = LATER;
  }
  into.close();
}

/** Return the segments of the title, with which a text begins, and those of the rest. */
function parted(card) {
  const title = tidy(card.title ?? "");
  let left = title.length;
  const head = [];
  const body = [...card.text];
  while (left > 0 && body.length) {
    const [piece, phrases] = body.shift();
    if (!title.startsWith(piece.slice(0, left), title.length - left)) return [[[card.title, []]], card.text];
    head.push([piece.slice(0, left), phrases]);
    if (piece.length > left) body.unshift([piece.slice(left), phrases]);
    left -= piece.length;
  }
  if (left > 0) return [[[card.title, []]], card.text];
  if (body.length) body[0] = [body[0][0].trimStart(), body[0][1]];
  return [head, body];
}

function nested(text, here, before, marks) {
  let inside = shown(text);
  here.forEach((phrase, depth) => {
    const classes = `.p${phrase % COLOURS}.s${phrase % COLOURS}.d${Math.min(depth, 3)}`;
    const mark = el(`mark${classes}`, { "data-row": phrase }, inside);
    if (!before.includes(phrase)) mark.dataset.n = phrase + 1; // shown by the style sheet: no part of what can be selected
    marks[phrase].push(mark);
    inside = [mark];
  });
  return inside;
}

/** Writes text and marks into blocks: one that is off the screen costs the browser nothing. */
function blocksIn(root, segments) {
  const isLong = segments.reduce((sum, [text]) => sum + text.length, 0) > LONG;
  const hasLines = segments.some(([text]) => text.includes("\n"));
  let block = root.appendChild(el("div.block"));
  let size = 0;
  const close = () => {
    if (isLong) block.style.containIntrinsicBlockSize = `auto ${Math.ceil(size / 40) * 1.95}em`;
  };
  const open = () => {
    close();
    block = root.appendChild(el("div.block"));
    size = 0;
  };
  const text = (value) => {
    let from = 0;
    for (let end; (end = endOfBlock(value, from, size, hasLines)) > 0; from = end) {
      block.append(...shown(value.slice(from, end).replace(/\n$/, ""))); // the block's end is the line's
      size += end - from;
      open();
    }
    if (from < value.length) block.append(...shown(value.slice(from)));
    size += value.length - from;
  };
  root.classList.toggle("long", isLong);
  root.classList.toggle("prose", !hasLines);
  const node = (element, length) => {
    block.append(element);
    size += length;
  };
  return { text, node, close };
}

/** Where in `value`, behind `from`, a block of `size` characters so far should end; 0 where it goes on. */
function endOfBlock(value, from, size, hasLines) {
  const behind = (limit) => from + Math.max(0, limit - size);
  const line = hasLines ? value.indexOf("\n", behind(BLOCK)) + 1 : 0;
  SENTENCE.lastIndex = behind(hasLines ? 2 * BLOCK : PARAGRAPH);
  const sentence = SENTENCE.test(value) ? SENTENCE.lastIndex : 0;
  const word = value.indexOf(" ", behind(4 * BLOCK)) + 1;
  const ends = [line, sentence, word].filter((end) => end > 0 && end < value.length);
  return ends.length ? Math.min(...ends) : 0;
}

/** Title, source, date and where the label comes from. */
export function heading(card, title, settings, language) {
  const when = card.published_at ? day(card.published_at, language) : null;
  const characters = card.text.reduce((sum, [text]) => sum + text.length, 0);
  const facts = [link(card), when, card.language, t("chars", { n: characters.toLocaleString(language) }), card.id];
  return el(
    "header.heading",
    {},
    el("h1", { id: "title", tabindex: "-1", dir: "auto", lang: card.language }, ...(card.title ? title : [card.id])),
    el("p.facts", {}, ...facts.filter(Boolean).map((fact) => el("span", {}, fact))),
    settings.model && el("p.facts", {}, el("span", { text: t("of_model", { model: settings.model }) })),
    provenance(card.provenance ?? {}, language),
  );
}

function link(card) {
  const name = card.source || (card.url ? t("source") : null);
  if (!/^https?:\/\//i.test(card.url ?? "")) return name;
  return el("a", { href: card.url, target: "_blank", rel: "noopener noreferrer", text: name });
}

const dates = once((language, dateStyle, timeZone) => new Intl.DateTimeFormat(language, { dateStyle, timeZone }));

function day(value, language, style = "long") {
  const date = new Date(value);
  if (Number.isNaN(date.getTime())) return value;
  // a day without a time is the same day everywhere
  return dates(language, style, /^\d{4}-\d{2}-\d{2}$/.test(value) ? "UTC" : undefined).format(date);
}

function provenance(made, language) {
  const shown = { ...made, asked_at: made.asked_at && day(made.asked_at, language, "medium") };
  if (typeof made.cost_usd === "number") shown.cost_usd = `$${Number(made.cost_usd.toPrecision(2))}`;
  const names = ["provider", "model", "prompt", "run", "asked_at", "cost_usd"].filter((name) => shown[name]);
  const pairs = names.map((name) =>
    el("div", {}, el("dt", { text: t(name) }), el("dd", { text: String(shown[name]), title: String(shown[name]) })),
  );
  if (!pairs.length) return null;
  return el("details.provenance", {}, el("summary", { text: t("provenance") }), el("dl", {}, pairs));
}

/** Show in the text which phrases are rejected and which one is current. */
export function paint({ marks, painted }, verdicts, current) {
  marks.forEach((elements, row) => {
    const rejected = verdicts[row] === false;
    const now = `${rejected ? "rejected" : ""} ${row === current ? "current" : ""}`.trim();
    for (const element of elements.slice(painted[row].now === now ? painted[row].upTo : 0)) {
      element.classList.toggle("rejected", rejected);
      element.classList.toggle("current", row === current);
    }
    painted[row] = { now, upTo: elements.length };
  });
}
