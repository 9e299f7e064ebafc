// The seconds that an article was before the reviewer's eyes: only while the page is visible, a pause counts at most so long.

const LONGEST_PAUSE = 120;

export class Clock {
  constructor() {
    this.seconds = 0;
    this.last = performance.now();
    this.visible = !document.hidden;
    for (const event of ["keydown", "pointerdown", "pointermove", "wheel", "scroll", "touchmove"]) {
      window.addEventListener(event, () => this.read(), { passive: true, capture: true });
    }
    document.addEventListener("visibilitychange", () => {
      this.read();
      this.visible = !document.hidden;
    });
  }

  start(seconds) {
    this.read();
    this.seconds = seconds;
  }

  read() {
    const now = performance.now();
    if (this.visible) this.seconds += Math.min(LONGEST_PAUSE, (now - this.last) / 1000);
    this.last = now;
    return this.seconds;
  }
}
