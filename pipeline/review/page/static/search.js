// Search by id, title or text: opens an article that is the reviewer's, out of its turn.
import { openFound, outbox } from "./deck.js";
import { button, el } from "./dom.js";
import { dialog } from "./frame.js";
import { server } from "./state.js";
import { t, word } from "./strings.js";
import { tell } from "./view.js";

/** Ask for words, and list what has them; the first of them opens with Enter once more. */
export function search() {
  const label = { type: "text", "aria-label": t("search"), placeholder: t("search_hint"), autocomplete: "off", spellcheck: "false" };
  const input = el("input", { ...label, maxlength: "200", enterkeyhint: "search" });
  const list = el("ul.noted", { "aria-label": t("search_results") });
  const none = el("p.hint", { role: "status" });
  const form = el("form.editor", {}, input, el("button.small", { type: "submit", text: t("search") }));
  let asked = null;
  form.addEventListener("submit", async (event) => {
    event.preventDefault();
    const words = input.value.trim();
    const first = list.querySelector("button");
    if (words && words === asked && first) return first.click();
    asked = words;
    const results = words ? await ask(() => server.search(words)) : { articles: [] };
    if (!results || asked !== words || !box.open) return;
    none.textContent = words && !results.articles.length ? t("search_none") : "";
    list.replaceChildren(...results.articles.map(line));
    if (results.articles.length === 1 && results.articles[0].id === words) list.querySelector("button")?.click();
  });
  const box = dialog(t("search"), form, none, list);
  input.focus();
}

async function ask(request) {
  try {
    await outbox.flush();
    return await request();
  } catch (trouble) {
    outbox.trouble(trouble);
    tell(trouble.kind === "client" ? trouble.message : t("no_server"));
    return null;
  }
}

function line(found) {
  const name = found.title || found.id;
  const open = async () => {
    const entry = await ask(() => server.article(found.key));
    if (!entry) return;
    document.querySelector("#help-dialog").close();
    openFound(entry);
  };
  // what waits for its turn in a random sample is named only: who chooses what to judge draws no random sample
  const head = found.state === "turn" ? el("span", { dir: "auto", text: name }) : button(".small", name, open, { dir: "auto" });
  const place = { judged: t("search_judged"), turn: t("search_turn", { lane: word("lane", found.lane) }), open: "" }[found.state];
  return el("li", {}, head, found.title && el("span.hint", { text: found.id }), place && el("span.hint", { text: place }));
}
