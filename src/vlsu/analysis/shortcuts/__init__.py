"""Can the joint grade be told without looking at both parts? Audits of a dataset's samples."""
