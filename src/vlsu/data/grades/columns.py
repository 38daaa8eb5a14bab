"""The columns of a file of grades: as the user names them, and by their usual names."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

__all__ = ["CATEGORY", "GRADE", "GRADER", "ITEM", "MODALITY", "RESPONDENT", "GradeColumns"]

#: Names a column is found by, best first, in any letter case.
ITEM = (
    *("item", "item_id", "sample_id", "id", "uuid", "task", "task_id", "unit_id", "instance_id"),
    *("example_id", "document_id", "doc_id", "question_id", "pair_id", "hitid"),
)
GRADER = (
    *("grader", "grader_id", "annotator", "annotator_id", "rater", "rater_id", "worker_id"),
    *("worker", "coder", "performer", "user_id", "user", "username", "labeler", "labeller"),
    *("participant_id", "annotator_name", "workerid", "annotatorid"),
    *("annotator_email", "graderid", "raterid", "userid", "prolific_id"),
)
#: Of who answered, in the table of a web form, which has a row a person and a column a question.
RESPONDENT = (
    *("email_address", "email", "e_mail", "e_mail_address", "your_name", "name", "respondent"),
    *("respondent_id", "response_id", "responseid"),
)
GRADE = ("grade", "label", "rating", "severity", "choice", "verdict")
CATEGORY = ("category",)
MODALITY = ("modality",)


@dataclass(frozen=True, slots=True)
class GradeColumns:
    """Columns named by the user, in place of those found by their usual names.

    Attributes:
        item: What is graded; in a wide file it may be absent, and every row is then an item.
        grader: Who graded (long files).
        grade: The answer (long files).
        graders: One column a grader (wide files); a name that holds commas may stand between others
            in one text.
        category: Of the item, if the file has one.
        modality: What of the item was graded, if the file tells.
    """

    item: str | None = None
    grader: str | None = None
    grade: str | None = None
    graders: Sequence[str] = ()
    category: str | None = None
    modality: str | None = None
