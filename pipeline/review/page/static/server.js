// The server's addresses.  Every answer is JSON; every failure is a `Trouble` that says what kind it is.

export class Trouble extends Error {
  /** `kind`: "token" (log in again), "reviewer" (nobody of that name), "client" (this request is wrong) or "server" (try again later). */
  constructor(kind, message) {
    super(message);
    this.kind = kind;
  }
}

export class Server {
  constructor(settings) {
    this.reviewer = settings.reviewer;
    this.csrf = settings.csrf;
    this.root = settings.root; // "" where nobody said at which path the page is: addresses are relative to it
  }

  queue(lane, n, have) {
    return this.ask(`${this.root}api/queue?${new URLSearchParams({ reviewer: this.reviewer, lane, n, have: have.join(",") })}`);
  }

  history(n) {
    return this.ask(`${this.root}api/history?${new URLSearchParams({ reviewer: this.reviewer, before: "", n })}`);
  }

  /** The reviewer's own judgements with a flag or a note, the newest first. */
  noted() {
    return this.ask(`${this.root}api/noted?${new URLSearchParams({ reviewer: this.reviewer })}`);
  }

  /** Articles with these words that are the reviewer's: {key, id, title, state, lane}. */
  search(q) {
    return this.ask(`${this.root}api/search?${new URLSearchParams({ reviewer: this.reviewer, q })}`);
  }

  /** One of them: its card, and the reviewer's judgement of it. */
  article(key) {
    return this.post(`${this.root}api/article`, { key });
  }

  /** Say that this page is open, or closes: then others are given what it had. */
  here(open) {
    return this.post(`${this.root}api/here`, { open });
  }

  /** The card of a blind article with its label, for the phrases that the reviewer wrote. */
  reveal(key, typed) {
    return this.post(`${this.root}api/reveal`, { key, typed });
  }

  /** The job's own text for a label that is JSON; null where it does not fit. */
  async check(label) {
    return (await this.post(`${this.root}api/check`, { label })).label;
  }

  send(judgements) {
    return this.post(`${this.root}api/judgements`, { judgements });
  }

  post(address, values) {
    const body = JSON.stringify({ reviewer: this.reviewer, ...values });
    const headers = { "Content-Type": "application/json", "X-CSRF-Token": this.csrf };
    // keepalive lets the last one out when the tab closes; browsers allow it for small bodies only
    return this.ask(address, { method: "POST", headers, body, keepalive: body.length < 15000 });
  }

  async ask(address, options = {}) {
    let reply;
    try {
      reply = await fetch(address, { ...options, signal: AbortSignal.timeout(20000) });
      if (reply.ok) return await reply.json();
    } catch (error) {
      throw new Trouble("server", String(error));
    }
    const answer = await reply.json().catch(() => ({}));
    const refused = reply.status === 401 || reply.status === 403;
    const later = reply.status >= 500 || reply.status === 429;
    const kind = refused ? (answer.kind ?? "token") : later ? "server" : "client";
    throw new Trouble(kind, answer.error ?? `HTTP ${reply.status}`);
  }
}
