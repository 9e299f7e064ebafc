"""The parts of the student `ranker`: candidates as a matrix, words that labels use, trees, and the choice of a label."""
