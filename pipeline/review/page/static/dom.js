// Elements without innerHTML: whatever an article or a phrase holds stays text.

/** Make an element `tag.class` with `props`: text, on (listeners by event), and attributes by name (null and false: none); nothing for a child that is none. */
export function el(what, props = {}, ...children) {
  const [tag, ...classes] = what.split(".");
  const element = document.createElement(tag);
  if (classes.length) element.className = classes.join(" ");
  for (const [name, value] of Object.entries(props)) {
    if (name === "text") element.textContent = value;
    else if (name === "on") for (const event of Object.keys(value)) element.addEventListener(event, value[event]);
    else if (value !== null && value !== false && value !== undefined) element.setAttribute(name, value);
  }
  element.append(...children.flat().filter((child) => child || child === ""));
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
