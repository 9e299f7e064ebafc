"""Korean articles: words by rule or by an analyser, phrases, and what they are judged by."""
