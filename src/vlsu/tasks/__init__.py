"""Understanding and alignment: prompts in, judgments out, without I/O."""

from vlsu.tasks.answers import Answer, looks_like_refusal, read_answer
from vlsu.tasks.base import Ask, Judgment, Task
from vlsu.tasks.prompting import BARE, PROMPTS, Prompt, load_prompt, prompt_source
from vlsu.tasks.understanding import Understanding, answer_schema

__all__ = [
    "BARE",
    "PROMPTS",
    "Answer",
    "Ask",
    "Judgment",
    "Prompt",
    "Task",
    "Understanding",
    "answer_schema",
    "load_prompt",
    "looks_like_refusal",
    "prompt_source",
    "read_answer",
]
