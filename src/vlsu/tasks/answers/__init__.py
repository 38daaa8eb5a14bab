"""Reading the severity that an answer states."""
