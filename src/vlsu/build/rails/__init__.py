"""What is never searched for, never asked of a model and never kept, whatever a plan wants."""
