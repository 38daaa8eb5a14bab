"""What is done with runs that are finished."""
