"""A grader as a process of its own, which a test can kill: ``python -m ... FOLDER PERSON``.

It grades until nothing is left, and prints each answer's client id once the answer is stored.
"""

from __future__ import annotations

import sys
import time
from pathlib import Path

from tests.support.annotating import answer_to
from vlsu.annotate.projects.project import open_project
from vlsu.annotate.work.leasing import Lease, Nothing


def main(folder: str, person: int) -> None:
    """Grade until nothing is left."""
    with open_project(Path(folder), connections=1) as project:
        print("ready", flush=True)
        number = 0
        while True:
            lease = project.next_item(person)
            if not isinstance(lease, Lease):
                if lease is Nothing.FINISHED:
                    return
                time.sleep(0.05)
                continue
            number += 1
            client_id = f"{person}-{number}"
            project.submit(person, answer_to(lease, client_id=client_id, note="n" * 500))
            print(client_id, flush=True)


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]))
