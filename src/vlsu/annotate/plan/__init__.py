"""What is graded, by how many, in which order and within which bounds: values without I/O."""
