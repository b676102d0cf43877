"""The program ``cubestore``: verbs, each a thin call of a public function.

Exit status: 0 done; 1 a known error, in one line; 2 wrong usage; 3 done in part, or verified and
found wrong; 130 interrupted. Results go to standard output, messages to standard error.
"""

import sys
from collections.abc import Sequence
from importlib.metadata import version

from cyclopts import App, CycloptsError

from cubestore.errors import CubestoreError
from cubestore_pipelines.cli.output import plain_console
from cubestore_pipelines.cli.status import DONE, FAILED, INTERRUPTED, USAGE
from cubestore_pipelines.cli.verbs import VERBS
from cubestore_pipelines.interrupts import waiting


def program(words: Sequence[str]) -> App:
    """Return the program; of its verbs only those among the words are imported, when it runs."""
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
    for name, verb in VERBS.items():
        told = None if name in words else verb.help  # instead of its own
        app.command(f"{__name__}.{verb.where}", name=name, help=told)
    return app


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the program, and return its exit status."""
    errors = plain_console(stderr=True)
    words = list(sys.argv[1:] if arguments is None else arguments)
    app = program(words)
    try:
        with waiting():  # NumPy would take an interrupt of its import for a broken installation
            app.parse_commands(words)
        status = app(words)
    except CubestoreError as error:
        errors.print(f"cubestore: {error}")
        return FAILED
    except CycloptsError as error:
        errors.print(f"cubestore: {error}\nTry: cubestore --help")
        return USAGE
    except ImportError as error:
        missing = error.__cause__ or error  # of a verb's module
        if not isinstance(missing, ModuleNotFoundError):
            raise
        errors.print(f"cubestore: {missing}. Remedy: pip install 'cubestore[all]'.")
        return FAILED
    except KeyboardInterrupt:
        errors.print("cubestore: interrupted. What was committed stays; the same command resumes.")
        return INTERRUPTED
    return status if isinstance(status, int) else DONE
