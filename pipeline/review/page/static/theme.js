// Runs before the first paint, so that a dark page does not flash white.  Without a choice the system's wish holds.
try {
  const chosen = localStorage.getItem("labelmill/theme");
  if (chosen) document.documentElement.dataset.theme = chosen;
} catch {
  // no storage: the system's wish
}
