"""What happens between an operator and a teacher: ledger, limits, budget, retries."""
