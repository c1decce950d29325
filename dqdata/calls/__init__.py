"""The path of a request from an operator to a teacher: ledger, limits, budget, retries."""
