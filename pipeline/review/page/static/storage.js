// The browser's storage, for one job and one reviewer.  Each entry has a key of its own, so tabs never overwrite each other.

export class Storage {
  constructor(job, reviewer) {
    this.prefix = `labelmill/${encodeURIComponent(job)}/${encodeURIComponent(reviewer)}/`;
    this.memory = new Map(); // what the browser would not store (it is full): kept in this tab only
  }

  get(name) {
    if (this.memory.has(name)) return this.memory.get(name);
    try {
      return JSON.parse(localStorage.getItem(this.prefix + name));
    } catch {
      return null;
    }
  }

  set(name, value) {
    try {
      localStorage.setItem(this.prefix + name, JSON.stringify(value));
      this.memory.delete(name);
    } catch {
      this.memory.set(name, value);
    }
  }

  delete(name) {
    this.memory.delete(name);
    try {
      localStorage.removeItem(this.prefix + name);
    } catch {
      // no storage: it was in memory only
    }
  }

  /** Names that begin with `start`, sorted. */
  names(start) {
    let stored = [];
    try {
      stored = Object.keys(localStorage).filter((key) => key.startsWith(this.prefix + start));
    } catch {
      // no storage: what is in memory
    }
    return [...new Set([...stored.map((key) => key.slice(this.prefix.length)), ...this.memory.keys()])]
      .filter((name) => name.startsWith(start))
      .sort();
  }

  /** Keep the newest `most` entries whose names begin with `start` and that say when they were made (`at`). */
  forget(start, most) {
    const at = (name) => this.get(name)?.at ?? 0;
    const names = this.names(start).sort((one, other) => at(other) - at(one));
    for (const name of names.slice(most)) this.delete(name);
  }

  /** Tell `heard(name, value)` what another tab of the same reviewer stores or removes (null). */
  listen(heard) {
    window.addEventListener("storage", (event) => {
      if (event.key?.startsWith(this.prefix))
        heard(event.key.slice(this.prefix.length), event.newValue && JSON.parse(event.newValue));
    });
  }
}

/** 128 random bits; `crypto.randomUUID` is missing where the page is plain HTTP from another host. */
export function newUid() {
  return [...crypto.getRandomValues(new Uint8Array(16))].map((byte) => byte.toString(16).padStart(2, "0")).join("");
}
