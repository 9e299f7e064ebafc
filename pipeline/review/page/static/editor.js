// The small forms of the panel.  They listen to `submit`, not to Enter: the browser knows when an IME is done with a syllable.
import { button, el } from "./dom.js";
import { t } from "./strings.js";

/** One line of text.  `save(text)` is called with what was written; the form's `commit` is for who goes on without saving. */
export function line({ label, kind = "", value = "", hint = "", done = t("save"), save, cancel }) {
  const props = { type: "text", placeholder: hint, "aria-label": label, autocomplete: "off", spellcheck: "false" };
  const input = el("input", { ...props, enterkeyhint: "done" });
  input.value = value;
  const form = el(`form.editor${kind}`, {}, [
    input,
    el("button.small", { type: "submit", text: done }),
    cancel && button(".small.quiet", t("cancel"), cancel),
  ]);
  form.addEventListener("submit", (event) => {
    event.preventDefault();
    save(input.value);
  });
  return Object.assign(form, { input, commit: () => save(input.value) });
}

/** A label that is JSON, over several lines.  `check(text)` gives the job's own text for it, null where it does not fit. */
export function json({ label, value, check, save, cancel }) {
  const input = el("textarea.json", { "aria-label": label, rows: "10", spellcheck: "false" });
  const wrong = el("p.warning", { role: "alert" });
  input.value = pretty(value);
  const form = el("form.editor", {}, [input, wrong, el("button.small", { type: "submit", text: t("save") }), button(".small.quiet", t("cancel"), cancel)]);
  const written = () => {
    try {
      JSON.parse(input.value); // is it JSON?  It goes out as it is written: a number of 17 digits is another one here
      return input.value;
    } catch (error) {
      wrong.textContent = String(error.message);
      return null;
    }
  };
  form.addEventListener("submit", async (event) => {
    event.preventDefault();
    const text = written();
    if (text === null) return;
    try {
      const own = await check(text);
      if (own === null) wrong.textContent = t("no_fit");
      else save(own);
    } catch (error) {
      wrong.textContent = String(error.message);
    }
  });
  const commit = () => {
    const text = written();
    if (text !== null && text !== pretty(value)) save(text); // the server looks whether it fits
    return text !== null;
  };
  return Object.assign(form, { input, commit });
}

const SPACE = /("(?:[^"\\]|\\.)*")|\s+/g; // a string, which keeps its spaces, or spaces

/** JSON as people read it; as it is written where this language has no such number. */
export const pretty = (text) => {
  try {
    const value = JSON.parse(text);
    const isSame = JSON.stringify(value) === text.replace(SPACE, (_, string) => string ?? "");
    return isSame ? JSON.stringify(value, null, 2) : text;
  } catch {
    return text;
  }
};

/** A choice among the labels that the job allows: write a part of one, or use the arrows; Enter takes it. */
export function choice({ allowed, chosen, save, cancel }) {
  const form = line({
    label: t("choose_label"),
    hint: t("choose_label"),
    save: () => save(shown()[at] ?? chosen),
    cancel,
  });
  const list = el("ul.choice", { role: "listbox", "aria-label": t("choose_label") });
  let at = Math.max(0, allowed.indexOf(chosen));
  const shown = () => {
    const part = form.input.value.normalize("NFC").trim().toLowerCase();
    const where = (label) => label.toLowerCase().indexOf(part);
    const matching = allowed.filter((label) => where(label) >= 0);
    return part ? matching.sort((one, other) => (where(one) > 0) - (where(other) > 0)) : matching; // what begins with it first
  };
  const draw = () => {
    const labels = shown();
    at = Math.max(0, Math.min(at, labels.length - 1));
    const option = (label, number) => {
      const props = { id: `choice-${number}`, role: "option", "aria-selected": String(number === at), text: label };
      return el("li", { ...props, on: { click: () => save(label) } });
    };
    list.replaceChildren(...labels.map(option));
    list.children[at]?.scrollIntoView({ block: "nearest" });
    form.input.setAttribute("aria-activedescendant", `choice-${at}`);
  };
  form.input.addEventListener("input", () => {
    at = 0;
    draw();
  });
  form.input.addEventListener("keydown", (event) => {
    if (event.isComposing || (event.key !== "ArrowDown" && event.key !== "ArrowUp")) return;
    event.preventDefault();
    at += event.key === "ArrowDown" ? 1 : -1;
    draw();
  });
  form.input.setAttribute("role", "combobox");
  form.input.setAttribute("aria-expanded", "true");
  form.commit = () => {}; // a choice that was not made is none
  form.append(list);
  draw();
  return form;
}
