"""Understanding and alignment: prompts in, judgments out, without I/O."""
