"""Requests in, durable answers out.

run             one function for every kind of provider
online          many requests in flight: claim, send, store, judge, ask again
run_context     what a run is given; question: one request and what became of it
supply          what is to be asked, a little ahead of its sending
attempts        tries of one request, and the waits between them; timeouts: how long one may take
context_fit     prompts too long for the model; token_estimate: what counts against a limit of tokens
cap             keeps the budget where what answers is dearer than was reserved
quality_breaker stops a model that answers nonsense; stopping: on purpose, by Ctrl-C
preflight       before the first paid request
monitor         the live line and the log of events
"""
