// Elements without innerHTML: whatever an article or a phrase holds stays text.

/** Make an element `tag.class` with `props`: text, on (listeners by event), and attributes by name (null and false: none); nothing for a child that is none. */
export function el(what, props = {}, ...children) {
  const [tag, ...classes] = what.split(".");
  const element = document.createElement(tag);
  if (classes.length) element.className = classes.join(" ");
  for (const [name, value] of Object.entries(props)) {
    if (name === "text") element.append(...shown(value ?? ""));
    else if (name === "on") for (const event of Object.keys(value)) element.addEventListener(event, value[event]);
    else if (value !== null && value !== false && value !== undefined) element.setAttribute(name, value);
  }
  const present = children.flat().filter((child) => child || child === "");
  element.append(...present.flatMap((child) => (typeof child === "string" ? shown(child) : child)));
  return element;
}

const CONTROL = /([\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069])/;

/** Return the nodes of a text: what turns the direction of writing is marked, and turns nothing outside of its mark. */
export function shown(text) {
  const value = String(text);
  if (!CONTROL.test(value)) return [value];
  return value.split(CONTROL).filter(Boolean).map((part) => (CONTROL.test(part) ? control(part) : part));
}

function control(character) {
  const element = document.createElement("bdi"); // it stays in the text, so that a phrase that is selected with it is found
  element.className = "control";
  element.dataset.code = `U+${character.charCodeAt(0).toString(16).toUpperCase().padStart(4, "0")}`;
  element.append(character);
  return element;
}

/** Make a button that calls `click`.  `props.at` names it, so that the focus finds it again when the panel is drawn anew. */
export function button(classes, words, click, { at, ...props } = {}, ...children) {
  return el(`button${classes}`, { type: "button", "data-at": at, on: { click }, ...props }, words, ...children);
}

/** Return `make`, called once for each set of arguments: the browser's formatters are slow to make. */
export function once(make) {
  const made = new Map();
  return (...values) => {
    const name = values.join("|");
    if (!made.has(name)) made.set(name, make(...values));
    return made.get(name);
  };
}

export const find = (selector) => document.querySelector(selector);

const narrow = (text) => text.replace(/\s+/g, " ").trim();

/** Return the text that is selected inside `root`, on one line; "" for none or for more than a phrase can be. */
export function selectedText(root) {
  const selection = document.getSelection();
  if (!selection || selection.isCollapsed || !selection.rangeCount) return "";
  if (!root.contains(selection.getRangeAt(0).commonAncestorContainer)) return "";
  const text = narrow(selection.toString());
  return text.length <= 200 ? text : "";
}

/** Select the word under a double tap; a mouse's double click selects it by itself. */
export function selectWord(event) {
  const selection = document.getSelection();
  if (!selection || !selection.isCollapsed || !document.caretRangeFromPoint) return;
  const range = document.caretRangeFromPoint(event.clientX, event.clientY);
  if (!range) return;
  selection.removeAllRanges();
  selection.addRange(range);
  selection.modify("move", "backward", "word");
  selection.modify("extend", "forward", "word");
}
