"""The contingency table every metric is a function of: from rows to cells to estimates."""
