"""How the published data sets are made: a YAML file each, and what carries them out.

``recipe`` reads a file, ``steps`` says what a step is to a run, ``verbs`` has a row for each verb
(``building``, ``imports`` and ``samples`` its functions), ``run`` goes through the steps.
"""
