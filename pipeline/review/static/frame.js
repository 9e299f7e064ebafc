// What stands around the article: lanes, figures, whether all is saved, what went wrong, the help, the end of a lane.
import { el, find } from "./dom.js";
import { t, word } from "./strings.js";

const percent = (share, language) => new Intl.NumberFormat(language, { style: "percent", minimumFractionDigits: 1, maximumFractionDigits: 1 }).format(share);

export function lanes(state, go) {
  const tab = (lane) => {
    const here = lane.name === state.lane;
    const left = state.left[lane.name];
    return el("button", { type: "button", class: "lane", "aria-current": here ? "page" : null, data: { lane: lane.name }, on: { click: () => go(lane.name) } }, word("lane", lane.name), el("span", { class: "count", text: left ?? "" }));
  };
  find("#lanes").replaceChildren(...state.settings.lanes.map(tab));
}

export function figures(state) {
  const { language } = state;
  const known = state.figures;
  const parts = [];
  if (known?.precision) {
    const { mean, low, high } = known.precision;
    const interval = `${percent(low, language)} – ${percent(high, language)}`;
    parts.push(el("span", {}, `${t("precision")} `, el("b", { text: percent(mean, language) }), el("span", { class: "interval", text: ` (${interval})` })), meter(known.precision));
  } else {
    parts.push(el("span", { text: t("no_precision") }));
  }
  if (known?.needed) {
    const points = +(known.needed.half_width * 100).toFixed(1);
    parts.push(el("span", { class: "needed", text: t("needed", { n: known.needed.articles.toLocaleString(language), points }) }));
  }
  parts.push(el("span", { text: t("judged", { n: (known?.judged ?? 0).toLocaleString(language) }) }));
  const left = state.left[state.lane];
  if (left !== undefined) parts.push(el("span", { class: "left", text: t("left", { n: left.toLocaleString(language) }) }));
  parts.push(el("a", { href: "/report", text: t("report") }));
  find("#figures").replaceChildren(...parts);
}

/** The interval as a picture: from 0 to 1, or where precision is high from one half to 1. */
function meter({ mean, low, high }) {
  const from = low >= 0.5 ? 0.5 : 0;
  const at = (share) => `${((share - from) / (1 - from)) * 100}%`;
  const band = el("i", { class: "band" });
  const point = el("i", { class: "point" });
  band.style.left = at(low);
  band.style.right = `calc(100% - ${at(high)})`;
  point.style.left = at(mean);
  return el("span", { class: "meter", "aria-hidden": "true" }, band, point);
}

/** "All saved" or how many wait; and a banner for what the reviewer must know or do. */
export function saved(outbox, full, act) {
  const waiting = outbox.waiting().length;
  const box = find("#saved");
  const words = waiting ? t("waiting", { n: waiting }) : t("all_saved");
  if (box.textContent !== words) box.textContent = words;
  box.dataset.state = outbox.state === "ok" && !full ? (waiting ? "waiting" : "saved") : "trouble";
  const lines = outbox.refused().map((entry) => refused(entry, act));
  if (full && waiting) lines.unshift(el("p", { text: t("full") }));
  if (outbox.state === "token") lines.unshift(el("p", {}, t("sign_in", { n: waiting }), button(t("reload"), () => location.reload())));
  else if (outbox.state === "offline" && waiting) lines.unshift(el("p", { text: t("offline", { n: waiting }) }));
  const banner = find("#banner");
  if (banner.textContent !== lines.map((line) => line.textContent).join("")) banner.replaceChildren(...lines);
}

function refused(entry, act) {
  const words = t("refused", { id: entry.judgement.id, why: entry.why });
  const again = entry.judgement.undoes ? null : button(t("open_again"), () => act("open_again", entry));
  return el("p", { class: "refused" }, words, again, button(t("dismiss"), () => act("dismiss", entry)));
}

const button = (text, click) => el("button", { type: "button", class: "small", text, on: { click } });

/** A lane without an article: still loading, no server, or done.  `hands`: {go(lane), again()}. */
export function nothing(state, { go, again }) {
  if (!state.exhausted[state.lane]) return el("div", { class: "nothing" }, el("p", { role: "status", text: t(state.failed ? "no_server" : "loading") }));
  const sorted = [...state.sitting].sort((a, b) => a - b);
  const middle = sorted[Math.floor(sorted.length / 2)];
  const time = middle === undefined ? "" : new Intl.NumberFormat(state.language, { style: "unit", unit: "second", maximumFractionDigits: 1 }).format(middle);
  const others = state.settings.lanes.filter((lane) => lane.name !== state.lane && state.left[lane.name] > 0);
  return el(
    "div",
    { class: "nothing" },
    el("p", { class: "done", "aria-hidden": "true", text: "✓" }),
    el("h1", { id: "title", tabindex: "-1", text: t(state.left[state.lane] > 0 ? "done_for_now" : "done_title") }),
    el("p", { text: state.left[state.lane] > 0 ? t("done_elsewhere", { n: state.left[state.lane] }) : t("done_text") }),
    sorted.length > 0 && el("p", { text: t("done_session", { n: sorted.length, time }) }),
    el("p", { class: "ways" }, button(t("look_again"), again), ...others.map((lane) => button(`${word("lane", lane.name)} · ${state.left[lane.name]}`, () => go(lane.name)))),
  );
}

const KEYS = [
  [["1", "–", "9"], "key_number"], [["a", "Enter"], "key_a"], [["x"], "key_x"], [["↑", "↓", "j", "k"], "key_arrows"], [["←", "→"], "key_verdict"],
  [["r"], "key_r"], [["e"], "key_e"], [["m"], "key_m"], [["n"], "key_n"], [["f"], "key_f"], [["s"], "key_s"], [["u"], "key_u"], [["?"], "key_help"],
];

export function help(reasons) {
  const dialog = find("#help-dialog");
  const letters = reasons.map((reason) => el("span", { class: "pair" }, el("kbd", { text: reason[0] }), ` ${word("reason", reason)} `));
  const lines = KEYS.flatMap(([keys, name]) => [
    el("dt", {}, ...keys.map((key) => (key === "–" ? key : el("kbd", { text: key })))),
    el("dd", {}, t(name), name === "key_r" && el("span", { class: "pairs" }, ...letters)),
  ]);
  const close = el("button", { type: "button", class: "primary", text: t("close"), on: { click: () => dialog.close() } });
  dialog.replaceChildren(el("h2", { text: t("help_title") }), el("dl", { class: "keys" }, ...lines), el("p", { class: "hint", text: t("help_foot") }), close);
  dialog.showModal();
}
