"""Reading what servers send, whatever they made of it: JSON, errors, endings, moderation."""
