// What the parts of the page share: the job's settings, what is on the screen, and where things are kept.
import { Clock } from "./clock.js";
import { Server } from "./server.js";
import { Storage } from "./storage.js";

export const settings = JSON.parse(document.body.dataset.settings);

export const state = {
  settings,
  language: settings.ui,
  lane: settings.lane,
  left: Object.fromEntries(settings.lanes.map((lane) => [lane.name, lane.left])),
  figures: null,
  queues: Object.fromEntries(settings.lanes.map((lane) => [lane.name, []])), // the cards ahead
  exhausted: {}, // lanes of which the server has no more
  failed: false, // the last request for cards
  card: null,
  draft: null,
  mode: null, // what is being asked: {kind: "edit" | "missing" | "note" | "reason"}
  history: [], // {card, draft, uid} of this sitting, oldest first
  sitting: [], // seconds of each judgement
  warned: null, // the key of the article whose reviewer was warned that undo will leave it
};

export const clock = new Clock();
export const server = new Server(settings);
export const storage = new Storage([settings.storage, settings.job, settings.model].filter(Boolean).join("|"), settings.reviewer);
