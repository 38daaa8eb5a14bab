"""How many independent samples a share is worth whose samples come in clusters.

The design effect of a share is its variance with the clusters over its variance without them, and
its effective size the number of samples over the design effect (Kish 1965). Intervals for
independent samples, such as Wilson's, are then right with that size (Rao and Scott 1992).
"""

from __future__ import annotations

__all__ = ["copies_size", "linearised_size"]


def linearised_size(spread: float, squares: float, *, n: float, units: int) -> float:
    """The effective size by the linearised variance of a ratio over clusters (Cochran 1977).

    Any factor that `spread` and `squares` have in common falls out, so that both may be whole
    numbers.

    Args:
        spread: The share's variance with one sample a cluster, times n: p (1 - p) of a proportion.
        squares: Sum over clusters of their squared sums of deviations from the share; above 0.
        n: Samples.
        units: Clusters, at least 2.

    Example:
        >>> linearised_size(0.25, 4.0, n=16, units=4)
        12.0
    """
    return spread * n**2 * (units - 1) / (units * squares)


def copies_size(n: float, squares: float) -> float:
    """The effective size if the samples of a cluster are copies of each other (Kish 1965).

    The worst case, for where a share of 0 or 1, or a single cluster, has no variance to go by.

    Args:
        n: Samples.
        squares: Sum over clusters of their squared sizes; n if each sample is its own cluster.

    Example:
        Three groups of two samples:

        >>> copies_size(6, 3 * 2**2)
        3.0
    """
    return n**2 / squares
