// A gesture belongs to what was before the eyes when it began: the second half of a double click, or a press out of impatience, must
// not judge an article, or a label, that came meanwhile and that nobody has seen.

const DOUBLE = 500; // ms within which desktops take two clicks for one double click
const TAP = 300; // ms between the two taps of a finger, which browsers do not always count
const NEAR = 40; // px that they may be apart
const PATIENCE = 1000; // ms that a key may have been pressed in vain before an article came

let shown = { at: 0, label: false }; // when another article came, or (label) that of a blind one
let clicked = null; // the last click that counted: {at, x, y}
let waited = -PATIENCE; // when a key was pressed with no article there

/** Note that something to judge is before the eyes from now on. */
export function comesIntoSight(label = false) {
  shown = { at: performance.now(), label };
}

/** Return whether `at` is less than `span` behind `before`; never after a clock was set back. */
const isSoon = (at, before, span) => at >= before && at - before < span;

/** Return whether an event had to wait while the page was busy with what is there now. */
const isLate = (at) => at < shown.at && shown.at <= performance.now();

/** Return whether a click was meant for what is there now. */
export function isMeantClick({ timeStamp: at, clientX: x, clientY: y, detail, target }) {
  if (isLate(at)) return false;
  if (detail === 0) return true; // a key or a screen reader: no position, no double click
  const near = clicked && Math.hypot(x - clicked.x, y - clicked.y) < NEAR;
  const caused = near && isSoon(shown.at, clicked.at, DOUBLE);
  const undo = target.closest("button")?.dataset.at === "undo"; // which judges nothing
  if (caused && !undo && isSoon(at, shown.at, detail > 1 ? DOUBLE : TAP)) return false;
  clicked = { at, x, y };
  return true;
}

/** Return whether a press of `name` was meant for what is there now; `card`: whether there is anything. */
export function isMeantKey({ timeStamp: at }, name, card) {
  if (isLate(at)) return false;
  if (!card) waited = at;
  // Enter writes phrases, and shows the label: once more it is out of habit
  const hasty = isSoon(shown.at, waited, PATIENCE) || (name === "Enter" && shown.label);
  return !(card && hasty && isSoon(at, shown.at, DOUBLE));
}
