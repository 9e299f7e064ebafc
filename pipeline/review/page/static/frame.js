// What stands around the article: lanes, figures, whether all is saved, what went wrong, the help, the end of a lane.
import { button, el, find, once } from "./dom.js";
import { t, word } from "./strings.js";

const ENOUGH = 0.8; // of the phrases the figure must speak for; below, it is too little to plan by
const percents = once(
  (language, digits) =>
    new Intl.NumberFormat(language, {
      style: "percent",
      minimumFractionDigits: digits,
      maximumFractionDigits: digits,
    }),
);
const numbers = once((language) => new Intl.NumberFormat(language, { maximumFractionDigits: 1 }));

/** The tabs are made once for each language, so that one keeps the focus. */
export function lanes(state, go) {
  const box = find("#lanes");
  if (box.lang !== state.language) {
    box.lang = state.language;
    box.replaceChildren(...tabs(state, go));
  }
  state.settings.lanes.forEach(({ name }, number) => {
    const tab = box.children[number];
    const count = String(state.left[name] ?? "");
    if (tab.lastChild.textContent !== count) tab.lastChild.textContent = count;
    tab.hidden = state.left[name] === 0 && name !== state.lane; // there is nothing to go to
    if (name === state.lane) tab.setAttribute("aria-current", "page");
    else tab.removeAttribute("aria-current");
  });
}

function tabs(state, go) {
  const tab = ({ name }) => {
    return button(".lane", word("lane", name), () => go(name), { "data-lane": name }, el("span.count"));
  };
  return state.settings.lanes.map(tab);
}

export function figures(state) {
  const number = (value) => numbers(state.language).format(value);
  const { precision, needed, judged = 0 } = state.figures ?? {};
  const partly = precision && precision.covers < ENOUGH;
  const left = state.left[state.lane];
  const parts = [
    precision ? interval(precision, state.language) : el("span", { text: t("no_precision") }),
    partly && el("span.needed", { text: t("covers", { share: percents(state.language, 0).format(precision.covers) }) }),
    needed &&
      !partly &&
      el("span.needed", {
        text: t("needed", { n: number(needed.articles), points: +(needed.half_width * 100).toFixed(1) }),
      }),
    el("span", { text: t("judged", { n: number(judged) }) }),
    left !== undefined && el("span", { text: t("left", { n: number(left) }) }),
  ];
  find("#numbers").replaceChildren(...parts.flat().filter(Boolean));
}

function interval({ mean, low, high }, language) {
  const form = percents(language, 1);
  const words = ` (${form.format(low)} – ${form.format(high)})`;
  return [
    el("span", {}, `${t("precision")} `, el("b", { text: form.format(mean) }), words),
    meter({ mean, low, high }),
  ];
}

/** The interval as a picture: from 0 to 1, or where precision is high from one half to 1. */
function meter({ mean, low, high }) {
  const from = low >= 0.5 ? 0.5 : 0;
  const at = (share) => `${((share - from) / (1 - from)) * 100}%`;
  const band = el("i.band");
  const point = el("i.point");
  band.style.left = at(low);
  band.style.right = `calc(100% - ${at(high)})`;
  point.style.left = at(mean);
  return el("span.meter", { "aria-hidden": "true" }, band, point);
}

/** "All saved" or how many wait; and a banner for what the reviewer must know or do. */
export function saved(outbox, full, settings, act) {
  const n = outbox.waiting().length;
  const box = find("#saved");
  const words = n ? t("waiting", { n }) : t("all_saved");
  if (box.textContent !== words) box.textContent = words;
  box.dataset.state = outbox.state === "ok" && !full ? (n ? "waiting" : "saved") : "trouble";
  const lines = [
    outbox.state === "token" &&
      el(
        "p",
        {},
        t("sign_in", { n }),
        small(t("reload"), () => location.reload()),
      ),
    outbox.state === "reviewer" &&
      el(
        "p",
        {},
        t("nobody", { name: settings.reviewer, n }),
        small(t("other_name"), () => location.assign(settings.root || "./")),
      ),
    outbox.state === "offline" && n > 0 && el("p", { text: t("offline", { n }) }),
    full && n > 0 && el("p", { text: t("full") }),
    outbox.refused().map((entry) => refused(entry, act)),
  ]
    .flat()
    .filter(Boolean);
  const banner = find("#banner");
  if (banner.textContent !== lines.map((line) => line.textContent).join("")) banner.replaceChildren(...lines);
}

