"""Who learns: one file a student.

A student is a module with `Options`, which checks `train.parameters`, and `Student`, a `pipeline.core.contracts.Student`.
It needs

- `fit(train, validation, run)`: learns from examples, keeps what a whole epoch learned in `run.checkpoints`;
- `save(folder)` and `load(folder)`: plain data, the same bytes for the same weights;
- `predict(articles)`: phrases with scores, best first.

`refusal` says which labels it cannot learn, `check` what is missing, before any row is read; `validation` asks for a share of train
to stop by; `draws` is 1 where training is dear.
"""
