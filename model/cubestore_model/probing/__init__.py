"""Probes: how much of some labels a model's vectors tell.

    probe("STORE", model="clay-v1.5", labels="esa-worldcover").to_pandas()
    run(samples, method="linear", seeds=5)         # of any vectors and labels

`samples` are chips with vectors and labels (``samples``), parted by ground anew for each seed
(``parting``), and fitted on what trains (``linear``, ``knn``, and ``finetune``, which trains the
encoder on); ``experiment`` goes through the seeds, ``metrics`` measures, ``interval`` says how sure
a mean is, ``tables`` holds what came of it. ``probe`` takes samples from a store: ``asked`` says
which, ``cubes`` and ``patch_sets`` find them, ``reading`` goes through their pixels, ``codes`` says
what a stored number means.
"""

from cubestore_model.probing.experiment import Called, Fitting, Scorer, over, run
from cubestore_model.probing.finetune import Finetuning, Tuned, Tuning, load_tuned
from cubestore_model.probing.parting import in_turn
from cubestore_model.probing.probe import probe
from cubestore_model.probing.samples import Samples, majority
from cubestore_model.probing.tables import Measure, Probed, Run

__all__ = [
    "Called",
    "Finetuning",
    "Fitting",
    "Measure",
    "Probed",
    "Run",
    "Samples",
    "Scorer",
    "Tuned",
    "Tuning",
    "in_turn",
    "load_tuned",
    "majority",
    "over",
    "probe",
    "run",
]
