"""The program ``cubestore``: verbs, each a thin call of a public function.

Exit status: 0 done; 1 a known error, in one line; 2 wrong usage; 3 done in part, or verified and
found wrong; 130 interrupted. Results go to standard output, messages to standard error.
"""

import sys
from collections.abc import Sequence
from importlib.metadata import version

from cyclopts import App, CycloptsError

from cubestore.errors import CubestoreError
from cubestore_pipelines.cli import (
    batching,
    building,
    demo,
    embedding,
    exporting,
    facts,
    importing,
    indexing,
    likeness,
    models,
    probing,
    publishing,
    recipes,
    sampling,
    serving,
    statistics,
    stores,
    training,
)
from cubestore_pipelines.cli.output import plain_console
from cubestore_pipelines.cli.status import DONE, FAILED, INTERRUPTED, USAGE

app = App(
    name="cubestore",
    help="Analysis-ready Earth-observation cubes: one per tile and sensor, in plain Zarr.",
    version=f"cubestore {version('cubestore')}",
    help_format="plaintext",
    exit_on_error=False,
    print_error=False,
    suppress_keyboard_interrupt=False,
    result_action="return_value",
)
VERBS = (
    demo.demo,
    facts.sensors,
    facts.tiles,
    sampling.sample,
    building.search,
    building.plan,
    building.build,
    recipes.run,
    importing.importing,
    stores.info,
    stores.verify,
    indexing.index,
    exporting.export,
    likeness.nearest,
    likeness.change,
    statistics.stats,
    models.models,
    training.train,
    embedding.embed,
    probing.probe,
    batching.batches,
    publishing.catalog,
    serving.serve,
)
for verb in VERBS:
    app.command(verb)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the program, and return its exit status."""
    errors = plain_console(stderr=True)
    try:
        status = app(list(sys.argv[1:] if arguments is None else arguments))
    except CubestoreError as error:
        errors.print(f"cubestore: {error}")
        return FAILED
    except CycloptsError as error:
        errors.print(f"cubestore: {error}\nTry: cubestore --help")
        return USAGE
    except ModuleNotFoundError as error:
        errors.print(f"cubestore: {error}. Remedy: pip install 'cubestore[all]'.")
        return FAILED
    except KeyboardInterrupt:
        errors.print("cubestore: interrupted. What was committed stays; the same command resumes.")
        return INTERRUPTED
    return status if isinstance(status, int) else DONE
