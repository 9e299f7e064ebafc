// Articles: those ahead (fetched before they are needed), the current one, and those that were judged (undo).
import { find } from "./dom.js";
import * as drafts from "./draft.js";
import { Outbox } from "./outbox.js";
import { clock, server, state, storage } from "./state.js";
import { newUid } from "./storage.js";
import { t } from "./strings.js";
import { showArticle, showFrame, showNothing, showSaved, tell, workAhead } from "./view.js";

const AHEAD = 8; // cards held beyond the current one
const MORE = 4; // so that not every judgement asks for one card
const REMEMBERED = 50; // judged articles that undo needs no server for

/** Where a draft is kept, of a card or a judgement: one for each lane, so that none fills in another. */
const draftOf = ({ lane, key }) => `draft/${lane}/${key}`;

export const outbox = new Outbox(storage, server, showSaved, takeAnswer);

// --- ahead ---

const held = () => [state.card, ...Object.values(state.queues).flat()].filter(Boolean).map((card) => card.key);

/** Fetch cards of the current lane until enough are held.  The reviewer never waits for this but at the very start. */
export async function refill() {
  const { lane } = state;
  const queue = state.queues[lane];
  if (refill.running || queue.length >= AHEAD || state.exhausted[lane]) return;
  refill.running = true;
  clearTimeout(refill.timer);
  try {
    while (queue.length < AHEAD && !state.exhausted[lane]) await fetchInto(queue, lane);
  } catch (trouble) {
    state.failed = true;
    outbox.trouble(trouble);
    refill.timer = setTimeout(refill, 3000);
    if (!state.card) showNothing();
  } finally {
    refill.running = false;
  }
  if (lane !== state.lane) refill();
  else if (!state.card && state.exhausted[lane]) refill.timer = setTimeout(lookAgain, 30_000);
}

/** Look again later whether an empty lane has filled: others give articles back, or differ. */
function lookAgain() {
  if (state.card) return;
  state.exhausted = {};
  refill();
}

async function fetchInto(queue, lane) {
  const keys = () => [...new Set([...held(), ...outbox.keys()])];
  const reply = await server.queue(lane, AHEAD + MORE - queue.length, keys());
  const present = new Set(keys()); // it may have become more while the server was thinking
  const fresh = reply.articles.filter((card) => !present.has(card.key));
  state.exhausted[lane] = fresh.length === 0;
  state.failed = false;
  queue.push(...(queue.length || state.card ? fresh : startedFirst(fresh)));
  take({ figures: reply.figures, left: { [lane]: reply.left } });
  if (!state.card && lane === state.lane) next(false);
  else workAhead();
}

/** Put the article first that was before the reviewer when the page was reloaded. */
function startedFirst(cards) {
  const at = (card) => storage.get(draftOf(card))?.at ?? 0;
  return [...cards].sort((one, other) => at(other) - at(one));
}

function take(reply) {
  if (reply.figures) state.figures = reply.figures;
  if (reply.left && !outbox.waiting().length) Object.assign(state.left, reply.left);
  showFrame();
}

function takeAnswer(reply) {
  state.exhausted = {}; // what was judged may have brought more, of adjudication for one
  take(reply);
  refill();
}

/** Drop the card of an article from its lane. */
export function dropFromQueues({ lane, key }) {
  const queue = state.queues[lane] ?? [];
  const at = queue.findIndex((card) => card.key === key);
  if (at >= 0) queue.splice(at, 1);
}

// --- the current one ---

function show(card, draft) {
  Object.assign(state, { card, draft, mode: null });
  clock.start(draft.seconds);
  if (draft.open && draft.open.kind !== "typing") state.mode = { kind: draft.open.kind };
  showArticle();
  bringBack(draft.open);
}

/** Write again into the input that was open when the page went. */
function bringBack(open) {
  const field = open && find(`#panel .editor${open.kind === "typing" ? ".typing" : ":not(.typing)"} :is(input, textarea)`);
  if (!field) return;
  field.value = open.text;
  field.dispatchEvent(new Event("input", { bubbles: true }));
}

/** Return what is being written in the panel, {kind, text}; null for nothing. */
function openInput() {
  const kind = state.mode?.kind ?? "typing";
  const field = find(`#panel .editor${kind === "typing" ? ".typing" : ":not(.typing)"} :is(input, textarea)`);
  return field?.value ? { kind, text: field.value } : null;
}

export function next(more = true) {
  const card = state.queues[state.lane].shift();
  if (card) {
    show(card, stored(card));
  } else {
    Object.assign(state, { card: null, draft: null, mode: null });
    showNothing();
  }
  if (more) refill();
}

