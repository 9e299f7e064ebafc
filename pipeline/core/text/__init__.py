"""Text of any language: `folding`, `language`, `tokens`, `stems`, Korean words (`korean` by rule, `kiwi` by an analyser)."""
