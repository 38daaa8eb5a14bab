"""What graders, adjudicators and leads do: each a function of a connection, in one transaction.

Locks are taken in one order everywhere: the person, then samples by number, then slots.
"""
