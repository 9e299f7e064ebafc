// Judgements on their way: stored before anything else, sent oldest first, again and again until the server has them.
// Two tabs may send the same one; the server keeps each uid once.

const BATCH = 20;
const AFTER_PAINT = 40; // ms: the next article is before the reviewer first

const REFUSALS = ["token", "reviewer"]; // kinds of trouble that only a person can mend

export class Outbox {
  /** `changed()` is called whenever the state changes, `answered(reply)` with each answer of the server. */
  constructor(storage, server, changed, answered) {
    Object.assign(this, { storage, server, changed, answered });
    this.state = "ok"; // ok | offline | one of REFUSALS
    this.failures = 0;
    this.timer = null;
    this.sending = null;
  }

  add(judgement) {
    const last = this.storage.names("out/").at(-1)?.slice(4, 20) ?? "0";
    const order = Math.max(Date.now(), Number(last) + 1); // a clock that is put back must not reorder
    this.storage.set(`out/${String(order).padStart(16, "0")}-${judgement.uid}`, judgement);
    this.changed();
    this.later(AFTER_PAINT);
  }

  waiting = () => this.storage.names("out/");

  refused = () => this.storage.names("refused/").map((name) => ({ name, ...this.storage.get(name) }));

  /** Keys of articles that have a judgement here. */
  keys() {
    const held = [
      ...this.waiting().map((name) => this.storage.get(name)),
      ...this.refused().map((entry) => entry.judgement),
    ];
    return held.filter((judgement) => judgement && !judgement.undoes).map((judgement) => judgement.key);
  }

  /** Send all there is.  Resolves to true when nothing is left. */
  flush() {
    this.sending ??= this.sendAll().finally(() => {
      this.sending = null;
      this.changed();
    });
    return this.sending;
  }

  async sendAll() {
    clearTimeout(this.timer);
    const tried = new Set();
    let size = BATCH;
    for (;;) {
      const names = this.waiting()
        .filter((name) => !tried.has(name))
        .slice(0, size);
      if (!names.length) break;
      const judgements = names.map((name) => this.storage.get(name));
      try {
        this.take(names, judgements, await this.server.send(judgements.filter(Boolean)));
        names.forEach((name) => tried.add(name));
        this.failures = 0;
        this.state = "ok";
        this.changed();
      } catch (trouble) {
        if (trouble.kind === "client") {
          // one of them is at fault: one at a time, so that it does not hold up the others
          if (size === 1) tried.add(names[0]);
          size = 1;
          continue;
        }
        this.state = REFUSALS.includes(trouble.kind) ? trouble.kind : "offline";
        this.failures += 1;
        break;
      }
    }
    if (this.waiting().length) this.later();
    return this.waiting().length === 0;
  }

  take(names, judgements, reply) {
    const stored = new Set(reply.stored);
    names.forEach((name, number) => {
      const judgement = judgements[number];
      const why = judgement && reply.refused?.[judgement.uid];
      if (why) this.storage.set(name.replace("out/", "refused/"), { judgement, why });
      if (why || !judgement || stored.has(judgement.uid)) this.storage.delete(name);
    });
    this.answered(reply);
  }

  /** Try again in a while; also what another tab has stored, which may be closed before it could send it. */
  later(wait = Math.min(15, 2 ** this.failures) * (800 + Math.random() * 400)) {
    clearTimeout(this.timer);
    this.timer = setTimeout(() => this.flush(), wait);
  }

  /** Note a failure that another request met; only those that a person can mend count. */
  trouble({ kind }) {
    if (!REFUSALS.includes(kind)) return;
    this.state = kind;
    this.changed();
  }
}
