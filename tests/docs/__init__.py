"""What the README and the pages under `docs` claim, made from the code or held against it."""
