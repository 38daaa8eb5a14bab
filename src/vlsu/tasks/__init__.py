"""Understanding and alignment: prompts in, judgments out, without I/O.

Each name is imported when it is first used.
"""

from typing import TYPE_CHECKING

from vlsu._lazy import lazily

if TYPE_CHECKING:
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

#: Name -> the module that it is imported from.
_HOMES = {
    "Alignment": "vlsu.tasks.alignment",
    "Answer": "vlsu.tasks.answers.reading",
    "BARE": "vlsu.tasks.prompting",
    "BUNDLED_FRAMINGS": "vlsu.tasks.framing",
    "CAPTION": "vlsu.tasks.alignment",
    "CHOICE": "vlsu.tasks.prompting",
    "CONTROLS": "vlsu.tasks.prompting",
    "DETAILS": "vlsu.tasks.prompting",
    "Detail": "vlsu.tasks.prompting",
    "FRAMINGS": "vlsu.tasks.framing",
    "Framing": "vlsu.tasks.framing",
    "GuardTask": "vlsu.tasks.judging.guard",
    "JudgeTask": "vlsu.tasks.judging.rubric",
    "Judging": "vlsu.tasks.judging.base",
    "Judgment": "vlsu.tasks.base",
    "LikelyCategories": "vlsu.tasks.likely",
    "ONE_WORD": "vlsu.tasks.prompting",
    "PROMPTS": "vlsu.tasks.prompting",
    "Prompt": "vlsu.tasks.prompting",
    "RequestSource": "vlsu.tasks.base",
    "Task": "vlsu.tasks.base",
    "TaskRequest": "vlsu.tasks.base",
    "Understanding": "vlsu.tasks.understanding",
    "Verdict": "vlsu.tasks.judging.base",
    "answer_schema": "vlsu.tasks.understanding",
    "load_candidates": "vlsu.tasks.framing",
    "load_framing": "vlsu.tasks.framing",
    "load_framings": "vlsu.tasks.framing",
    "load_prompt": "vlsu.tasks.prompting",
    "looks_like_refusal": "vlsu.tasks.answers.reading",
    "prompt_source": "vlsu.tasks.prompting",
    "read_answer": "vlsu.tasks.answers.reading",
    "read_reply": "vlsu.tasks.alignment",
    "read_verdict": "vlsu.tasks.judging.rubric",
}

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

if not TYPE_CHECKING:  # a type checker would take any misspelt name for an object
    __getattr__, __dir__ = lazily(__name__, _HOMES)
