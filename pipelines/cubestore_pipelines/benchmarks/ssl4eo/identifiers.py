"""Which patches of v1: those that were asked for, less the void ones."""

from collections.abc import Mapping, Sequence
from itertools import pairwise
from pathlib import Path

from cubestore_pipelines.benchmarks.ssl4eo.choices import Choices
from cubestore_pipelines.benchmarks.ssl4eo.published import VOID_IDS
from cubestore_pipelines.errors import DatasetError


def chosen(
    folders: Mapping[str, Sequence[str]], choices: Choices
) -> tuple[list[str], tuple[str, ...]]:
    """Return the patches by their folders' names, by number, and what is left out with the reason.

    Args:
        folders: sensor -> the names of its folders.
        choices: what is wanted.

    Raises:
        DatasetError: a file of ids that is none, an id that is asked for and not there, or one
            that a sensor lacks.
    """
    there = {int(n): n for names in folders.values() for n in names if n.isdecimal()}
    _refuse_doubled(folders)
    strange = sorted({n for names in folders.values() for n in names if not n.isdecimal()})
    wanted = _numbers(choices.ids) if choices.ids else dict.fromkeys(there, 0)
    void = {*VOID_IDS, *(_numbers(choices.void_ids) if choices.void_ids else ())}
    missing = [(n, line) for n, line in wanted.items() if n not in there and n not in void]
    if missing:
        number, line = missing[0]
        raise DatasetError(
            f"{choices.ids}, line {line}: there is no patch {number}",
            expected="ids of patches that the source has, or void ones",
            remedy="fetch it, or take the id out",
        )
    taken = sorted(wanted.keys() & there.keys() - void)
    names = [there[number] for number in taken]
    _refuse_lacking(folders, names, incomplete=choices.incomplete)
    left = [f"{there.get(n, n)}: void" for n in sorted(wanted.keys() & void)]
    return names, (*left, *(f"{name}: no number of a patch" for name in strange))


def _refuse_doubled(folders: Mapping[str, Sequence[str]]) -> None:
    names = sorted({n for some in folders.values() for n in some if n.isdecimal()})
    names.sort(key=int)
    doubled = [pair for pair in pairwise(names) if int(pair[0]) == int(pair[1])]
    if doubled:
        raise DatasetError(
            f"Folders {' and '.join(doubled[0])} in {', '.join(folders)}",
            expected="one name for each number, as 0000200",
            remedy="rename one of them, or move it away",
        )


def _refuse_lacking(
    folders: Mapping[str, Sequence[str]], names: Sequence[str], *, incomplete: bool
) -> None:
    for sensor, mine in folders.items():
        lacking = sorted({*names} - {*mine})
        if lacking and not incomplete:
            raise DatasetError(
                f"{sensor} lacks {len(lacking)} patches that another sensor has: {lacking[0]} …",
                expected="a folder of the same name for every sensor",
                remedy="fetch them, choose sensors with --modality, or say --incomplete",
            )
    if not names:
        raise DatasetError(
            f"No patch in {', '.join(folders)}",
            expected="folders with a number for a name",
            remedy="give the folder that has s1, s2a and s2c in it",
        )


def _numbers(path: Path) -> dict[int, int]:
    """Return the numbers of a file, each with its line."""
    try:
        lines = path.read_text(encoding="utf-8").split("\n")
    except (OSError, UnicodeDecodeError) as error:
        raise DatasetError(
            f"{path} cannot be read: {error}", expected=_A_LINE, remedy="check the path"
        ) from None
    found: dict[int, int] = {}
    for number, line in enumerate(lines, 1):
        if line.strip() and not line.strip().isdecimal():
            raise DatasetError(
                f"{path}, line {number}: {line[:40]!r}", expected=_A_LINE, remedy="mend the line"
            )
        if line.strip():
            found.setdefault(int(line), number)
    return found


_A_LINE = "a number a line, as data/50k_ids_random.csv has them"
