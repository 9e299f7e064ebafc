"""How many requests to have in flight where no limit is known: local servers (vLLM, Ollama, llama.cpp) and at first.

It starts small and grows with each answer (slow start) until answers begin to wait for each other.  Then it climbs the hill: now
and then a larger or a smaller number is tried for a while and kept where it serves better: more throughput, or the same with less
waiting.  A refusal makes it smaller at once.
"""

from __future__ import annotations

START = 8.0
SMALLEST = 1.0
UP, DOWN = 1.4, 0.75
BETTER = 1.05  # of the throughput: a larger window is worth it
AS_GOOD = 0.99  # a smaller one serves as well
# Comparing the throughput of one doubling with the next misjudged on noise: it stopped at 31 in flight where 386 served six
# times as much.  So slow start ends by latency, and the hill climber corrects.
WAITING = 1.6  # slow start ends where answers take this much longer than the first ones
LONG_TRIP, MOST_GROWTH = 2.0, 0.6  # a second: by how much the window grows with each answer, and the most
TRIAL_SECONDS = 1.0  # how long a size is measured, at least
PATIENCE = 50  # answers for each of those in flight, before one more is tried than a limit of parallel requests left
REST = 6  # trials' worth of time between two trials


class ConcurrencyLimiter:
    """The number of requests to have in flight, `size`.  `most` is the ceiling; `fixed`: grow to it and stay there (the job
    file names it); `at_once`: begin there.
    """

    def __init__(self, most: int, fixed: bool, at_once: bool = False) -> None:
        self.size = float(most) if at_once else min(START, float(most))
        self._most, self._fixed = float(most), fixed
        self._ceiling, self._since_refusal = self._most, 0  # what limits of parallel requests leave of it
        self._slow_start = True
        self._base: tuple[float, float] | None = None  # size and throughput in force
        self._trial = 0  # +1: a larger size is being tried, -1: a smaller one
        self._last_trial = 1  # so that the first one is a smaller window
        self._resting = 0
        self._seen, self._first_latency, self._latency = 0, 0.0, 0.0
        self._begin(0.0)

    def _begin(self, now: float) -> None:
        self._since, self._answers, self._busy = now, 0, 0

    def answered(self, now: float, latency: float, in_flight: int, paced: bool) -> None:
        """Take note of an answer to one of `in_flight` requests; `paced`: a limit holds back the others anyway."""
        # Answers while few are in flight, as at a job's end, say nothing of the window.
        is_busy = in_flight >= 0.8 * self.size
        if self._ceiling < self._most:
            return self._within_ceiling()
        if self._slow_start and (is_busy or self._fixed or paced):
            self._grow(latency)
        if self._fixed or paced:
            return
        self._answers += 1
        self._busy += is_busy
        if self._slow_start:
            self._look_for_the_end(now, latency)
        # Two rounds at least: the first answers are to requests that were sent at the size before.
        elif self._answers >= max(2 * self.size, 20) and now - self._since >= TRIAL_SECONDS:
            self._judge(now)

    def _within_ceiling(self) -> None:
        self.size, self._since_refusal = self._ceiling, self._since_refusal + 1
        if self._since_refusal >= PATIENCE * self._ceiling:
            self._ceiling, self._since_refusal = min(self._most, self._ceiling + 1), 0

    def _grow(self, latency: float) -> None:
        """Grow by a quarter a round trip where that is short, so that an unknown limit is not overrun; double where it is long."""
        self.size = min(self._most, self.size + min(MOST_GROWTH, max(0.25, LONG_TRIP * latency)))

    def _look_for_the_end(self, now: float, latency: float) -> None:
        """End the slow start when answers take much longer than the first ones did: they wait for each other."""
        if self._seen < START:
            self._seen += 1
            self._first_latency += (latency - self._first_latency) / self._seen
            self._latency = self._first_latency
            return
        self._latency += (latency - self._latency) / self.size
        if self._latency > WAITING * self._first_latency or self.size >= self._most:
            self._slow_start, self._base, self._resting = False, None, 0
            self._begin(now)

    def _judge(self, now: float) -> None:
        """Keep a size that was measured for a while, or go back to the one before."""
        throughput, is_measured = self._answers / (now - self._since), self._busy > 0.7 * self._answers
        self._begin(now)
        # The window was not full for most of the time (a slow corpus, a claim that waited): the throughput is not the server's.
        if not is_measured:
            return
        if self._base is None:
            self._base, self._resting = (self.size, throughput), 1
        required = {1: BETTER, -1: AS_GOOD, 0: 0.0}[self._trial] * self._base[1]
        if throughput < required:
            self.size, self._resting = self._base[0], REST
        else:
            self._base = (self.size, throughput)
            self._resting = 0 if self._trial else self._resting - 1  # what went well is done again
            self._last_trial = -self._trial or self._last_trial
        self._trial = 0
        if self._resting <= 0:
            self._try_another()

    def _try_another(self) -> None:
        self._trial = self._last_trial = -self._last_trial
        size = max(self.size * UP, self.size + 1) if self._trial > 0 else self.size * DOWN
        self.size = min(self._most, max(SMALLEST, size))

    def refused_parallel(self, in_flight: int) -> None:
        """Shrink to less than was in flight: the endpoint limits just that.  More is tried again after many answers."""
        self._ceiling = max(SMALLEST, min(self._ceiling, in_flight - 1.0))
        self.size, self._since_refusal = min(self.size, self._ceiling), 0
        self._slow_start, self._trial, self._base = False, 0, None

    def refused(self, in_flight: int) -> None:
        """Shrink after a 429 to most of what was in flight."""
        self.size = max(SMALLEST, min(self.size, 0.85 * max(in_flight, 1)))
        # What was measured belongs to an endpoint that took more; growth begins again from what is left.
        self._slow_start, self._trial, self._base = True, 0, None

    def failed(self, now: float) -> None:
        """Learn nothing from the stretch that a 5xx or a timeout fell into; it only stops the growth for the moment."""
        self._begin(now)
