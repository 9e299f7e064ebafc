// What a key press asks for.  Letters count by what they say, and by their place where a Hangul layout or an IME is on.

const ARROWS = { ArrowUp: "previous", ArrowDown: "next", ArrowLeft: "reject", ArrowRight: "accept" };

export function isTyping(target) {
  return (
    target instanceof HTMLElement && (target.isContentEditable || /^(INPUT|TEXTAREA|SELECT)$/.test(target.tagName))
  );
}

/** Whether a key belongs to the input method, which is still making a syllable of it. */
export const isComposing = (event) => event.isComposing || event.keyCode === 229;

/** A command: a letter, a digit "1".."9", "?", "/", "Enter", "Escape", an arrow's meaning; null for what is the browser's. */
export function command(event) {
  if (event.ctrlKey || event.metaKey || event.altKey) return null;
  if (event.key === "Enter" || event.code === "NumpadEnter") return "Enter";
  if (event.key === "Escape") return "Escape";
  if (Object.hasOwn(ARROWS, event.key)) return event.shiftKey ? null : ARROWS[event.key]; // Shift + arrow selects text
  if (event.key === "?" || event.key === "/") return event.key;
  const digit = /^(?:Digit|Numpad)([1-9])$/.exec(event.code);
  if (digit) return digit[1]; // by place: on a French keyboard digits need Shift
  if (/^[a-z]$/i.test(event.key)) return event.key.toLowerCase();
  const letter = /^Key([A-Z])$/.exec(event.code);
  if (letter) return letter[1].toLowerCase();
  return event.code === "Slash" && event.shiftKey ? "?" : null;
}
