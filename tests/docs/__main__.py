"""`make docs`: write every generated part of the pages, and the picture."""

from tests.docs.pages import refresh

for name in refresh():
    print(f"wrote {name}")