function stored(card) {
  const draft = storage.get(draftOf(card));
  if (draft?.judgement) return drafts.fromJudgement(card, draft.judgement);
  return draft && drafts.fits(card, draft) ? draft : drafts.begin(card);
}

export function again() {
  state.exhausted = {};
  next();
}

export function go(lane) {
  if (lane === state.lane && state.card) return;
  putBack();
  state.lane = lane;
  const address = new URL(location.href);
  address.searchParams.set("lane", lane);
  window.history.replaceState(null, "", address);
  again();
}

/** Leave the current article for later, with its draft. */
function putBack() {
  if (!state.card) return;
  keep();
  state.queues[state.card.lane]?.unshift(state.card);
  state.card = null;
}

/** Store the draft of the current article. */
export function keep() {
  if (!state.card) return;
  state.draft.seconds = clock.read();
  state.draft.at = Date.now();
  state.draft.open = openInput();
  storage.set(draftOf(state.card), state.draft);
}

export function finish(skipped) {
  const { card, draft } = state;
  draft.seconds = clock.read();
  const judgement = drafts.toJudgement(card, draft, newUid(), skipped);
  outbox.add(judgement);
  storage.delete(draftOf(card));
  state.history.push({ card, draft, uid: judgement.uid });
  if (state.history.length > REMEMBERED) state.history.shift();
  state.sitting.push(judgement.seconds);
  count(card.lane, -1);
  next();
}

function count(lane, change) {
  if (state.left[lane] !== undefined) state.left[lane] = Math.max(0, state.left[lane] + change);
}

// --- those before ---

/** Take the last judgement back and show its article as it was just before. */
export async function undoArticle() {
  const last = state.history.pop() ?? (await earlier());
  if (!last) return;
  const refused = outbox.refused().find((entry) => entry.judgement.uid === last.uid);
  if (refused) storage.delete(refused.name);
  else outbox.add({ uid: newUid(), key: last.card.key, id: last.card.id, lane: last.card.lane, undoes: last.uid });
  count(last.card.lane, 1);
  open(last.card, last.draft);
}

/** Return the newest judgement that the server knows: of before a reload, or of long ago. */
async function earlier() {
  if (undoArticle.asking) return null;
  undoArticle.asking = true;
  try {
    if (!(await outbox.flush())) throw new Error("judgements are waiting");
    const [entry] = (await server.history(1)).judgements;
    if (entry)
      return { card: entry.card, uid: entry.judgement.uid, draft: drafts.fromJudgement(entry.card, entry.judgement) };
    tell(t("undo_end"));
  } catch {
    tell(t("undo_offline"));
  } finally {
    undoArticle.asking = false;
  }
  return null;
}

/** Take a judgement of before back and show its article with what was said of it. */
export function reopen({ card, judgement }) {
  outbox.add({ uid: newUid(), key: card.key, id: card.id, lane: card.lane, undoes: judgement.uid });
  state.history = state.history.filter((entry) => entry.uid !== judgement.uid);
  count(card.lane, 1);
  open(card, drafts.fromJudgement(card, judgement));
}

function open(card, draft) {
  if (card.lane in state.queues) state.lane = card.lane;
  bring(card, draft);
  tell(`${t("taken_back")}: ${card.title || card.id}`);
}

/** Show an article now; the one that is there waits. */
function bring(card, draft) {
  putBack();
  dropFromQueues(card);
  show(card, draft);
  keep();
}

/** Open an article that was searched for; what was said of it is taken back.  The lane stays, and goes on behind it. */
export function openFound({ card, judgement }) {
  if (judgement) return reopen({ card, judgement });
  if (state.card?.key === card.key && state.card.lane === card.lane) return; // it is there
  const draft = stored(card);
  bring({ ...card, chosen: true }, draft);
}

/** Open the article of a refused judgement again; the server is asked first, for its label may be another now. */
export async function openAgain({ name, judgement }) {
  const judged = state.history.find((entry) => entry.uid === judgement.uid);
  storage.delete(name);
  storage.set(draftOf(judgement), { judgement, at: Date.now() });
  const reply = await server.queue(judgement.lane, AHEAD + MORE, held()).catch(() => ({ articles: [] }));
  const card = reply.articles.find((other) => other.key === judgement.key) ?? judged?.card;
  if (card) open(card, drafts.fromJudgement(card, judgement));
  else tell(t("comes_again", { id: judgement.id }));
  showSaved();
}
