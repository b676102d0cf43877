"""Published data sets: their files, as they were published, into patch sets and embeddings.

A module or package a data set. Each reads the published layout a few patches at a time, checks it
(`DatasetError` names the file and the row), and writes through `Store.create_patches`, so that a
set appears whole or not at all. What every import tells is `Imported`.
"""
