"""Reading the severity that an answer states.

`read_answer` is imported when it is first used: before the first answer there is nothing to read.
"""

from typing import TYPE_CHECKING

from vlsu._lazy import lazily

if TYPE_CHECKING:
    from vlsu.tasks.answers.reading import read_answer

__all__ = ["read_answer"]

if not TYPE_CHECKING:  # a type checker would take any misspelt name for an object
    __getattr__, __dir__ = lazily(__name__, {"read_answer": "vlsu.tasks.answers.reading"})
