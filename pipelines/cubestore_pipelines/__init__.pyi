from cubestore_pipelines.build import Report
from cubestore_pipelines.choices import Choices, choices
from cubestore_pipelines.plan import Plan
from cubestore_pipelines.recipes.run import Done
from cubestore_pipelines.verbs import build, plan, run, search

__all__ = ["Choices", "Done", "Plan", "Report", "build", "choices", "plan", "run", "search"]
