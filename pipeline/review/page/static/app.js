// The review page: joins the parts, and listens to keyboard, mouse, touch, other tabs and the network.
import { act, addSelection, obey } from "./actions.js";
import { again, dropFromQueues, go, keep, next, outbox, refill } from "./deck.js";
import { find, selectWord, selectedText } from "./dom.js";
import { isMeantClick } from "./gesture.js";
import { command, isComposing, isTyping } from "./keys.js";
import { server, settings, state, storage } from "./state.js";
import { fill, speak, t } from "./strings.js";
import { hands, render, showFrame, showNothing, showText, tell } from "./view.js";

Object.assign(hands, { act, go, again, outbox });

document.addEventListener("keydown", (event) => {
  if (event.repeat && event.key === "Enter" && !isComposing(event)) return event.preventDefault(); // held down it is one press
  const dialog = find("#help-dialog");
  if (dialog.open) return event.key === "?" && !isTyping(event.target) ? dialog.close() : undefined; // Escape closes it too
  const onButton = event.target instanceof Element && event.target.closest("button, a");
  if (onButton && (event.key === "Enter" || event.key === " ")) return; // that is a click
  const name = command(event);
  if (!name) return;
  if (isTyping(event.target)) {
    if (name !== "Escape" || isComposing(event)) return;
    event.target.blur();
    if (state.mode) act("close");
  } else if (!obey(name, event)) return;
  event.preventDefault();
});

document.addEventListener(
  "click",
  (event) => {
    if (isMeantClick(event)) return;
    event.preventDefault();
    event.stopImmediatePropagation();
  },
  { capture: true },
);

// a click leaves the focus where it is: Enter goes on to mean "accept the rest"
document.addEventListener("mousedown", (event) => event.target.closest("button") && event.preventDefault());

const text = find("#article");
text.addEventListener("click", (event) => {
  const mark = event.target.closest("mark");
  if (mark && !selectedText(text)) act("select", Number(mark.dataset.row));
});
text.addEventListener("dblclick", selectWord);

const offer = find("#add-selected");
document.addEventListener("selectionchange", () => {
  const wanted = state.card && (!state.draft.revealed || (settings.many && !settings.allowed));
  const phrase = wanted ? selectedText(text) : "";
  offer.hidden = !phrase;
  offer.dataset.phrase = phrase;
  offer.textContent = t("add_selected", { phrase: phrase.length > 40 ? `${phrase.slice(0, 40)}…` : phrase });
});
// not `click`: a tap takes the selection away before it becomes one; a click without a pointer is a screen reader's
for (const kind of ["pointerdown", "click"]) {
  offer.addEventListener(kind, (event) => {
    event.preventDefault();
    if (kind === "pointerdown" || event.detail === 0) addSelection(offer.dataset.phrase);
  });
}

// what sticks to the top is as high as what it has to say: the panel below it gets the rest of the window
new ResizeObserver(([{ target }]) => document.documentElement.style.setProperty("--top", `${target.offsetHeight}px`)).observe(
  find(".top"),
);
document.addEventListener("input", () => keep()); // what is being written survives the tab

find("#more").addEventListener("click", ({ currentTarget }) => {
  const open = document.body.toggleAttribute("data-more");
  currentTarget.setAttribute("aria-expanded", String(open));
});
find("#search").addEventListener("click", () => act("search"));
find("#noted").addEventListener("click", () => act("noted_list"));
find("#help").addEventListener("click", () => act("help"));
find("#theme").addEventListener("click", () => {
  const { dataset } = document.documentElement;
  const dark = dataset.theme ? dataset.theme === "dark" : matchMedia("(prefers-color-scheme: dark)").matches;
  dataset.theme = dark ? "light" : "dark";
  try {
    localStorage.setItem("labelmill/theme", dataset.theme);
  } catch {
    // no storage: it holds for this page
  }
});
find("#language").addEventListener("click", () => {
  state.language = state.language === "ko" ? "en" : "ko";
  const address = new URL(location.href);
  address.searchParams.set("ui", state.language);
  history.replaceState(null, "", address);
  start();
});

storage.listen((name, value) => {
  outbox.changed();
  if (!name.startsWith("out/") || !value) return;
  outbox.later();
  if (value.undoes) return;
  dropFromQueues(value); // judged in another tab
  if (state.card?.key !== value.key || state.card.lane !== value.lane) return;
  next();
  tell(t("judged_elsewhere", { id: value.id }));
});
for (const event of ["online", "focus"]) {
  window.addEventListener(event, () => {
    outbox.flush();
    refill();
  });
}
document.addEventListener("visibilitychange", () => {
  if (document.hidden) keep();
  outbox.flush();
});
window.addEventListener("pagehide", () => {
  keep();
  outbox.flush();
  here(false); // others are given what this page had before it
});
window.addEventListener("pageshow", (event) => event.persisted && here(true));
setInterval(() => here(true), 60_000);

/** Say whether the page is open; a call that fails is made up for by the next one. */
function here(open) {
  server.here(open).catch(() => {});
}
window.addEventListener("beforeunload", (event) => storage.memory.size && event.preventDefault());

function start() {
  speak(state.language);
  fill(document);
  if (!state.card) return showNothing();
  showText();
  render();
  showFrame();
}

for (const name of storage.names("draft/")) if (name.split("/").length < 3) storage.delete(name); // of pages that kept no lane
storage.forget("draft/", 200); // of labels that never came back
start();
outbox.flush().finally(refill); // first what was taken back just before a reload: the server shows that article again
