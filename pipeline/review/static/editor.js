// The small forms of the panel.  They listen to `submit`, not to Enter: the browser knows when an IME is done with a syllable.
import { el } from "./dom.js";
import { t } from "./strings.js";

/** One line of text.  `save(text)` is called with what was written; the element has `commit` for who goes on without saving. */
export function line({ label, kind = "", value = "", hint = "", button = t("save"), save, cancel }) {
  const input = el("input", { type: "text", value, placeholder: hint, "aria-label": label, autocomplete: "off", spellcheck: "false", enterkeyhint: "done" });
  input.value = value;
  const form = el(
    "form",
    { class: `editor ${kind}` },
    input,
    el("button", { type: "submit", class: "small", text: button }),
    cancel && el("button", { type: "button", class: "small quiet", text: t("cancel"), on: { click: cancel } }),
  );
  form.addEventListener("submit", (event) => {
    event.preventDefault();
    save(input.value);
  });
  form.commit = () => save(input.value);
  form.input = input;
  return form;
}

/** A choice among the labels that the job allows: write a part of one, or use the arrows; Enter takes it. */
export function choice({ allowed, chosen, save, cancel }) {
  const form = line({ label: t("choose_label"), hint: t("choose_label"), save: () => save(shown()[at] ?? chosen), cancel });
  const list = el("ul", { class: "choice", role: "listbox", "aria-label": t("choose_label") });
  let at = 0;
  const shown = () => {
    const part = form.input.value.normalize("NFC").trim().toLowerCase();
    const at = (label) => label.toLowerCase().indexOf(part);
    const found = allowed.filter((label) => at(label) >= 0);
    return part ? found.sort((one, other) => (at(one) > 0) - (at(other) > 0)) : found; // those that begin with it first
  };
  const draw = () => {
    const labels = shown();
    at = Math.max(0, Math.min(at, labels.length - 1));
    list.replaceChildren(
      ...labels.map((label, number) =>
        el("li", { role: "option", "aria-selected": String(number === at), text: label, on: { click: () => save(label) } }),
      ),
    );
    list.children[at]?.scrollIntoView({ block: "nearest" });
  };
  form.input.addEventListener("input", () => ((at = 0), draw()));
  form.input.addEventListener("keydown", (event) => {
    if (event.isComposing || (event.key !== "ArrowDown" && event.key !== "ArrowUp")) return;
    event.preventDefault();
    at += event.key === "ArrowDown" ? 1 : -1;
    draw();
  });
  form.commit = () => {}; // a choice that was not made is none
  at = Math.max(0, allowed.indexOf(chosen));
  form.append(list);
  draw();
  return form;
}
