"""Understanding and alignment: prompts in, judgments out, without I/O."""

from vlsu.tasks.alignment import CAPTION, Alignment, read_reply
from vlsu.tasks.answers.reading import Answer, looks_like_refusal, read_answer
from vlsu.tasks.base import Judgment, RequestSource, Task, TaskRequest
from vlsu.tasks.framing import (
    BUNDLED_FRAMINGS,
    FRAMINGS,
    Framing,
    load_candidates,
    load_framing,
    load_framings,
)
from vlsu.tasks.judging.base import Judging, Verdict
from vlsu.tasks.judging.guard import GuardTask
from vlsu.tasks.judging.rubric import JudgeTask, read_verdict
from vlsu.tasks.likely import LikelyCategories
from vlsu.tasks.prompting import (
    BARE,
    CHOICE,
    CONTROLS,
    DETAILS,
    ONE_WORD,
    PROMPTS,
    Detail,
    Prompt,
    load_prompt,
    prompt_source,
)
from vlsu.tasks.understanding import Understanding, answer_schema

__all__ = [
    "BARE",
    "BUNDLED_FRAMINGS",
    "CAPTION",
    "CHOICE",
    "CONTROLS",
    "DETAILS",
    "FRAMINGS",
    "ONE_WORD",
    "PROMPTS",
    "Alignment",
    "Answer",
    "Detail",
    "Framing",
    "GuardTask",
    "JudgeTask",
    "Judging",
    "Judgment",
    "LikelyCategories",
    "Prompt",
    "RequestSource",
    "Task",
    "TaskRequest",
    "Understanding",
    "Verdict",
    "answer_schema",
    "load_candidates",
    "load_framing",
    "load_framings",
    "load_prompt",
    "looks_like_refusal",
    "prompt_source",
    "read_answer",
    "read_reply",
    "read_verdict",
]
