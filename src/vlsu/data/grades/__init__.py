"""Files of graders' answers: identifying their columns, and reading each answer as a row."""

from vlsu.data.grades.columns import GradeColumns
from vlsu.data.grades.reading import GradeFile, read_grades

__all__ = ["GradeColumns", "GradeFile", "read_grades"]
