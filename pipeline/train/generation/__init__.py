"""The parts of the students `seq2seq` and `clm`: rows as tokens, a LightningDataModule and a LightningModule, writing labels.

    rows      examples -> token ids, with limits that count what they cut (no torch)
    data      LabelData, the LightningDataModule
    module    LabelWriter, the LightningModule
    fitting   the Trainer that a student is fitted with
    models    base models by name or folder, LoRA, and what is saved
    writing   a trained model writes labels

`data` and `module` go with any `lightning.Trainer`: see docs/students.md.
"""
