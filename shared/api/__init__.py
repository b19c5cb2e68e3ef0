"""HTTP: parse, authorise, call, answer. Knows no Azure SDK."""
