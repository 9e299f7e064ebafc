"""The API that OpenAI and many servers speak: `chat_completions` on the wire, `compatibility` with its parameters."""