const small = (words, click) => button(".small", words, click);

function refused(entry, act) {
  const { id, undoes } = entry.judgement;
  const again = !undoes && small(t("open_again"), () => act("open_again", entry));
  return el(
    "p.refused",
    {},
    t("refused", { id, why: entry.why }),
    again,
    small(t("dismiss"), () => act("dismiss", entry)),
  );
}

/** A lane without an article: still loading, no server, or done.  `hands`: {go(lane), again()}. */
export function nothing(state, { go, again }) {
  const { settings, left, lane, sitting } = state;
  if (!state.exhausted[lane])
    return el("div.nothing", {}, el("p", { role: "status", text: t(state.failed ? "no_server" : "loading") }));
  const n = left[lane];
  const way = ({ name }) => small(`${word("lane", name)} · ${left[name]}`, () => go(name));
  const others = settings.lanes.filter(({ name }) => name !== lane && left[name] > 0);
  return el("div.nothing", {}, [
    el("p.done", { "aria-hidden": "true", text: "✓" }),
    el("h1", { id: "title", tabindex: "-1", text: t(n > 0 ? "done_for_now" : "done_title") }),
    el("p", { text: n > 0 ? t("done_elsewhere", { n }) : t("done_text") }),
    sitting.length > 0 &&
      el("p", { text: t("done_session", { n: sitting.length, time: middle(sitting, state.language) }) }),
    el("p.ways", {}, small(t("look_again"), again), others.map(way)),
  ]);
}

function middle(seconds, language) {
  const sorted = [...seconds].sort((one, other) => one - other);
  return t("seconds", { n: numbers(language).format(sorted[Math.floor(sorted.length / 2)]) });
}

const KEYS = [
  [["1", "–", "9"], "key_number"],
  [["a", "Enter"], "key_a"],
  [["x"], "key_x"],
  [["↑", "↓", "j", "k"], "key_arrows"],
  [["←", "→"], "key_verdict"],
  [["r"], "key_r"],
  [["e"], "key_e"],
  [["m"], "key_m"],
  [["n"], "key_n"],
  [["f"], "key_f"],
  [["s"], "key_s"],
  [["u"], "key_u"],
  [["h"], "key_h"],
  [["/"], "key_search"],
  [["?"], "key_help"],
];

/** Show the instructions that the job gives its reviewers, as they are written. */
export function guidelines(text) {
  dialog(t("guidelines"), el("div.guidelines", { dir: "auto", text }));
}

/** Show what the reviewer flagged or wrote a note on; each opens again. */
export function notedList(entries, reopen) {
  const line = (entry) => {
    const again = () => {
      find("#help-dialog").close();
      reopen(entry);
    };
    return el("li", {}, [
      button(".small", entry.card.title || entry.card.id, again, {}),
      entry.judgement.flagged && el("span.flagged", { text: "⚑" }),
      entry.judgement.note && el("span.note", { text: entry.judgement.note }),
    ]);
  };
  const list = entries.length ? el("ul.noted", {}, entries.map(line)) : el("p.hint", { text: t("noted_none") });
  dialog(t("noted"), list);
}

/** Open the dialog with a heading, some content and a button that closes it; returns it. */
export function dialog(heading, ...content) {
  const box = find("#help-dialog");
  const close = button(".primary", t("close"), () => box.close());
  box.replaceChildren(el("h2", { text: heading }), ...content, close);
  box.setAttribute("aria-label", heading);
  box.showModal();
  return box;
}

export function help({ reasons, guidelines: hasGuidelines }) {
  const key = (name) => (name === "–" ? name : el("kbd", { text: name }));
  const letters = reasons.map((reason) => el("span", {}, key(reason[0]), ` ${word("reason", reason)} `));
  const lines = KEYS.filter(([, name]) => name !== "key_h" || hasGuidelines).map(([keys, name]) => [
    el("dt", {}, keys.map(key)),
    el("dd", {}, t(name), name === "key_r" && el("span.pairs", {}, letters)),
  ]);
  dialog(t("help_title"), el("dl.keys", {}, lines.flat()), el("p.hint", { text: t("help_foot") }));
}
