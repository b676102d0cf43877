"""The README's examples are run as they stand."""

import re
import subprocess
import sys
from pathlib import Path

README = (Path(__file__).parents[1] / "README.md").read_text()


def blocks(language):
    return re.findall(rf"^```{language}\n(.*?)^```", README, flags=re.MULTILINE | re.DOTALL)


def test_the_python_examples_run_one_after_the_other(tmp_path):
    code = "\n".join(blocks("python"))
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", code],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith("0.7857")
    assert (tmp_path / "STORE/mgrs/31UDQ/sentinel-2-l2a/reflectance/c/1/0/2/2").exists()


def test_every_make_target_that_is_named_exists():
    makefile = (Path(__file__).parents[1] / "Makefile").read_text()
    named = set(re.findall(r"make (\w+)", "\n".join(blocks("sh")))) | {"faults", "contestants"}
    assert named == {"demo", "test", "faults", "contestants"}
    assert all(re.search(rf"^{target}:", makefile, flags=re.MULTILINE) for target in named)


def test_every_command_that_is_named_exists():
    program = Path(sys.executable).with_name("cubestore")
    verbs = set(re.findall(r"`cubestore ([a-z]+)", README))
    assert verbs >= {"sensors", "tiles", "verify"}
    text = subprocess.run([program, "--help"], capture_output=True, text=True, check=True).stdout
    assert all(re.search(rf"\b{verb}\b", text) for verb in verbs)
