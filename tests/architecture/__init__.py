"""What we claim about the code, checked against the code."""
