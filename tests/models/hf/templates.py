"""Chat templates in the style of real families: their control tokens, roles, place of images."""

QWEN = """\
{%- for message in messages -%}
{{ '<|im_start|>' + message.role + '\\n' }}
{%- for part in message.content -%}
{%- if part.type == 'image' -%}{{ '<|vision_start|><|image_pad|><|vision_end|>' }}
{%- else -%}{{ part.text }}{%- endif -%}
{%- endfor -%}
{{ '<|im_end|>\\n' }}
{%- endfor -%}
{%- if add_generation_prompt -%}{{ '<|im_start|>assistant\\n' }}{%- endif -%}
"""
#: Images first, whatever their place; LLaVA-OneVision's.
IMAGES_FIRST = """\
{%- for message in messages -%}
{{ '<|im_start|>' + message.role + ' ' }}
{%- for part in message.content | selectattr('type', 'equalto', 'image') -%}{{ '<image>\\n' }}
{%- endfor -%}
{%- for part in message.content | selectattr('type', 'equalto', 'text') -%}{{ '\\n' + part.text }}
{%- endfor -%}
{{ '<|im_end|>' }}
{%- endfor -%}
{%- if add_generation_prompt -%}{{ '<|im_start|>assistant\\n' }}{%- endif -%}
"""
#: Without the token of the beginning, which the tokenizer adds; LLaVA 1.5's.
LLAVA = """\
{%- for message in messages -%}
{%- if message.role != 'system' -%}{{ message.role | upper + ': ' }}{%- endif -%}
{%- for part in message.content | selectattr('type', 'equalto', 'image') -%}{{ '<image>\\n' }}
{%- endfor -%}
{%- for part in message.content | selectattr('type', 'equalto', 'text') -%}{{ part.text + ' ' }}
{%- endfor -%}
{%- endfor -%}
{%- if add_generation_prompt -%}{{ 'ASSISTANT:' }}{%- endif -%}
"""
SMOLVLM = """\
<|im_start|>{% for message in messages %}{{ message.role | capitalize }}
{%- if message.content[0].type == 'image' -%}{{ ':' }}{%- else -%}{{ ': ' }}{%- endif -%}
{%- for part in message.content -%}
{%- if part.type == 'text' -%}{{ part.text }}{%- else -%}{{ '<image>' }}{%- endif -%}
{%- endfor -%}<end_of_utterance>
{% endfor %}{%- if add_generation_prompt -%}{{ 'Assistant:' }}{%- endif -%}
"""
#: As of Gemma 1 and 2, which refuse a system message (Gemma 3's own puts it into the user's turn).
GEMMA = """\
{{ bos_token }}
{%- for message in messages -%}
{%- if (message.role == 'user') != (loop.index0 % 2 == 0) -%}
{{ raise_exception('Conversation roles must alternate user/assistant/user/assistant/...') }}
{%- endif -%}
{{ '<start_of_turn>' + message.role + '\\n' }}
{%- for part in message.content -%}
{%- if part.type == 'image' -%}{{ '<start_of_image>' }}
{%- else -%}{{ part.text | trim }}{%- endif -%}
{%- endfor -%}
{{ '<end_of_turn>\\n' }}
{%- endfor -%}
{%- if add_generation_prompt -%}{{ '<start_of_turn>model\\n' }}{%- endif -%}
"""
INTERNVL = """\
{%- for message in messages -%}
{{ '<|im_start|>' + message.role + '\\n' }}
{%- for part in message.content -%}
{%- if part.type == 'image' -%}{{ '<IMG_CONTEXT>\\n' }}
{%- else -%}{{ part.text }}{%- endif -%}
{%- endfor -%}
{{ '<|im_end|>\\n' }}
{%- endfor -%}
{%- if add_generation_prompt -%}{{ '<|im_start|>assistant\\n' }}{%- endif -%}
"""
#: Qwen3's: of a model that may think first.
TEXT = """\
{%- for message in messages -%}
{{ '<|im_start|>' + message.role + '\\n' + message.content + '<|im_end|>\\n' }}
{%- endfor -%}
{%- if add_generation_prompt -%}{{ '<|im_start|>assistant\\n' }}
{%- if enable_thinking is defined and not enable_thinking -%}{{ '<think>\\n\\n</think>\\n\\n' }}
{%- endif -%}{%- endif -%}
"""
