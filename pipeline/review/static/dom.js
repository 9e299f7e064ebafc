// Elements without innerHTML: whatever an article or a phrase holds stays text.

/** An element; `props`: class, text, data (dataset), on (listeners), and attributes by name (null and false: none). */
export function el(tag, props = {}, ...children) {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(props)) {
    if (name === "class") element.className = value;
    else if (name === "text") element.textContent = value;
    else if (name === "data") Object.assign(element.dataset, value);
    else if (name === "on") for (const [event, listener] of Object.entries(value)) element.addEventListener(event, listener);
    else if (value !== null && value !== false && value !== undefined) element.setAttribute(name, value === true ? "" : value);
  }
  element.append(...children.filter((child) => child !== null && child !== undefined && child !== false));
  return element;
}

export const find = (selector) => document.querySelector(selector);

const narrow = (text) => text.replace(/\s+/g, " ").trim();

/** The text that is selected inside `root`, on one line; "" for none or for more than a phrase can be. */
export function selectedText(root) {
  const selection = document.getSelection();
  if (!selection || selection.isCollapsed || !selection.rangeCount) return "";
  if (!root.contains(selection.getRangeAt(0).commonAncestorContainer)) return "";
  const text = narrow(selection.toString());
  return text.length <= 200 ? text : "";
}

/** The word under a double tap; a mouse's double click selects it by itself. */
export function selectWord(event) {
  const selection = document.getSelection();
  if (!selection || !selection.isCollapsed || !document.caretRangeFromPoint) return;
  const place = document.caretRangeFromPoint(event.clientX, event.clientY);
  if (!place) return;
  selection.removeAllRanges();
  selection.addRange(place);
  selection.modify("move", "backward", "word");
  selection.modify("extend", "forward", "word");
}
