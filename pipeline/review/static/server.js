// The server's addresses.  Every answer is JSON; every failure is a `Trouble` that says what kind it is.

export class Trouble extends Error {
  /** `kind`: "token" (open the page again), "client" (this request is wrong) or "server" (try again later). */
  constructor(kind, message) {
    super(message);
    this.kind = kind;
  }
}

export class Server {
  constructor(settings) {
    this.reviewer = settings.reviewer;
    this.csrf = settings.csrf;
  }

  queue(lane, n, have) {
    return this.ask(`/api/queue?${new URLSearchParams({ reviewer: this.reviewer, lane, n, have: have.join(",") })}`);
  }

  history(n) {
    return this.ask(`/api/history?${new URLSearchParams({ reviewer: this.reviewer, before: "", n })}`);
  }

  async send(judgements) {
    const post = () => {
      const body = JSON.stringify({ reviewer: this.reviewer, judgements });
      const headers = { "Content-Type": "application/json", "X-CSRF-Token": this.csrf };
      // keepalive lets the last one out when the tab closes; browsers allow it for small bodies only
      return this.ask("/api/judgements", { method: "POST", headers, body, keepalive: body.length < 15000 });
    };
    try {
      return await post();
    } catch (trouble) {
      if (trouble.kind !== "token" || !(await this.renew())) throw trouble;
      return post();
    }
  }

  /** A server that was started anew has another CSRF token: take it from the page, where we are still let in. */
  async renew() {
    const reply = await fetch(location.href).catch(() => null);
    if (!reply?.ok) return false;
    const page = new DOMParser().parseFromString(await reply.text(), "text/html");
    const csrf = JSON.parse(page.body.dataset.settings ?? "{}").csrf;
    const isNew = Boolean(csrf) && csrf !== this.csrf;
    if (isNew) this.csrf = csrf;
    return isNew;
  }

  async ask(address, options = {}) {
    let reply;
    try {
      reply = await fetch(address, { ...options, signal: AbortSignal.timeout(20000) });
      if (reply.ok) return await reply.json();
    } catch (error) {
      throw new Trouble("server", String(error));
    }
    const said = await reply.json().catch(() => ({}));
    const kind = reply.status === 401 || reply.status === 403 ? "token" : reply.status >= 500 || reply.status === 429 ? "server" : "client";
    throw new Trouble(kind, said.error ?? `HTTP ${reply.status}`);
  }
}
