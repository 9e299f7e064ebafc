"""From articles to raw replies in the ledger: the one place where money is spent.

stage        brings `requests/` up to date
prompts      files of prompts -> messages
requests     an article -> a request: provider, task and prompt, and what identifies them
job_ledger   what the command `ledger` shows, checks, exports and saves
providers    who answers, one file a provider
engine       requests in, durable answers out
pacing       how fast to ask
cost         prices, budgets, quotes
ledger       every reply, durable before anything parses it
openai_api   chat completions on the wire
local_model  a chat model in this process
extractive   key phrases without a model
"""
