"""The API that OpenAI and many servers speak: `chat_completions` on the wire, `failures` (which kind an
error is), `compatibility` with its parameters."""
