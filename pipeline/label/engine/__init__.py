"""Requests in, durable answers out.

run               one function for every kind of provider
online            the course of a run with many requests in flight; run_context: what it is given
request_queue     what is to be asked: looked up in the ledger, claimed, a little ahead of its sending
request_attempt   one question to the endpoint, and what became of it
retries           the tries of one request: a 429 is retried here; timeouts: one that hangs is cut off
refusals          whose refusal a 429 is: a limit's, or one request's
failure_policy    what follows a failure: the table
group_commit      outcomes are stored many at a time
context_fit       prompts too long for the model are rejected or cut
budget_cap        keeps the budget where what answers is dearer than was reserved
circuit_breakers  pause a run of no use: nonsense, rejections only; stopping: by Ctrl-C, or for any reason
preflight         before the first paid request
monitor           the live line and the log of events
"""
